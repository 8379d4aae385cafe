//! Goal: an event at which a policy traps goes to the dead-letter channel, and the others go on.
//! Method: a hostile guest, built from source, as an interceptor in a real process that writes
//! files.

use flume_tests::{Host, Scratch, host, ports};

use crate::policy_wiring::{await_bodies, intercepted};

/// The dead-letter channel is not one of the source's channels.
#[test]
fn poison_goes_to_the_dead_letter_channel() {
    let scratch = Scratch::new();
    let input = ports::free();
    let (landed, dead) = (scratch.folder("landed"), scratch.folder("dead"));
    let guest = flume_artifacts::guest("hostile-trap").expect("the guests are built");
    let file = intercepted(input, &landed, &guest)
        .set("sources.r1.interceptors.i1.on-error", "dead-letter:c9")
        .feeds("r1", "c1")
        .memory("c9", 100, 100)
        .file_roll("k9", &dead, 100)
        .drains("k9", "c9");
    let host = Host::start(&scratch, "a1", &file.text());
    let to = format!("127.0.0.1:{input}");
    let sent = host::command(&["send", "--to", &to], "one\nthe poison\ntwo\n");
    assert!(sent.status.success(), "{}", sent.stderr);
    assert_eq!(await_bodies(&landed, 2), ["one", "two"]);
    assert_eq!(await_bodies(&dead, 1), ["the poison"]);
    assert_eq!(host.counter("SOURCE.r1", "EventAcceptedCount"), 3);
}
