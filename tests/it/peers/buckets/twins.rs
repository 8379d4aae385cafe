//! Goal: with the same configuration and input, our bucket writer and the hdfs sink of real Flume
//! 1.8 write the same: the same number of files, the same names except for the time, the same
//! records. Method: both write into one HDFS, one after the other, with a sink for each format,
//! kind of rolling and escape; Hadoop's own shell reads both.

use std::collections::BTreeMap;
use std::time::Duration;

use flume_tests::{
    AgentFile, Feed, Hadoop, Hdfs, Host, Lines, Scratch, eventually, ports, require, tally,
};

use super::formats::{self, EVENTS, FILE, FORMATS};

const PATIENCE: Duration = Duration::from_secs(300);

/// Bytes after which the sized sinks roll.
const SIZE: u64 = 30_000;

/// Every escape whose text is allowed in an HDFS path.
const ESCAPES: &str = "%{kind}/%t/%a-%A-%b-%B-%d-%e-%H-%I-%j-%k-%l-%m-%M-%p-%s-%S-%y-%Y-%z/%D/%%";

/// Formats whose files must have exactly Flume's size. Compressed files, and those whose number of
/// block marks depends on the batches (Flume begins a block of a sequence file with each batch),
/// are compared after Hadoop has decoded them.
const AS_LONG: &[&str] = &[
    "text", "headers", "sized", "bare", "escapes", "rounded", "named",
];

/// The sinks of the scenario of formats, and more for how files are rolled and named.
fn agent(input: u16, address: &str) -> AgentFile {
    let lines = |file: AgentFile, name: &str, path: &str| {
        file.memory(name, 20_000, 1_000)
            .lines_in(name, &format!("{address}/{name}/{path}"), 1_000)
            .drains(name, name)
            .sink_keys(name, &[("hdfs.timeZone", "UTC")])
    };
    let mut file = formats::agent(input, address);
    file = lines(file, "sized", "").rolls("sized", 0, SIZE, 0);
    file = lines(file, "bare", "")
        .rolls("bare", 0, 0, FILE)
        .sink_keys("bare", &[("serializer.appendNewline", "false")]);
    file = lines(file, "escapes", ESCAPES).rolls("escapes", 0, 0, FILE);
    file = lines(file, "rounded", "%Y%m%d/%H%M%S")
        .rolls("rounded", 0, 0, FILE)
        .sink_keys(
            "rounded",
            &[
                ("hdfs.round", "true"),
                ("hdfs.roundValue", "10"),
                ("hdfs.roundUnit", "minute"),
            ],
        );
    file = lines(file, "named", "")
        .rolls("named", 0, 0, FILE)
        .sink_keys(
            "named",
            &[
                ("hdfs.filePrefix", "%{kind}-%Y"),
                ("hdfs.fileSuffix", ".log"),
                ("hdfs.inUsePrefix", "_"),
                ("hdfs.inUseSuffix", ".part"),
            ],
        );
    let names = ["text", "sized", "bare", "escapes", "rounded", "named"];
    for name in names
        .into_iter()
        .chain(FORMATS.iter().map(|(name, _)| *name))
    {
        // Flume does not report when its channels are empty, but it closes idle files. It compares
        // the replicas of a block with its default of 3, and would begin a new file for each batch.
        let keys = [("hdfs.idleTimeout", "5"), ("hdfs.minBlockReplicas", "1")];
        file = file.sink_keys(name, &keys);
    }
    file
}

