//! What a policy costs: nanoseconds for an order and for an event, beside its native twin.
//!
//! `cargo run --release -p flume-policy --example bench`. Medians of many rounds; the machine
//! should have nothing else to do. No framework: the figures are a few loops and a clock.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::{self, WallClock};
use flume_core::sink_selector::{self, Backoff, Load, Step};
use flume_core::{Batch, Event, Interceptor, InterceptorError, SinkSelector};
use flume_policy::{
    Artifact, InterceptorSetup, Limits, Policy, PolicyEngine, Remedy, SelectorSetup, SinkInfo,
};

/// Rounds of which the median is shown.
const ROUNDS: usize = 51;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    let engine = PolicyEngine::new()?;
    let load = |name: &str| -> Result<Arc<Policy>> {
        let bytes = flume_artifacts::bytes(name)?;
        let artifact = Artifact::load(&engine, name, &bytes, None)?;
        Ok(Policy::new(
            engine.clone(),
            artifact,
            Limits::default(),
            WallClock::system(),
        ))
    };
    for sinks in [2, 4, 16] {
        let native = sink_selector::find("round_robin").ok_or("no native selector")?;
        let build = || (native.build)(Backoff::none(sinks), 1);
        let mut twin = build();
        writeln!(
            out,
            "order, {sinks} sinks: native round_robin {} ns",
            order(&mut *twin)
        )?;
        for name in ["selector-round-robin", "selector-weighted"] {
            let sink = |at| SinkInfo {
                name: format!("s{at}"),
                ..SinkInfo::default()
            };
            let setup = SelectorSetup {
                sinks: (0..sinks).map(sink).collect(),
                ..SelectorSetup::default()
            };
            let mut selector = load(name)?.selector("g", setup, build())?;
            writeln!(
                out,
                "order, {sinks} sinks: {name} {} ns",
                order(&mut selector)
            )?;
        }
    }
    for size in [1, 10, 100, 1000] {
        let redact = load("interceptor-redact")?;
        let make = |patterns: &str| {
            let properties = vec![("patterns".to_owned(), patterns.to_owned())];
            let setup = InterceptorSetup {
                properties,
                seed: 1,
            };
            redact.interceptor("i", setup, Remedy::Fail)
        };
        let (found, identity) = (events(&make("secret")?, size)?, events(&make("~")?, size)?);
        let native = events(&Native::new(), size)?;
        writeln!(
            out,
            "event, batches of {size}: redact {found} ns, its native twin {native} ns, \
             nothing to mask {identity} ns"
        )?;
        for (shown, bodies) in [("nothing", "\\00"), ("whole bodies", "\\03")] {
            let artifact = Artifact::load(&engine, "idle", idle(bodies).as_bytes(), None)?;
            let (limits, wall) = (Limits::default(), WallClock::system());
            let policy = Policy::new(engine.clone(), artifact, limits, wall);
            let idle = policy.interceptor("i", InterceptorSetup::default(), Remedy::Fail)?;
            let cost = events(&idle, size)?;
            writeln!(
                out,
                "event, batches of {size}: idle, sees {shown} {cost} ns"
            )?;
        }
    }
    Ok(())
}

/// An interceptor that changes nothing: what is left is the cost of the boundary.
fn idle(bodies: &str) -> String {
    format!(
        r#"(module
            (memory (export "memory") 64)
            (global $free (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 4000000))
                    (then (global.set $free (i32.const 8192))))
                (global.get $free)
                (global.set $free (i32.and (i32.const -8)
                    (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
            (func (export "flume:policy/interceptor@0.1.0#configure")
                (param i32 i32 i64) (result i32) (i32.const 16))
            (func (export "flume:policy/interceptor@0.1.0#intercept")
                (param i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 64))
            (data (i32.const 28) "{bodies}"))"#
    )
}

/// Nanoseconds for an order with the news of one batch.
fn order(selector: &mut dyn SinkSelector) -> u128 {
    const ORDERS: u32 = 2000;
    median(|| {
        let began = clock::now();
        for _ in 0..ORDERS {
            let now = clock::now();
            let order = black_box(selector.order_load(
                now,
                Load {
                    depth: 100,
                    events: &[],
                },
            ));
            if let Some(first) = order.front() {
                selector.step(*first, Step::Begun, now);
                selector.delivered(*first, now);
                let latency = Duration::from_micros(100);
                selector.step(
                    *first,
                    Step::Ended {
                        events: 100,
                        latency,
                    },
                    now,
                );
            }
        }
        began.elapsed() / ORDERS
    })
}

/// Nanoseconds for an event of 100 bytes with two headers, every tenth of which is masked.
fn events(interceptor: &dyn Interceptor, size: usize) -> Result<u128> {
    let text = |at: usize| match at % 10 {
        0 => format!("{:<90}secret {at}", "a line of some log"),
        _ => format!("{:<90}nothing {at}", "a line of some log"),
    };
    let event = |at| {
        Event::new(text(at))
            .with_header("host", "a")
            .with_header("port", "1")
    };
    let given: Vec<Event> = (0..size).map(event).collect();
    let mut failed = None;
    let repeats = u32::try_from((2000 / size).max(1))?;
    let per_batch = median(|| {
        let mut spent = Duration::ZERO;
        for _ in 0..repeats {
            let mut batch = Batch::new(given.clone());
            let began = clock::now();
            failed = interceptor.intercept(&mut batch).err().or(failed.take());
            spent += began.elapsed();
            black_box(batch);
        }
        spent / repeats
    });
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(per_batch / u128::try_from(size)?),
    }
}

fn median(mut round: impl FnMut() -> Duration) -> u128 {
    let mut rounds: Vec<u128> = (0..ROUNDS).map(|_| round().as_nanos()).collect();
    rounds.sort_unstable();
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}

/// Redact for one word, written for this process in the way of its twin.
struct Native {
    begins: [bool; 256],
}

impl Native {
    const WORD: &[u8] = b"secret";

    fn new() -> Self {
        let mut begins = [false; 256];
        if let Some(first) = begins.get_mut(usize::from(b's')) {
            *first = true;
        }
        Self { begins }
    }

    /// Where the word begins next.
    fn next(&self, body: &[u8], from: usize) -> Option<usize> {
        let is_first = |byte: &u8| {
            self.begins
                .get(usize::from(*byte))
                .copied()
                .unwrap_or_default()
        };
        Some(from + body.get(from..)?.iter().position(is_first)?)
    }
}

impl Interceptor for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn intercept(&self, batch: &mut Batch) -> std::result::Result<(), InterceptorError> {
        for event in batch.events_mut() {
            let mut masked: Option<Vec<u8>> = None;
            let mut from = 0;
            while let Some(at) = self.next(&event.body, from) {
                from = at + 1;
                if event
                    .body
                    .get(at..)
                    .is_some_and(|rest| rest.starts_with(Self::WORD))
                {
                    from = at + Self::WORD.len();
                    let masked = masked.get_or_insert_with(|| event.body.to_vec());
                    if let Some(found) = masked.get_mut(at..from) {
                        found.fill(b'*');
                    }
                }
            }
            if let Some(masked) = masked {
                event.body = masked.into();
            }
        }
        Ok(())
    }
}
