//! A real HDFS, S3 server or Kafka broker on this machine, for trying `conf/hdfs.properties`,
//! `conf/s3.properties`, `conf/kafka.properties` and `conf/fleet` by hand.
//!
//! `cargo run -p flume-tests --bin store -- hdfs|s3|kafka`. It prints a line once it is up. Enter lists
//! its contents, and the end of its input stops it. Nothing is left on disk.

use std::io;
use std::process::ExitCode;

use flume_tests::{Availability, Brokers, Hadoop, Kafka, S3, Scratch, Setup};

/// The ports that the files in `conf` expect.
const HDFS_PORT: u16 = 8020;
const S3_PORT: u16 = 9000;
const KAFKA_PORT: u16 = 9092;

/// The topics of these files, and the partitions of each: room for a fleet.
const TOPICS: [&str; 4] = ["orders", "visits", "lines", "events"];
const PARTITIONS: u32 = 8;

#[expect(clippy::print_stdout, reason = "a tool that is read by people")]
fn main() -> ExitCode {
    let scratch = Scratch::new();
    let shown = match std::env::args().nth(1).as_deref() {
        Some("hdfs") => Hadoop::enter().map(|hadoop| {
            let hdfs = hadoop.start_at(&scratch, HDFS_PORT);
            show(&hdfs.address(), || {
                let files = hdfs.files("/").into_iter();
                files.map(|file| (file.path, file.size)).collect()
            });
        }),
        Some("s3") => S3::resolve().map(|s3| {
            let server = s3.start_at(&scratch, S3_PORT);
            for (option, value) in server.options() {
                println!("{option} = {value}");
            }
            show("the bucket `events`", || server.objects(""));
        }),
        Some("kafka") => Kafka::enter(Brokers::V4_4, 1).map(|kafka| {
            let cluster = kafka.start(&scratch, &Setup::plain().at(KAFKA_PORT));
            for topic in TOPICS {
                cluster.create(topic, PARTITIONS);
            }
            let records = |topic: &str| cluster.lines(topic).lines().count() as u64;
            show(&cluster.bootstrap(), || {
                let topics = TOPICS.into_iter();
                topics
                    .map(|topic| (topic.to_owned(), records(topic)))
                    .collect()
            });
        }),
        _ => Availability::Missing("say `hdfs`, `s3` or `kafka`".to_owned()),
    };
    match shown {
        Availability::Ready(()) => ExitCode::SUCCESS,
        Availability::Missing(why) => {
            println!("{why}");
            ExitCode::from(64)
        }
    }
}

/// Lists names and sizes, of topics the number of records, at each Enter, until the end of the input.
#[expect(clippy::print_stdout, reason = "a tool that is read by people")]
fn show(what: &str, list: impl Fn() -> Vec<(String, u64)>) {
    println!("{what} is up; Enter lists what is in it, Ctrl-D ends it");
    for _ in io::stdin().lines().map_while(Result::ok) {
        for (name, size) in list() {
            println!("{size:>9} {name}");
        }
    }
}