#[test]
fn same_files_as_real_flume() {
    let hadoop = require!(Hadoop::enter_shared());
    let stage = require!(hadoop.flume());
    let scratch = Scratch::new();
    let hdfs = hadoop.shared();
    let by_count = (FORMATS.len() as u64 + 5) * EVENTS.div_ceil(FILE);
    let finished = usize::try_from(by_count + sized_files()).expect("few files");
    {
        let input = ports::free();
        let file = agent(input, &format!("{}/real", hdfs.address()));
        let mut flume = stage.start(&scratch, "real", &file, &[input]);
        Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
        flume
            .process()
            .await_said("Renaming hdfs", finished, PATIENCE);
        // Logged before the rename is done; stopping the agent waits for it.
        flume.process().term();
        flume.process().wait(PATIENCE);
    }
    let input = ports::free();
    let file = agent(input, &format!("{}/ours", hdfs.address()));
    let mut host = Host::start(&scratch, "ours", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let (real, ours) = (listing(&hdfs, "/real/"), listing(&hdfs, "/ours/"));
    let files = real.values().map(Vec::len).sum::<usize>();
    assert_eq!(files, finished, "files of real Flume: {real:?}");
    let names = |files: &Files| -> Vec<String> {
        let names = files.iter();
        names
            .map(|(name, sizes)| format!("{name} × {}", sizes.len()))
            .collect()
    };
    assert_eq!(names(&ours), names(&real), "ours and Flume's");
    for (name, sizes) in &ours {
        let format = name.split('/').next().unwrap();
        if AS_LONG.contains(&format) {
            assert_eq!(sizes, &real[name], "bytes of {name}, ours and Flume's");
        }
    }
    let folders = ["text/web/2023-11-14/22", "sized", "bare", "named"];
    for folder in folders
        .into_iter()
        .chain(FORMATS.iter().map(|(name, _)| *name))
    {
        let read = |whose: &str| hdfs.text(&[&format!("/{whose}/{folder}/*")]);
        let (ours, real) = (read("ours"), read("real"));
        let differ = ours.lines().zip(real.lines()).find(|(our, its)| our != its);
        assert_eq!(differ, None, "a record of {folder}, ours and Flume's");
        assert_eq!(ours.len(), real.len(), "records of {folder}");
    }
}

/// Lines per lot, and the seconds after which its file is closed.
const LOT: u64 = 200;
const INTERVAL: u32 = 5;

/// Each lot is sent once the file of the previous one has its final name, so each has its own file.
#[test]
fn files_end_by_time_as_those_of_real_flume() {
    let hadoop = require!(Hadoop::enter_shared());
    let stage = require!(hadoop.flume());
    let scratch = Scratch::new();
    let hdfs = hadoop.shared();
    let lots = 2;
    let agent = |input, whose| {
        AgentFile::new("a1")
            .netcat("r1", input)
            .memory("c1", 1_000, 1_000)
            .lines_in("k1", &format!("{}/{whose}", hdfs.address()), 1_000)
            .rolls("k1", INTERVAL, 0, 0)
            .sink_keys("k1", &[("hdfs.minBlockReplicas", "1")])
    };
    let flow = |whose: &str, input| {
        let folder = format!("/{whose}/");
        for lot in 0..lots {
            let lines = Lines::new("n", LOT).from(lot * LOT);
            Feed::send(input, lines, PATIENCE).assert_all_acknowledged();
            eventually("a file for each lot, and none in use", PATIENCE, || {
                let files = listing(&hdfs, &folder);
                let finished = files.get("/FlumeData.#")?.len() as u64;
                (files.len() == 1 && finished > lot).then_some(())
            });
        }
        listing(&hdfs, &folder)
    };
    hdfs.make_folder("/real");
    hdfs.make_folder("/ours");
    let real = {
        let input = ports::free();
        let _flume = stage.start(&scratch, "real", &agent(input, "real"), &[input]);
        flow("real", input)
    };
    let input = ports::free();
    let _host = Host::start(&scratch, "ours", &agent(input, "ours").text());
    let ours = flow("ours", input);
    assert_eq!(real["/FlumeData.#"].len() as u64, lots, "{real:?}");
    assert_eq!(ours, real, "names and sizes, ours and Flume's");
}

/// Names below a folder, with `#` for the time in them, and the sizes of the files of that name in
/// the order in which they were written.
type Files = BTreeMap<String, Vec<u64>>;

fn listing(hdfs: &Hdfs, folder: &str) -> Files {
    let mut files = Files::new();
    for file in hdfs.files(folder) {
        let path = file.path.strip_prefix(folder).unwrap();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let time = |part: &str| part.len() == 13 && part.bytes().all(|byte| byte.is_ascii_digit());
        let name: Vec<&str> = name
            .split('.')
            .map(|part| if time(part) { "#" } else { part })
            .collect();
        let sizes = files.entry(format!("{parent}/{}", name.join(".")));
        sizes.or_default().push(file.size);
    }
    files
}

/// How many files the sink that rolls by size writes: before each event it checks whether the file
/// is full.
fn sized_files() -> u64 {
    let (mut files, mut bytes) = (1, 0);
    for number in 0..EVENTS {
        if bytes >= SIZE {
            files += 1;
            bytes = 0;
        }
        bytes += tally::body("n", number).len() as u64;
    }
    files
}
