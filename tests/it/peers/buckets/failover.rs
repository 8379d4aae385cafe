//! Goal: a failover group of a bucket writer (priority 10) and an avro sink (priority 5) fails over
//! when HDFS goes down, within the same call, and fails back when HDFS is up again. Method: the
//! namenode is killed between two lots of lines, and started again; the lines of each lot are
//! counted in HDFS and at the avro sink's collector.

use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Hadoop, Host, Landing, Lines, Scratch, Tally, eventually, landing, ports,
    require,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// Lines of a lot.
const LOT: u64 = 5_000;

fn agent(input: u16, hdfs: &str, avro: u16) -> AgentFile {
    AgentFile::new("a1")
        .netcat("r1", input)
        .memory("c1", 60_000, 1_000)
        .lines_in("k1", &format!("{hdfs}/flow"), 1_000)
        .rolls("k1", 0, 0, 0)
        .sink_keys("k1", &[("hdfs.callTimeout", "5000")])
        .avro_sink("k2", avro, 1_000)
        .set("sinkgroups", "g1")
        .set("sinkgroups.g1.sinks", "k1 k2")
        .set("sinkgroups.g1.processor.type", "failover")
        .set("sinkgroups.g1.processor.priority.k1", 10)
        .set("sinkgroups.g1.processor.priority.k2", 5)
        .set("sinkgroups.g1.processor.maxpenalty", 2_000)
}

#[test]
fn hdfs_down_and_up_again() {
    let hadoop = require!(Hadoop::enter());
    let scratch = Scratch::new();
    let mut hdfs = hadoop.start(&scratch);
    let (input, avro) = (ports::free(), ports::free());
    let folder = scratch.folder("standby");
    let standby = AgentFile::new("a2")
        .memory("c1", 60_000, 1_000)
        .avro_source("r1", avro)
        .file_roll("k1", &folder, 1_000);
    let _standby = Host::start(&scratch, "standby", &standby.text());
    let mut host = Host::start(
        &scratch,
        "agent",
        &agent(input, &hdfs.address(), avro).text(),
    );
    let standby = Landing::Folder(folder);
    let send = |lot: u64| {
        let lines = Lines::new("n", LOT).from(lot * LOT);
        Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
    };

    send(0);
    host.await_delivered("c1", LOT, PATIENCE);
    hdfs.kill_namenode();
    send(1);
    host.await_delivered("c1", 2 * LOT, PATIENCE);
    let behind = landing::await_tally(&[&standby], "n", 2 * LOT, PATIENCE, |tally| {
        tally.arrived() >= LOT
    });
    assert_eq!(
        behind.arrived(),
        LOT,
        "the second lot went by avro: {behind}"
    );
    assert_eq!(behind.arrived_of(LOT..2 * LOT), LOT, "{behind}");
    // A call in which every sink fails is logged with this text. Here there was none.
    let calls = host.process().said("unable to deliver events");
    assert_eq!(calls, 0, "calls that failed");

    hdfs.restart_namenode();
    let back = || host.counter("SINK.k1", "EventDrainSuccessCount");
    let before = back();
    let mut lots = 2;
    eventually("the bucket writer is tried again", PATIENCE, || {
        std::thread::sleep(Duration::from_millis(500));
        send(lots);
        lots += 1;
        host.await_delivered("c1", lots * LOT, PATIENCE);
        (back() > before).then_some(())
    });
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let copy = scratch.path("copy");
    hdfs.get("/flow", &copy);
    let stored = Landing::Folder(copy);
    let tally: Tally =
        landing::await_tally(&[&stored, &standby], "n", lots * LOT, PATIENCE, |tally| {
            tally.lost().is_empty()
        });
    // Batches that failed half written are delivered again, by the other sink.
    tally.assert_at_least_once("both ends together", LOT);
    let stored = landing::count(&[&stored], "n", lots * LOT);
    assert_eq!(stored.arrived_of(0..LOT), LOT, "the first lot: {stored}");
    assert!(
        stored.arrived_of(2 * LOT..lots * LOT) > 0,
        "nothing failed back: {stored}"
    );
}
