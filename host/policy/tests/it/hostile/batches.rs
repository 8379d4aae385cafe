//! Interceptors that are good in the trial and break the contract later: no event is changed, and
//! `on-error` says what becomes of it.

use std::time::Duration;

use flume_core::{Batch, Event, Interceptor as _, clock};
use flume_policy::{Limits, Remedy, ViolationKind};

use super::{broken, quick, wat};
use crate::support::{attack, interceptor, limited};

fn batch() -> Batch {
    let event = |at| Event {
        body: format!("event {at}").into(),
        ..attack()
    };
    Batch::new((0..4).map(event).collect())
}

/// Hands in a batch under each remedy.
fn intercepted(name: &str, expected: ViolationKind) {
    for remedy in [Remedy::Pass, Remedy::Drop, Remedy::Fail] {
        let policy = limited(wat(name), quick());
        let intercept = interceptor(&policy, &[], remedy.clone()).unwrap();
        let mut batch = batch();
        let began = clock::now();
        let answer = intercept.intercept(&mut batch);
        let took = clock::now() - began;
        assert!(took < Duration::from_secs(30), "{name} took {took:?}");
        assert_eq!(broken(&policy), Some(expected), "{name}");
        match remedy {
            Remedy::Pass => {
                answer.unwrap();
                assert_eq!(batch.events(), self::batch().events());
            }
            Remedy::Drop => {
                answer.unwrap();
                assert!(batch.events().is_empty());
                assert_eq!(policy.stats().poison.get(), 4);
            }
            _ => {
                answer.unwrap();
                let refused = batch.refused();
                assert_eq!(refused.len(), 4);
                assert!(refused[0].1.message.starts_with(expected.id()));
            }
        }
    }
}

macro_rules! intercepted {
    ($($name:ident: $kind:ident;)*) => { $(
        #[test]
        pub(super) fn $name() {
            intercepted(stringify!($name), ViolationKind::$kind);
        }
    )* };
}

intercepted! {
    trap_in_intercept: Trap;
    verdict_length: VerdictLength;
    verdict_unknown: VerdictUnknown;
    edit_out_of_range: EditOutOfRange;
    edit_unsorted: EditUnsorted;
    edit_length: EditLength;
    edit_column: EditColumn;
    edit_beyond: EditColumn;
    edit_body_absent: EditColumn;
    edit_no_text: EditText;
    edit_name_no_text: EditText;
    edit_no_name: EditText;
    edit_beyond_memory: Trap;
}

/// Each of the events is tried, alone at last, as long as a batch may take: on a loaded machine
/// the search ends earlier, and then nothing is lost.
#[test]
pub(super) fn spin_in_intercept() {
    for remedy in [Remedy::Pass, Remedy::Drop] {
        let policy = limited(wat("spin_in_intercept"), quick());
        let intercept = interceptor(&policy, &[], remedy.clone()).unwrap();
        let mut batch = batch();
        let answer = intercept.intercept(&mut batch);
        assert_eq!(broken(&policy), Some(ViolationKind::Deadline));
        // An event alone has all of its time.
        let (fault, _) = policy.report().seats.remove(0).fault.unwrap();
        let words = "took too long: more than 10.01ms (deadline-ms, deadline-us-per-event)";
        assert_eq!(fault.detail, words);
        match answer {
            Ok(()) if matches!(remedy, Remedy::Drop) => assert!(batch.events().is_empty()),
            Err(_) if matches!(remedy, Remedy::Pass) => panic!("what passes is not refused"),
            _ => assert_eq!(batch.events(), self::batch().events()),
        }
    }
}

/// The search for the poison of a batch has an end, though every event is poison, and nothing is
/// lost with it.
#[test]
fn a_search_has_an_end() {
    let policy = limited(wat("spin_in_intercept"), quick());
    let drop = interceptor(&policy, &[], Remedy::Drop).unwrap();
    let began = clock::now();
    for _ in 0..3 {
        let mut large = Batch::new(vec![attack(); 2000]);
        let message = drop.intercept(&mut large).unwrap_err().message;
        let why = [
            "its policy broke the contract for too long",
            "its policy is quarantined",
        ];
        assert!(why.contains(&&*message), "{message}");
        assert_eq!(large.events().len(), 2000);
    }
    let took = clock::now() - began;
    assert!(took < Duration::from_secs(60), "{took:?}");
}

