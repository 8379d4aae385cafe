//! Goal: what the bucket writer stores in HDFS, on disk and in an object store can be read by
//! independent readers, in every format, under Flume's names. Method: one agent replicates numbered
//! lines into a sink for each format; Hadoop's own shell reads `-cat` and `-text`, fastavro the
//! Avro containers, an S3 client the objects, Microsoft's client the blobs.

use std::time::Duration;

use flume_tests::{
    AgentFile, Azure, AzureServer, Fastavro, Feed, Hadoop, Hdfs, Host, Landing, Lines, S3,
    S3Server, Scratch, Tally, landing, ports, require,
};

const PATIENCE: Duration = Duration::from_secs(300);

/// Events for each sink, and events per file: three files each.
pub(crate) const EVENTS: u64 = 5_000;
pub(crate) const FILE: u64 = 2_000;

/// The time in every event's header: 2023-11-14 22:13:20 UTC.
const TIMESTAMP: &str = "1700000000000";

/// A sink for each format: its name, which is also its folder, and its keys.
pub(crate) const FORMATS: &[(&str, &[(&str, &str)])] = &[
    ("seq", &[]),
    (
        "seqtext",
        &[("hdfs.writeFormat", "Text"), ("hdfs.codeC", "deflate")],
    ),
    (
        "gzip",
        &[
            ("hdfs.fileType", "CompressedStream"),
            ("hdfs.codeC", "gzip"),
        ],
    ),
    (
        "bzip2",
        &[
            ("hdfs.fileType", "CompressedStream"),
            ("hdfs.codeC", "bzip2"),
        ],
    ),
    (
        "headers",
        &[
            ("hdfs.fileType", "DataStream"),
            ("serializer", "HEADER_AND_TEXT"),
        ],
    ),
    ("avronull", &AVRO),
    (
        "avrodeflate",
        &[AVRO[0], AVRO[1], ("serializer.compressionCodec", "deflate")],
    ),
    (
        "avrosnappy",
        &[AVRO[0], AVRO[1], ("serializer.compressionCodec", "snappy")],
    ),
];

const AVRO: [(&str, &str); 2] = [
    ("hdfs.fileType", "DataStream"),
    ("serializer", "avro_event"),
];

/// An agent with a sink for each format below `address`, and one of plain lines whose path has
/// escapes.
pub(crate) fn agent(input: u16, address: &str) -> AgentFile {
    let path = format!("{address}/text/%{{kind}}/%Y-%m-%d/%H");
    let mut file = AgentFile::new("a1")
        .netcat("r1", input)
        .set("sources.r1.interceptors", "i1 i2")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "timestamp")
        .set("sources.r1.interceptors.i1.value", TIMESTAMP)
        .set("sources.r1.interceptors.i2.type", "static")
        .set("sources.r1.interceptors.i2.key", "kind")
        .set("sources.r1.interceptors.i2.value", "web")
        .memory("text", 20_000, 1_000)
        .lines_in("text", &path, 1_000)
        .rolls("text", 0, 0, FILE)
        .sink_keys("text", &[("hdfs.timeZone", "UTC")]);
    for (name, keys) in FORMATS {
        file = file
            .memory(name, 20_000, 1_000)
            .bucket(name, &format!("{address}/{name}"), 1_000)
            .drains(name, name)
            .rolls(name, 0, 0, FILE)
            .sink_keys(name, keys);
    }
    file
}

