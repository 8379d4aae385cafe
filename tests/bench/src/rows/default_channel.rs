//! B11: an interceptor before Flume's default channel, which holds 100 events, with an answer for each
//! line. What does not fit has to wait, and must not pass the interceptor again for that.
//!
//! Events are counted by the answers to their lines: what may still be in the channel is little.

use std::io;

use flume_tests::{AgentFile, Scratch};

use super::{Bench, Candidate, RELEASES, Way, compare, ours, shipped_policy};
use crate::load::Shape;
use crate::rounds::ratio;
use crate::run::{Count, Feed, Run};
use crate::setup::{Channel, Setup};
use crate::table::Target;

/// Bytes of a line: short ones, of which one read brings thousands, and longer ones.
const SIZES: [usize; 2] = [20, 100];

/// How much more CPU time Flume has to need with the same interceptor.
const TIMES: f64 = 8.0;

const NATIVE: &str = "regex_extractor";
const POLICY: &str = "redact.wasm";

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    for size in SIZES {
        let setup = Setup {
            shape: Shape {
                size,
                ack: true,
                ..Shape::USUAL
            },
            channel: Channel::Default,
        };
        let title = format!(
            "B11 netcat → interceptor → memory → null: {}",
            setup.described()
        );
        bench.table.throughput(&title)?;
        one(bench, setup)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, setup: Setup) -> io::Result<()> {
    let scratch = Scratch::new();
    let way = Way {
        scratch: &scratch,
        feed: Feed::Netcat,
        setup,
        count: Count::Answers,
    };
    let candidate = |name: &str, with: &dyn Fn(AgentFile) -> AgentFile| {
        let (own, input) = ours(&scratch, name, |input| with(setup.to_null(input)));
        Candidate::new(own, Feed::Netcat, input, setup, Count::Answers)
    };
    let mut candidates = vec![
        candidate("none", &|file| file),
        candidate(NATIVE, &native),
        candidate(POLICY, &policy),
    ];
    let file = |input| native(setup.to_null(input));
    candidates.extend(bench.warm_flume(RELEASES[0], way, file)?);
    let all = compare(bench.scale.variants, bench.time(), candidates);
    for series in &all {
        bench.table.series(series)?;
    }
    let [none, own, policy, peer @ ..] = all.as_slice() else {
        return Ok(());
    };
    let size = setup.shape.size;
    for series in [own, policy] {
        let times = ratio(series, none, Run::cpu_per_million);
        let name = format!("B11 CPU of {} / none, {size} B", series.name);
        bench.table.figure(&name, &times, 2)?;
    }
    if let [peer] = peer {
        for series in [own, policy] {
            let times = ratio(peer, series, Run::cpu_per_million);
            let name = format!("B11 CPU of flume's {NATIVE} / {}, {size} B", series.name);
            bench.table.target(&name, &times, 1, Target::Least(TIMES))?;
        }
    }
    Ok(())
}

/// The number at the start of each line becomes a header.
fn native(file: AgentFile) -> AgentFile {
    let key = "sources.r1.interceptors.i1";
    file.set("sources.r1.interceptors", "i1")
        .set(&format!("{key}.type"), NATIVE)
        .set(&format!("{key}.regex"), "^([0-9]+)")
        .set(&format!("{key}.serializers"), "s1")
        .set(&format!("{key}.serializers.s1.name"), "number")
}

/// Each body is searched for the number of a card.
fn policy(file: AgentFile) -> AgentFile {
    let key = "sources.r1.interceptors.i1";
    file.set("sources.r1.interceptors", "i1")
        .set(&format!("{key}.type"), shipped_policy("redact").display())
        .set(&format!("{key}.patterns"), "####-####-####-####")
}
