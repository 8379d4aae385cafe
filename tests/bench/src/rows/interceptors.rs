//! B6: interceptors between lines and batches: none, one and three, native and as policies.
//!
//! Both mask what looks like a card number, in every tenth line; with three, also a date and an
//! order number, in each line. `search_replace` uses regular expressions, the policy `redact` its
//! own patterns; the resulting bodies are the same.

use std::io;
use std::path::Path;
use std::time::Duration;

use flume_tests::{AgentFile, Scratch, ports};

use super::{Bench, Candidate, SETUP, compare, ours, shipped_policy};
use crate::load::AvroReceiver;
use crate::load::arrivals::Slot;
use crate::rounds::ratio;
use crate::run::{Feed, Run};

/// What is masked: the regular expression, the pattern of `redact`, and the replacement.
const MASKS: [(&str, &str, &str); 3] = [
    (
        "[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}",
        "####-####-####-####",
        "*******************",
    ),
    ("[0-9]{4}-[0-9]{2}-[0-9]{2}T", "####-##-##T", "***********"),
    ("checkout.[0-9]{4}", "checkout[####", "*************"),
];

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    bench.table.throughput(&format!(
        "B6 netcat → interceptors → memory → avro: {}",
        SETUP.described()
    ))?;
    let redact = shipped_policy("redact");
    let (scratch, slot) = (Scratch::new(), Slot::new());
    let receiver = AvroReceiver::start(ports::free(), &slot, Duration::ZERO);
    let candidate = |name: &str, chain: &dyn Fn(AgentFile) -> AgentFile| {
        let file = |input| chain(SETUP.to_avro(input, receiver.port()));
        let (own, input) = ours(&scratch, name, file);
        Candidate::new(own, Feed::Netcat, input, SETUP, &slot)
    };
    let candidates = vec![
        candidate("none", &|file| file),
        candidate("1 search_replace", &|file| native(file, 1)),
        candidate("1 redact.wasm", &|file| policies(file, &redact, 1)),
        candidate("3 search_replace", &|file| native(file, 3)),
        candidate("3 redact.wasm", &|file| policies(file, &redact, 3)),
    ];
    let all = compare(bench.scale.pairs, bench.time(), candidates);
    for series in &all {
        bench.table.series(series)?;
    }
    let [none, pairs @ ..] = all.as_slice() else {
        return Ok(());
    };
    for pair in pairs.chunks_exact(2) {
        for one in pair {
            let times = ratio(one, none, Run::cpu_per_million);
            let name = format!("B6 CPU of {} / none", one.name);
            bench.table.figure(&name, &times, 2)?;
        }
        let times = ratio(&pair[1], &pair[0], Run::cpu_per_million);
        let name = format!("B6 CPU of {} / {}", pair[1].name, pair[0].name);
        bench.table.figure(&name, &times, 2)?;
    }
    Ok(())
}

fn native(file: AgentFile, count: usize) -> AgentFile {
    chain(file, count, |file, key, at| {
        let (pattern, _, mask) = MASKS[at];
        file.set(&format!("{key}.type"), "search_replace")
            .set(&format!("{key}.searchPattern"), pattern)
            .set(&format!("{key}.replaceString"), mask)
    })
}

fn policies(file: AgentFile, redact: &Path, count: usize) -> AgentFile {
    chain(file, count, |file, key, at| {
        let (_, pattern, _) = MASKS[at];
        file.set(&format!("{key}.type"), redact.display())
            .set(&format!("{key}.patterns"), pattern)
    })
}

fn chain(
    mut file: AgentFile,
    count: usize,
    keys: impl Fn(AgentFile, &str, usize) -> AgentFile,
) -> AgentFile {
    let names: Vec<String> = (1..=count).map(|at| format!("i{at}")).collect();
    file = file.set("sources.r1.interceptors", names.join(" "));
    for (at, name) in names.iter().enumerate() {
        file = keys(file, &format!("sources.r1.interceptors.{name}"), at);
    }
    file
}