/// Sends the events through such an agent and stops it, so that all files are finished.
fn written(scratch: &Scratch, address: &str) {
    let input = ports::free();
    let mut host = Host::start(scratch, "agent", &agent(input, address).text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    for channel in FORMATS.iter().map(|(name, _)| *name).chain(["text"]) {
        host.await_delivered(channel, EVENTS, PATIENCE);
    }
    assert!(host.term(PATIENCE).success(), "the agent ends well");
}

#[test]
fn hadoop_reads_every_format() {
    let hadoop = require!(Hadoop::enter_shared());
    let fastavro = require!(Fastavro::resolve());
    let scratch = Scratch::new();
    let hdfs = hadoop.shared();
    written(&scratch, &format!("{}/it", hdfs.address()));

    let files = hdfs.files("/it");
    for (folder, suffix) in [
        ("/it/text/web/2023-11-14/22/", ""),
        ("/it/gzip/", ".gz"),
        ("/it/seq/", ""),
    ] {
        let names: Vec<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(folder))
            .collect();
        assert_eq!(names.len(), 3, "files of {FILE} events below {folder}");
        for name in names {
            let digits = name.strip_prefix("FlumeData.").unwrap();
            let digits = digits.strip_suffix(suffix).unwrap();
            assert!(digits.parse::<u64>().is_ok(), "a time in {name}");
        }
    }
    let unfinished = files.iter().filter(|file| file.path.ends_with(".tmp"));
    assert_eq!(unfinished.count(), 0, "unfinished files after the end");

    exact(
        "-cat of lines",
        &hdfs.cat(&["/it/text/web/2023-11-14/22/*"]),
    );
    exact("-text of gzip", &hdfs.text(&["/it/gzip/*"]));
    exact("-text of bzip2", &hdfs.text(&["/it/bzip2/*"]));
    sequence_files(&hdfs);
    let headers = hdfs.cat(&["/it/headers/*"]);
    let bodies: Vec<&str> = headers
        .lines()
        .map(|line| line.split_once("} ").unwrap().1)
        .collect();
    exact("-cat of headers and lines", &bodies.join("\n"));
    assert!(headers.contains("kind=web") && headers.contains("timestamp=1700000000000"));
    avro_containers(&hdfs, &fastavro, &scratch);
}

/// Keys are the events' times; values are bytes in hexadecimal, or text.
fn sequence_files(hdfs: &Hdfs) {
    let value = |line: &str| {
        let (key, value) = line.split_once('\t').unwrap();
        assert_eq!(key, TIMESTAMP, "the key of {line}");
        value.to_owned()
    };
    let text = hdfs.text(&["/it/seqtext/*"]);
    let text: Vec<String> = text.lines().map(value).collect();
    exact("-text of sequence files of text", &text.join("\n"));
    let bytes = hdfs.text(&["/it/seq/*"]);
    let mut tally = Tally::new("n", EVENTS);
    for line in bytes.lines() {
        let value = value(line);
        let body = value.split(' ').map(|hex| u8::from_str_radix(hex, 16));
        tally.add(&body.collect::<Result<Vec<u8>, _>>().unwrap());
    }
    tally.assert_exact("-text of sequence files of bytes");
}

fn avro_containers(hdfs: &Hdfs, fastavro: &Fastavro, scratch: &Scratch) {
    for codec in ["null", "deflate", "snappy"] {
        let folder = scratch.path(codec);
        hdfs.get(&format!("/it/avro{codec}"), &folder);
        let mut tally = Tally::new("n", EVENTS);
        for entry in std::fs::read_dir(&folder).unwrap() {
            let container = fastavro.read(&entry.unwrap().path());
            assert_eq!(container.codec, codec);
            let schema = container.schema.to_string();
            assert!(schema.contains("Event"), "Flume's record: {schema}");
            for (headers, body) in container.events {
                assert_eq!(headers["timestamp"], TIMESTAMP);
                assert_eq!(headers["kind"], "web");
                tally.add(&body);
            }
        }
        tally.assert_exact(&format!("fastavro, codec {codec}"));
    }
    let json = hdfs.text(&["/it/avrodeflate/*"]);
    assert_eq!(json.lines().count() as u64, EVENTS, "-text of containers");
}

fn exact(what: &str, text: &str) {
    Tally::of_lines("n", EVENTS, text).assert_exact(what);
}

/// The same sinks on disk; plain lines need no peer.
#[test]
fn files_on_disk() {
    let scratch = Scratch::new();
    let folder = scratch.folder("landed");
    written(&scratch, &format!("file://{}", folder.display()));
    let lines = folder.join("text/web/2023-11-14/22");
    let landed = Landing::Folder(lines.clone());
    landing::count(&[&landed], "n", EVENTS).assert_exact("lines on disk");
    let mut names: Vec<String> = std::fs::read_dir(&lines)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let numbers: Vec<u64> = names
        .iter()
        .map(|name| name.strip_prefix("FlumeData.").unwrap().parse().unwrap())
        .collect();
    assert_eq!(numbers.len(), 3, "{names:?}");
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "one more for each file: {names:?}"
    );
}

