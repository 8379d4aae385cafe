//! Short ways to make policies and their places.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, Once, OnceLock};
use std::time::Duration;

use flume_core::clock::{Instant, WallClock};
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Event, Load, SinkSelector};
use flume_policy::{
    Artifact, Compiler, InterceptorSetup, Limits, Policy, PolicyEngine, PolicyError,
    PolicyInterceptor, PolicySelector, Remedy, SelectorSetup, SinkInfo, ViolationKind,
};

pub(crate) static ENGINE: LazyLock<PolicyEngine> =
    LazyLock::new(|| PolicyEngine::new(Compiler::in_process()).expect("an engine"));

/// What is compiled already, by name and digest.
static LOADED: LazyLock<Mutex<HashMap<String, Arc<OnceLock<Artifact>>>>> =
    LazyLock::new(Mutex::default);

/// A policy that is compiled once for all tests of this process.
pub(crate) fn loaded(name: &str, bytes: &[u8]) -> Artifact {
    let key = format!("{name} {}", Artifact::digest_of(bytes));
    let artifact = Arc::clone(LOADED.lock().unwrap().entry(key).or_default());
    let load =
        || Artifact::load(&ENGINE, name, bytes, None).unwrap_or_else(|e| panic!("{name}: {e}"));
    artifact.get_or_init(load).clone()
}

/// A guest in Rust.
pub(crate) fn guest(name: &str) -> Artifact {
    loaded(
        name,
        &flume_artifacts::bytes(name).expect("the guests are built"),
    )
}

/// A guest as text.
pub(crate) fn text(name: &str, text: &str) -> Artifact {
    loaded(name, text.as_bytes())
}

/// A policy, and the limits of the seats that tests give it.
pub(crate) struct Limited {
    policy: Arc<Policy>,
    pub(crate) limits: Limits,
}

impl std::ops::Deref for Limited {
    type Target = Arc<Policy>;

    fn deref(&self) -> &Arc<Policy> {
        &self.policy
    }
}

impl Limited {
    pub(crate) fn selector(
        &self,
        place: &str,
        setup: SelectorSetup,
        fallback: Box<dyn SinkSelector>,
    ) -> Result<PolicySelector, PolicyError> {
        let limits = self.limits.clone();
        self.policy.selector(place, limits, setup, fallback)
    }

    pub(crate) fn interceptor(
        &self,
        place: &str,
        setup: InterceptorSetup,
        remedy: Remedy,
    ) -> Result<PolicyInterceptor, PolicyError> {
        let limits = self.limits.clone();
        self.policy.interceptor(place, limits, setup, remedy)
    }
}

pub(crate) fn limited(artifact: Artifact, limits: Limits) -> Limited {
    let wall = WallClock::fixed(1_700_000_000_000);
    let policy = Policy::new(ENGINE.clone(), artifact, wall);
    Limited { policy, limits }
}

/// A policy that is not late on a busy machine: most tests are about its answers.
pub(crate) fn policy(artifact: Artifact) -> Limited {
    let limits = Limits {
        deadline: Duration::from_secs(5),
        start_deadline: Duration::from_secs(5),
        ..Limits::default()
    };
    limited(artifact, limits)
}

/// Nothing broke the contract, and no order came from the fallback.
pub(crate) fn assert_sound(policy: &Policy) {
    for kind in ViolationKind::ALL {
        assert_eq!(policy.stats().violations(*kind), 0, "{policy:?}: {kind:?}");
    }
    assert_eq!(policy.stats().fallbacks.get(), 0, "{policy:?}");
}

/// Properties from pairs.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Sinks `s0`, `s1`, … with these weights.
pub(crate) fn sinks(weights: &[u32]) -> Vec<SinkInfo> {
    let sink = |(at, weight): (usize, &u32)| SinkInfo {
        name: format!("s{at}"),
        kind: "null".to_owned(),
        properties: pairs(&[("weight", &weight.to_string())]),
    };
    weights.iter().enumerate().map(sink).collect()
}

pub(crate) fn fallback(sinks: usize) -> Box<dyn SinkSelector> {
    let native = sink_selector::TYPES
        .find("round_robin")
        .expect("a native selector");
    (native.configure)(Backoff::none(sinks), 0)
}

