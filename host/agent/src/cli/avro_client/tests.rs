//! The command as the shell sees it: arguments, files and counts.

use clap::Parser;

use super::*;
use flume_components::rpc::testing::{Act, Scripted};
use flume_components::source::avro::testing::Collector;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    args: AvroClientArgs,
}

fn parse(args: &[&str]) -> Result<AvroClientArgs, clap::Error> {
    let all = std::iter::once("avro-client").chain(args.iter().copied());
    Cli::try_parse_from(all).map(|cli| cli.args)
}

async fn send(port: u16, more: &[&str]) -> (Tally, Result<(), ClientError>) {
    let port = port.to_string();
    let args = parse(&[&["-H", "127.0.0.1", "-p", &port], more].concat()).unwrap();
    let headers = args
        .header_file
        .as_deref()
        .map_or(Headers::new(), |path| headers(path).unwrap());
    Sender::new(settings(&args).unwrap(), headers)
        .run(&args)
        .await
}

fn bodies(collector: &Collector) -> Vec<Bytes> {
    collector
        .taken()
        .into_iter()
        .map(|event| event.body)
        .collect()
}

#[test]
fn flags_are_flumes() {
    parse(&[]).unwrap_err();
    parse(&["-H", "h"]).unwrap_err();
    parse(&["-P", "rpc.properties"]).unwrap();
    parse(&["-H", "h", "-p", "1", "-F", "f", "--dirname", "d"]).unwrap_err();
    let long = [
        "--host",
        "h",
        "--port",
        "1",
        "--filename",
        "f",
        "--headerFile",
        "h",
    ];
    assert_eq!(parse(&long).unwrap().filename, Some(PathBuf::from("f")));
}

#[tokio::test]
async fn a_file_is_sent_line_by_line_with_headers() {
    let collector = Collector::start(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    let (file, header) = (
        dir.path().join("lines"),
        dir.path().join("headers.properties"),
    );
    fs::write(&file, "one\n\ntwo\r\nthr\u{e9}e\nfour\nfive\nsix").unwrap();
    fs::write(&header, "host = web1\nkind: test\n").unwrap();
    let (file, header) = (file.to_str().unwrap(), header.to_str().unwrap());
    let (tally, sent) = send(collector.port(), &["-F", file, "-R", header]).await;
    sent.unwrap();
    assert_eq!(
        tally,
        Tally {
            read: 7,
            acknowledged: 7
        }
    );
    assert_eq!(
        collector.counters.append_batch_accepted.get(),
        2,
        "batches of five"
    );
    let events = collector.taken();
    let expected = ["one", "", "two", "thr\u{e9}e", "four", "five", "six"].map(|body| {
        Event::new(body)
            .with_header("host", "web1")
            .with_header("kind", "test")
    });
    assert_eq!(events, expected);
}

#[tokio::test]
async fn files_of_a_folder_are_sent_once_oldest_first() {
    let collector = Collector::start(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, age: u64| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 - age);
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    file("a", "3\n4\n", 10);
    file("z", "1\n2", 20);
    file("b", "5\n", 10);
    file("old.COMPLETED", "done\n", 30);
    file(".hidden", "no\n", 30);
    fs::create_dir(dir.path().join("folder")).unwrap();
    let folder = dir.path().to_str().unwrap();
    let (tally, sent) = send(collector.port(), &["--dirname", folder]).await;
    sent.unwrap();
    assert_eq!(
        tally,
        Tally {
            read: 5,
            acknowledged: 5
        }
    );
    assert_eq!(bodies(&collector), ["1", "2", "3", "4", "5"]);
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = [
        ".hidden",
        "a.COMPLETED",
        "b.COMPLETED",
        "folder",
        "old.COMPLETED",
        "z.COMPLETED",
    ];
    assert_eq!(names, expected);
    let (tally, sent) = send(collector.port(), &["--dirname", folder]).await;
    sent.unwrap();
    assert_eq!(tally, Tally::default());
}

/// A file with a refused line keeps its name, and the counts say how far the command got.
#[tokio::test]
async fn a_refused_batch_is_reported() {
    let server = Scripted::start([Act::OK, Act::FAILED]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines");
    fs::write(&file, "x\n".repeat(20)).unwrap();
    let folder = dir.path().to_str().unwrap();
    let (tally, sent) = send(server.address.port(), &["--dirname", folder]).await;
    let error = sent.unwrap_err().to_string();
    assert_eq!(error, "Failed to send events: the peer answered FAILED");
    assert_eq!(
        tally,
        Tally {
            read: 10,
            acknowledged: 5
        }
    );
    assert!(file.exists());
}

/// Flume: TestNettyAvroRpcClient.testUnableToConnect (R3).
#[tokio::test]
async fn an_unreachable_source_is_reported_before_anything_is_read() {
    let collector = Collector::start(&[]).await;
    let port = collector.port();
    collector.stop().await;
    let (tally, sent) = send(port, &["-F", "/no/such/file"]).await;
    assert!(
        sent.unwrap_err()
            .to_string()
            .starts_with("Unable to connect: cannot connect")
    );
    assert_eq!(tally, Tally::default());
}

#[tokio::test]
async fn a_completed_name_is_not_overwritten() {
    let collector = Collector::start(&[]).await;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "x\n").unwrap();
    fs::write(dir.path().join("a.COMPLETED"), "y\n").unwrap();
    let folder = dir.path().to_str().unwrap();
    let (_, sent) = send(collector.port(), &["--dirname", folder]).await;
    assert!(sent.unwrap_err().to_string().contains("already exists"));
    assert_eq!(
        fs::read_to_string(dir.path().join("a.COMPLETED")).unwrap(),
        "y\n"
    );
}

#[test]
fn mistakes_in_files_have_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rpc.properties");
    fs::write(&file, "hosts = h1\nhosts.h1 = nowhere\n").unwrap();
    let args = parse(&["-P", file.to_str().unwrap()]).unwrap();
    assert!(settings(&args).is_err());
    let args = parse(&["-P", "/no/such/file"]).unwrap();
    assert!(settings(&args).is_err());
    fs::write(&file, "hosts = h1\nhosts.h1 = localhost:4141\n").unwrap();
    let args = parse(&["-P", file.to_str().unwrap()]).unwrap();
    assert!(settings(&args).is_ok());
}