#[test]
fn objects_are_read_through_the_api() {
    let s3 = require!(S3::resolve());
    let fastavro = require!(Fastavro::resolve());
    let scratch = Scratch::new();
    let server = s3.start(&scratch);
    let input = ports::free();
    let address = format!("s3://{}/it", S3Server::BUCKET);
    let mut file = agent(input, &address);
    for name in FORMATS.iter().map(|(name, _)| *name).chain(["text"]) {
        file = on_s3(file, name, &server);
    }
    let mut host = Host::start(&scratch, "agent", &file.text());
    Feed::send(input, Lines::new("n", EVENTS), PATIENCE).assert_all_acknowledged();
    // The third object is not full; it is completed at shutdown.
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let lines = server.objects("it/text/web/2023-11-14/22/FlumeData.");
    assert_eq!(lines.len(), 3, "{lines:?}");
    let read = |(name, size): &(String, u64)| {
        let bytes = server.object(name);
        assert_eq!(bytes.len() as u64, *size, "the size of {name}");
        bytes
    };
    let text: Vec<u8> = lines.iter().flat_map(read).collect();
    exact("lines in objects", &String::from_utf8(text).unwrap());

    let mut tally = Tally::new("n", EVENTS);
    for (at, object) in server.objects("it/avrosnappy/").iter().enumerate() {
        let path = scratch.path(&format!("{at}.avro"));
        std::fs::write(&path, read(object)).unwrap();
        for (_, body) in fastavro.read(&path).events {
            tally.add(&body);
        }
    }
    tally.assert_exact("containers in objects");
    let all = server.objects("it/");
    assert_eq!(all.len(), 3 * (FORMATS.len() + 1), "nothing else: {all:?}");
    assert_eq!(server.uploads(), 0, "unfinished uploads");
}

/// Enough lines for a blob of two parts and one that is uploaded in one piece.
const MANY: u64 = 500_000;
const MANY_IN_A_FILE: u64 = 400_000;
const PART: u64 = 5 << 20;

#[test]
fn blobs_are_read_by_microsofts_client() {
    let azure = require!(Azure::resolve());
    let scratch = Scratch::new();
    let server = azure.start(&scratch);
    let input = ports::free();
    let path = format!("az://{}/it/%{{kind}}", AzureServer::CONTAINER);
    let mut file = AgentFile::new("a1")
        .netcat("r1", input)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", "static")
        .set("sources.r1.interceptors.i1.key", "kind")
        .set("sources.r1.interceptors.i1.value", "web")
        .memory("c1", 600_000, 1_000)
        .lines_in("c1", &path, 1_000)
        .rolls("c1", 0, 0, MANY_IN_A_FILE)
        .sink_keys("c1", &[("hdfs.partSize", &PART.to_string())]);
    for (key, value) in server.options() {
        file = file.set(&format!("sinks.c1.hdfs.store.{key}"), value);
    }
    let mut host = Host::start(&scratch, "agent", &file.text());
    Feed::send(input, Lines::new("n", MANY), PATIENCE).assert_all_acknowledged();
    assert!(host.term(PATIENCE).success(), "the agent ends well");

    let blobs = server.blobs();
    let [first, second] = blobs.as_slice() else {
        panic!("two blobs and no marker: {blobs:?}");
    };
    assert!(first.name.starts_with("it/web/FlumeData."), "{first:?}");
    assert!(first.size > PART && second.size < PART, "{blobs:?}");
    let mut text = String::new();
    for blob in &blobs {
        let copy = scratch.path("blob");
        server.get(&blob.name, &copy);
        text += &std::fs::read_to_string(copy).unwrap();
    }
    Tally::of_lines("n", MANY, &text).assert_exact("lines in blobs");
}

/// Adds the keys with which a sink finds the server.
pub(crate) fn on_s3(file: AgentFile, sink: &str, server: &S3Server) -> AgentFile {
    server.options().iter().fold(file, |file, (key, value)| {
        file.set(&format!("sinks.{sink}.hdfs.store.{key}"), value)
    })
}
