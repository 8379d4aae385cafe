//! Goal: a line sent alone arrives at once. (A Flume sink waits `keep-alive`, 3 s, for the next
//! event before it sends a batch that is not full.) Method: netcat → memory → avro, avro → memory →
//! `file_roll`, default batch sizes; single lines, each sent once the previous one has arrived;
//! measures the time from the write until the line is in the file.

use std::time::{Duration, Instant};

use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, ports, say};

/// Far above the expected time, and below the wait of a sink of Flume. It counts for half of the
/// lines: a machine that is busy with other work may keep any process waiting for a while.
const BOUND: Duration = Duration::from_secs(1);

/// How long to wait for a line that is slower than the bound, so that the failure says how slow it
/// is.
const PATIENCE: Duration = Duration::from_secs(60);

const LINES: u64 = 9;

#[test]
fn a_line_sent_alone_arrives_at_once() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("landed");
    let collector = AgentFile::new("a2")
        .memory("c1", 100, 100)
        .avro_source("r1", output)
        .file_roll("k1", &folder, 100);
    let sender = AgentFile::new("a1")
        .memory("c1", 100, 100)
        .netcat("r1", input)
        .avro_sink("k1", output, 100);
    let _collector = Host::start(&scratch, "collector", &collector.text());
    let _sender = Host::start(&scratch, "sender", &sender.text());
    let landed = Landing::Folder(folder);

    let mut times = Vec::new();
    for number in 0..LINES {
        let start = Instant::now();
        let feed = Feed::start(input, Lines::new("n", 1).from(number));
        let wanted = usize::try_from(number + 1).expect("a small count");
        while landed.bodies().len() < wanted && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(start.elapsed());
        feed.finish(PATIENCE).assert_all_acknowledged();
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    say::line(&format!(
        "latency of a line sent alone: median {median:?}, slowest {slowest:?}"
    ));
    assert!(
        median < BOUND,
        "lines sent alone took {median:?} and more: {times:?}"
    );
}
