//! Goal: a policy named in a configuration runs: as the selector of a group, as an interceptor,
//! with its limits, from either syntax and from the command line; and after a mistake nothing
//! unrequested runs in its place. Method: the policies of `guests/dist` in a real process; from
//! netcat to null sinks with one event per batch, or to files; shares are read from the metrics.

use std::path::Path;
use std::time::Duration;

use flume_artifacts::shipped;
use flume_tests::{AgentFile, Feed, Host, Landing, Lines, Scratch, eventually, host, ports};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// The exit status for a wrong configuration.
const EXIT_CONFIG: i32 = 78;

/// netcat → memory → two null sinks with weights 3 and 1 in a balanced group.
fn balanced(input: u16, selector: &str) -> String {
    AgentFile::new("a1")
        .memory("c1", 10_000, 1_000)
        .netcat("r1", input)
        .weighted_group(selector)
        .text()
}

/// Sends 400 lines, waits until they are delivered, and returns the shares of the two sinks.
fn shares(host: &Host, input: u16) -> [u64; 2] {
    Feed::send(input, Lines::new("n", 400), PATIENCE).assert_all_acknowledged();
    let all = || {
        let shares =
            ["SINK.k1", "SINK.k2"].map(|sink| host.counter(sink, "EventDrainSuccessCount"));
        (shares.iter().sum::<u64>() == 400).then_some(shares)
    };
    eventually("400 events delivered", PATIENCE, all)
}

/// The group `g1` of `a1` as `/groups` shows it.
fn group(host: &Host) -> Value {
    let (_, text) = host.page("/groups").expect("an answer");
    let groups: Value = serde_json::from_str(&text).expect("JSON");
    groups["a1"]["g1"].clone()
}

fn assert_three_to_one(shares: [u64; 2]) {
    let [heavy, light] = shares;
    // A take from an empty channel may use up a turn.
    assert!(
        (290..=310).contains(&heavy),
        "3:1 of 400: {heavy} and {light}"
    );
}

/// The file is next to the configuration, with a relative path, as users write it.
#[test]
fn a_group_is_ordered_by_the_policy_that_it_names() {
    let scratch = Scratch::new();
    let input = ports::free();
    std::fs::create_dir(scratch.path("policies")).expect("a folder");
    let copy = scratch.path("policies/weighted.wasm");
    std::fs::copy(shipped("weighted"), &copy).expect("a file");
    let file = scratch.file("a1.properties", &balanced(input, "policies/weighted.wasm"));
    let host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
    assert_three_to_one(shares(&host, input));
    let selector = &group(&host)["selector"];
    assert_eq!(selector["policy"], "a1/weighted", "{selector}");
    assert_eq!(selector["seat"]["state"], "running", "{selector}");
    assert_eq!(
        (&selector["fallback"], &selector["fallbacks"]),
        (&"round_robin".into(), &0.into())
    );
    let (_, config) = host.page("/config").expect("an answer");
    for part in ["policies/weighted.wasm", "\"weight\":\"3\""] {
        assert!(config.contains(part), "{part} in {config}");
    }
}

#[test]
fn the_same_file_in_toml_does_the_same() {
    let scratch = Scratch::new();
    let input = ports::free();
    let policy = shipped("weighted").display().to_string();
    let mut text = balanced(input, &policy);
    text.push_str("a1.sinkgroups.g1.processor.selector.backoff = true\n");
    text.push_str("a1.sinkgroups.g1.processor.policy.deadline-ms = 50\n");
    text.push_str("a1.policies.memory-kib = 8192\n");
    let file = scratch.file("a1.properties", &text);
    let converted = host::command(&["convert", &file.display().to_string()], "");
    assert!(converted.status.success(), "{}", converted.stderr);
    let file = scratch.file("a1.toml", &converted.stdout);
    let host = Host::run(&scratch, "a1", &file, &["--policy-cache", "none"]);
    assert_three_to_one(shares(&host, input));
}

#[test]
fn the_command_line_gives_a_policy_to_a_group() {
    let scratch = Scratch::new();
    let input = ports::free();
    let text = balanced(input, "round_robin");
    let file = scratch.file("a1.properties", &text);
    let policy = shipped("weighted").display().to_string();
    let words = [
        "--policy",
        &format!("a1/g1={policy}"),
        "--policy-cache",
        "none",
    ];
    let host = Host::run(&scratch, "a1", &file, &words);
    assert_three_to_one(shares(&host, input));

    // Without the policy, nobody reads the weights.
    let shown = file.display().to_string();
    let checked = host::command(&["check", &shown], "");
    assert_eq!(checked.status.code(), Some(0), "{}", checked.stdout);
    assert!(
        checked.stdout.contains("does not know the key `weight`"),
        "{}",
        checked.stdout
    );
}

