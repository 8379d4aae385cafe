//! B7: the same group ordered by a native selector and by its twin, a policy.

use std::io;
use std::time::Duration;

use flume_tests::{Scratch, ports};

use super::{Bench, Candidate, SETUP, compare, ours, shipped_policy};
use crate::load::AvroReceiver;
use crate::load::arrivals::Slot;
use crate::rounds::ratio;
use crate::run::{Feed, Run};
use crate::table::Target;

/// The least that the policy must leave of the native rate.
const LEAST: Target = Target::Least(0.99);

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.throughput(&format!(
        "B7 netcat → memory → load_balance → 2 avro: {}",
        SETUP.described()
    ))?;
    let policy = shipped_policy("round-robin").display().to_string();
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let ends = [(); 2].map(|()| AvroReceiver::start(ports::free(), &slot, Duration::ZERO));
    let ports = ends.each_ref().map(AvroReceiver::port);
    let candidate = |name: &str, selector: &str| {
        let (own, input) = ours(&scratch, name, |input| {
            let file = SETUP.balanced(input, &ports, 1);
            file.set("sinkgroups.g1.processor.selector", selector)
        });
        Candidate::new(own, Feed::Netcat, input, SETUP, &slot)
    };
    let candidates = vec![
        candidate("round_robin", "round_robin"),
        candidate("round-robin.wasm", &policy),
    ];
    let all = compare(bench.scale.pairs, bench.time(), candidates);
    for series in &all {
        bench.table.series(series)?;
    }
    let [native, policy] = all.as_slice() else {
        return Ok(());
    };
    let name = "B7 events/s of the policy / native";
    let share = ratio(policy, native, Run::rate);
    bench.table.target(name, &share, 3, LEAST)?;
    let times = ratio(policy, native, Run::cpu_per_million);
    let name = "B7 CPU of the policy / native";
    bench.table.figure(name, &times, 3)
}