/// Good edits, but too many: those of half the batch are within the limit. What a guest costs has to
/// be known before it gets a whole batch in one call.
#[test]
pub(super) fn edit_amplified() {
    let patient = Limits {
        deadline: Duration::from_secs(10),
        ..quick()
    };
    let policy = limited(wat("edit_amplified"), patient);
    let intercept = interceptor(&policy, &[], Remedy::Fail).unwrap();
    for _ in 0..2 {
        let mut small = Batch::new(vec![attack(); 16]);
        intercept.intercept(&mut small).unwrap();
    }
    assert_eq!(broken(&policy), None);
    let mut large = Batch::new(vec![attack(); 17]);
    intercept.intercept(&mut large).unwrap();
    assert_eq!(broken(&policy), Some(ViolationKind::ResultSize));
    let is_long = |event: &Event| {
        event
            .headers
            .get("name")
            .is_some_and(|v| v.len() == 1_000_000)
    };
    assert!(large.events().iter().all(is_long));
}

/// What an answer adds to events is the policy's memory: three mebibytes of its own, and two megabytes
/// for each event. Of many events that are shown together, a few are within the limit.
#[test]
pub(super) fn edit_adds() {
    let own = 48 << 16;
    let each = 2_000_000 + "name".len() + 32;
    let handed = |memory: usize, events: usize| {
        let limits = Limits {
            memory,
            deadline: Duration::from_secs(5),
            ..quick()
        };
        let policy = limited(wat("edit_adds"), limits);
        let intercept = interceptor(&policy, &[], Remedy::Drop).unwrap();
        // The first event is handed in alone, whatever comes with it.
        intercept
            .intercept(&mut Batch::new(vec![attack()]))
            .unwrap();
        let mut batch = Batch::new(vec![attack(); events]);
        intercept.intercept(&mut batch).unwrap();
        (broken(&policy), batch.events().len())
    };
    assert_eq!(handed(own + 3 * each, 3), (None, 3));
    assert_eq!(
        handed(own + 3 * each - 1, 3),
        (Some(ViolationKind::Memory), 3)
    );
    assert_eq!(handed(own + each - 1, 3), (Some(ViolationKind::Memory), 0));
}

/// A policy may reject events; they go where the configuration says.
#[test]
pub(super) fn reject_all() {
    let policy = limited(wat("reject_all"), quick());
    let mut batch = batch();
    let drop = interceptor(&policy, &[], Remedy::Drop).unwrap();
    drop.intercept(&mut batch).unwrap();
    assert!(batch.events().is_empty());
    assert_eq!((broken(&policy), policy.stats().poison.get()), (None, 4));
}

/// A guest that stays below its deadline uses up its share, and no more: then its source waits at
/// the gate, and no event is lost, dropped or passed by.
#[tokio::test]
pub(super) async fn busy_in_intercept() {
    const PERCENT: u32 = 1;
    let began = clock::now();
    let limits = Limits {
        deadline: Duration::from_secs(1),
        cpu_percent: PERCENT,
        ..quick()
    };
    let policy = limited(wat("busy_in_intercept"), limits);
    let intercept = interceptor(&policy, &[], Remedy::Drop).unwrap();
    let stats = policy.stats();
    let gate = intercept.gate().unwrap();
    let mut events = 0;
    while stats.throttled.get() < 3 {
        let turn = gate.pass().await;
        if stats.throttled.get() > 0 {
            // What a second brings, and what has come since; a microsecond for rounding.
            let share = began.elapsed() / (100 / PERCENT) + Duration::from_millis(10);
            let used = Duration::from_nanos(stats.nanos.get());
            assert!(
                used <= share + Duration::from_micros(1),
                "{used:?} of {share:?}"
            );
        }
        let mut batch = batch();
        intercept.intercept(&mut batch).unwrap();
        assert_eq!(batch.events(), self::batch().events());
        drop(turn);
        events += 4;
    }
    assert_eq!(stats.events.get(), events);
    assert_eq!((broken(&policy), stats.poison.get()), (None, 0));
}

/// As many headers as an answer may set are set beside the one that was there, none of them twice.
#[test]
pub(super) fn many_edits() {
    let policy = limited(wat("many_edits"), Limits::default());
    let intercept = interceptor(&policy, &[], Remedy::Fail).unwrap();
    let mut batch = batch();
    intercept.intercept(&mut batch).unwrap();
    assert_eq!(broken(&policy), None);
    assert!(
        batch
            .events()
            .iter()
            .all(|event| event.headers.len() == 1001)
    );
}

/// A guest that traps on batches and not on their events costs time, and no event.
#[test]
pub(super) fn log_and_trap() {
    let policy = limited(wat("log_and_trap"), quick());
    let intercept = interceptor(&policy, &[], Remedy::Pass).unwrap();
    for _ in 0..20 {
        let mut batch = batch();
        intercept.intercept(&mut batch).unwrap();
        assert_eq!(batch.events(), self::batch().events());
    }
    assert_eq!(broken(&policy), Some(ViolationKind::Trap));
    assert_eq!(policy.stats().poison.get(), 0);
}