#[test]
fn a_policy_for_an_unknown_group_is_refused_with_the_known_groups() {
    let scratch = Scratch::new();
    let text = balanced(ports::free(), "round_robin").replace(".weight = ", ".batchSize = ");
    let file = scratch.file("a1.properties", &text);
    let shown = file.display().to_string();
    for lenient in [&[][..], &["--lenient"]] {
        let words = [
            &["run", "-f", &shown, "--policy", "g2=nowhere.wasm"][..],
            lenient,
        ]
        .concat();
        let ended = host::command(&words, "");
        assert_eq!(ended.status.code(), Some(EXIT_CONFIG), "{}", ended.stderr);
        assert!(
            ended.stderr.contains("`a1/g1`"),
            "names the group: {}",
            ended.stderr
        );
    }
}

/// netcat → an interceptor → memory → files.
pub(crate) fn intercepted(input: u16, folder: &Path, policy: &Path) -> AgentFile {
    let file = AgentFile::new("a1").memory("c1", 10_000, 100);
    file.netcat("r1", input)
        .file_roll("k1", folder, 100)
        .set("sources.r1.interceptors", "i1")
        .set("sources.r1.interceptors.i1.type", policy.display())
}

pub(crate) fn await_bodies(folder: &Path, count: usize) -> Vec<String> {
    let landing = Landing::Folder(folder.to_owned());
    let all = || {
        let bodies = landing.bodies();
        (bodies.len() == count).then_some(bodies)
    };
    let bodies = eventually("the events have landed", PATIENCE, all);
    bodies
        .iter()
        .map(|body| String::from_utf8_lossy(body).into_owned())
        .collect()
}

#[test]
fn a_source_is_edited_by_the_policy_that_it_names() {
    let scratch = Scratch::new();
    let input = ports::free();
    let folder = scratch.folder("landed");
    let file = intercepted(input, &folder, &shipped("redact"))
        .set("sources.r1.interceptors.i1.patterns", "####-#### secret")
        .set("sources.r1.interceptors.i1.policy.deadline-ms", 50);
    let _host = Host::start(&scratch, "a1", &file.text());
    let to = format!("127.0.0.1:{input}");
    let sent = host::command(
        &["send", "--to", &to],
        "card 1234-5678\nno secrets\nplain\n",
    );
    assert!(sent.status.success(), "{}", sent.stderr);
    assert_eq!(
        await_bodies(&folder, 3),
        ["card *********", "no ******s", "plain"]
    );
}

/// A comment changes nothing, a sink's key does, and a file that the policy refuses is not applied.
#[test]
fn a_reload_applies_changed_keys_of_a_policy() {
    let scratch = Scratch::new();
    let input = ports::free();
    let policy = shipped("weighted").display().to_string();
    let text = balanced(input, &policy);
    let mut host = Host::start(&scratch, "a1", &text);
    assert_three_to_one(shares(&host, input));
    host.reload(&format!("# A comment.\n{text}"), 1, PATIENCE);
    let selector = group(&host)["selector"].clone();
    assert_eq!(selector["policy"], "a1/weighted", "{selector}");

    let even = text.replace("weight = 3", "weight = 1");
    host.reload(&even, 1, PATIENCE);
    let before = ["SINK.k1", "SINK.k2"].map(|sink| host.counter(sink, "EventDrainSuccessCount"));
    Feed::send(input, Lines::new("m", 400), PATIENCE).assert_all_acknowledged();
    let all = || {
        let now = ["SINK.k1", "SINK.k2"].map(|sink| host.counter(sink, "EventDrainSuccessCount"));
        let [heavy, light] = [now[0] - before[0], now[1] - before[1]];
        (heavy + light == 400).then_some((heavy, light))
    };
    let (one, other) = eventually("400 events more", PATIENCE, all);
    assert!((190..=210).contains(&one), "1:1 of 400: {one} and {other}");

    // A file that the policy refuses changes nothing.
    host.rewrite(&text.replace("weight = 3", "weight = heavy"));
    let kept = "the new file cannot run; the agent keeps the old one";
    host.process().await_said(kept, 1, PATIENCE);
    assert_eq!(group(&host)["selector"]["seat"]["state"], "running");
}