/// A group of three sinks of weight 1 without properties.
pub(crate) fn selector(policy: &Limited) -> Result<PolicySelector, PolicyError> {
    let setup = SelectorSetup {
        properties: Vec::new(),
        sinks: sinks(&[1, 1, 1]),
        seed: 1,
    };
    policy.selector("g1", setup, fallback(3))
}

pub(crate) fn interceptor(
    policy: &Limited,
    properties: &[(&str, &str)],
    remedy: Remedy,
) -> Result<PolicyInterceptor, PolicyError> {
    let setup = InterceptorSetup {
        properties: pairs(properties),
        seed: 1,
    };
    policy.interceptor("r1.i1", setup, remedy)
}

/// An event that guests have waited for which behave until they see it. No trial makes it up.
pub(crate) fn attack() -> Event {
    Event::new("x").with_header("attack", "now!")
}

/// Asks for an order of such an event.
pub(crate) fn attacked(selector: &mut PolicySelector, now: Instant) -> VecDeque<usize> {
    let events = [attack()];
    let load = Load {
        depth: 1,
        events: &events,
    };
    selector.order_load(now, load)
}

/// More of a text module: `$attacked` says of the parameter `$headers` whether there is such an event.
pub(crate) const ATTACKED: &str = r#"
    (func $attacked (param $headers i32) (result i32)
        (if (result i32) (i32.ge_u (i32.load offset=4 (local.get $headers)) (i32.const 4))
            (then (i32.eq (i32.load (i32.load (local.get $headers))) (i32.const 0x21776f6e)))
            (else (i32.const 0))))
    (data (i32.const 20) "\28\00\00\00\01\00\00\00")
    (data (i32.const 40) "\30\00\00\00\06\00\00\00attack")"#;

/// A selector as a text module. `order` is the body of a function that returns the address of an
/// answer (address and length).
pub(crate) fn selector_text(order: &str, more: &str) -> String {
    format!(
        r#"(module {more}
            (memory (export "memory") 4)
            (global $free (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
                    (then (global.set $free (i32.const 8192))))
                (global.get $free)
                (global.set $free (i32.and (i32.const -8)
                    (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
            (func (export "flume:policy/sink-selector@0.1.0#configure")
                (param i32 i32 i32 i32 i64) (result i32) (i32.const 16))
            (func $answer (param $count i32) (result i32)
                (i32.store (i32.const 64) (i32.const 128))
                (i32.store (i32.const 68) (local.get $count))
                (i32.const 64))
            (func (export "flume:policy/sink-selector@0.1.0#order")
                (param i64 i64 i32 i32 i64 i32) (param $headers i32) (param i32) (result i32)
                {order})
            (data (i32.const 132) "\01\00\00\00\02\00\00\00"))"#
    )
}

/// What is logged meanwhile on this thread: the level and the fields of each event, a line each.
pub(crate) fn logged<R>(work: impl FnOnce() -> R) -> (R, Vec<String>) {
    // Else a line that another test comes by first, on a thread where nobody listens, is lost.
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        tracing::subscriber::set_global_default(Lines::default()).expect("the only one");
    });
    let lines = Lines(Some(Arc::default()));
    let log = lines.0.clone().expect("kept lines");
    let done = tracing::subscriber::with_default(lines, work);
    let log = std::mem::take(&mut *log.lock().unwrap());
    (done, log)
}

/// Wants everything; keeps it if there is a list.
#[derive(Default)]
struct Lines(Option<Arc<Mutex<Vec<String>>>>);

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let Some(lines) = &self.0 else { return };
        let mut line = event.metadata().level().to_string();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn fmt::Debug| {
                line += &format!(" {field}={value:?}");
            },
        );
        lines.lock().unwrap().push(line);
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// What a policy cannot handle goes to this channel.
pub(crate) fn dead_letters(channel: &Arc<dyn flume_core::Channel>) -> Remedy {
    Remedy::DeadLetter(flume_core::DeadLetters {
        channel: Arc::clone(channel),
        wall: flume_core::clock::WallClock::fixed(77),
    })
}
