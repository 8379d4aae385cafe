//! What the boundary costs: a table of every figure that the crate promises, beside its target.
//!
//! ```text
//! cargo bench --profile dist -p flume-desk [-- ROUNDS]
//! ```
//!
//! There are 51 rounds unless a number is given. Native twins are other code for the same work
//! (`round_robin`) or the very same source compiled for the host (redact's `masker.rs`). The subjects
//! of a section take turns in each round, the first one is what the others are compared with, and
//! medians come with their 95 % limits of confidence; see [`flume_desk::bench`]. Where neither a limit
//! nor the median meets the target the line says `missed`; a target between the limits is `open`: run
//! more rounds, or on a quieter machine.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flume_core::clock::WallClock;
use flume_core::sink_selector::{self, Backoff};
use flume_core::{Batch, Event, Interceptor, InterceptorError, SinkSelector};
use flume_desk::bench::{self, Bench, Estimate, Measured, Nothing};
use flume_policy::{
    Artifact, Compiler, InterceptorSetup, Limits, Policy, PolicyEngine, PolicyInterceptor,
    PolicySelector, Remedy, SelectorSetup, SinkInfo,
};

#[expect(
    clippy::indexing_slicing,
    reason = "a guest's source, under the lints of guests"
)]
#[cfg_attr(test, expect(dead_code, reason = "its tests run with the guest"))]
#[path = "../../../guests/interceptor-redact/src/masker.rs"]
mod masker;

use masker::Masker;

/// Rounds unless the command line says otherwise.
const ROUNDS: usize = 51;

/// Orders, and events, in a round.
const ORDERS: u32 = 1000;
const EVENTS: usize = 4000;

/// What redact looks for: half of the lines have a candidate, every tenth a match.
const PATTERNS: &str = "secret ####-####-####-####";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a figure is held against.
#[derive(Clone, Copy)]
enum Goal {
    None,
    Nanos(f64),
    Ratio(f64),
}

fn main() -> Result<()> {
    // Cargo adds `--bench`.
    let mut words = std::env::args().skip(1);
    let rounds = match words.find(|word| !word.starts_with("--")) {
        Some(rounds) => rounds.parse()?,
        None => ROUNDS,
    };
    let shop = Shop {
        engine: PolicyEngine::new(Compiler::in_process())?,
        rounds,
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}  target", bench::HEADING)?;
    crossing(&shop, &mut out)?;
    orders(&shop, &mut out)?;
    identity(&shop, &mut out)?;
    redact(&shop, &mut out)
}

/// Policies by name.
struct Shop {
    engine: PolicyEngine,
    rounds: usize,
}

impl Shop {
    fn policy(&self, name: &str, bytes: &[u8]) -> Result<Arc<Policy>> {
        let artifact = Artifact::load(&self.engine, name, bytes, None)?;
        let wall = WallClock::system();
        Ok(Policy::new(self.engine.clone(), artifact, wall))
    }

    fn guest(&self, name: &str) -> Result<Arc<Policy>> {
        self.policy(name, &flume_artifacts::bytes(name)?)
    }

    fn print(&self, out: &mut dyn Write, title: &str, bench: Bench<'_>, of: Goal) -> Result<()> {
        writeln!(out, "{title}")?;
        for (at, measured) in bench.run(self.rounds).iter().enumerate() {
            // The first subject is what the others are compared with.
            let target = if at == 0 { Goal::None } else { of };
            line(out, measured, target)?;
        }
        Ok(())
    }
}

fn line(out: &mut dyn Write, measured: &Measured, target: Goal) -> Result<()> {
    let verdict = match target {
        Goal::None => String::new(),
        Goal::Nanos(most) => format!("{most} ns: {}", verdict(&measured.nanos, most)),
        Goal::Ratio(most) => format!("{most} x: {}", verdict(&measured.ratio, most)),
    };
    writeln!(out, "{measured}  {verdict}")?;
    Ok(())
}

fn verdict(estimate: &Estimate, most: f64) -> &'static str {
    match estimate.limits {
        (_, high) if high <= most => "met",
        (low, _) if low > most => "missed",
        _ => "open",
    }
}

/// What a call costs that does nothing, and what each thing in it adds.
fn crossing(shop: &Shop, out: &mut dyn Write) -> Result<()> {
    let text = idle_selector(4, 0);
    let shown = bench::lines(100);
    let mut bare = selector(&shop.policy("idle", text.as_bytes())?, 4)?;
    let mut told = selector(&shop.policy("idle", text.as_bytes())?, 4)?;
    let with_header = idle_selector(4, 1);
    let mut seeing = selector(&shop.policy("idle", with_header.as_bytes())?, 4)?;
    let mut bench = Bench::default();
    bench.add("enter, exit", ORDERS, || silent(&mut bare));
    bench.add("and news of a sink", ORDERS, || {
        bench::orders(&mut told, &[], ORDERS)
    });
    bench.add("and a header of 100 events", ORDERS, || {
        bench::orders(&mut seeing, &shown, ORDERS)
    });
    shop.print(
        out,
        "a call of a guest that does nothing, 4 sinks",
        bench,
        Goal::None,
    )
}

/// Orders without any news.
fn silent(selector: &mut PolicySelector) -> Duration {
    let began = flume_core::clock::now();
    for _ in 0..ORDERS {
        std::hint::black_box(selector.order(began));
    }
    began.elapsed()
}

fn orders(shop: &Shop, out: &mut dyn Write) -> Result<()> {
    for sinks in [4, 16] {
        let mut twin = native(sinks)?;
        let mut robin = selector(&shop.guest("selector-round-robin")?, sinks)?;
        let mut weighted = selector(&shop.guest("selector-weighted")?, sinks)?;
        let mut bench = Bench::default();
        bench.add("native round_robin", ORDERS, || {
            bench::orders(&mut *twin, &[], ORDERS)
        });
        bench.add("round_robin.wasm", ORDERS, || {
            bench::orders(&mut robin, &[], ORDERS)
        });
        bench.add("weighted.wasm", ORDERS, || {
            bench::orders(&mut weighted, &[], ORDERS)
        });
        let target = if sinks == 4 {
            Goal::Nanos(1000.0)
        } else {
            Goal::None
        };
        shop.print(
            out,
            &format!("order, {sinks} sinks, with news of a sink"),
            bench,
            target,
        )?;
    }
    Ok(())
}

/// An interceptor that changes nothing.
fn identity(shop: &Shop, out: &mut dyn Write) -> Result<()> {
    for size in [1, 10, 100, 1000] {
        let events = bench::lines(size);
        let (count, units) = volume(size)?;
        let idle = [idle_interceptor("\\00"), idle_interceptor("\\03")];
        let [blind, seeing] = idle.map(|text| -> Result<PolicyInterceptor> {
            interceptor(&shop.policy("idle", text.as_bytes())?, &[])
        });
        let (blind, seeing) = (blind?, seeing?);
        let mut bench = Bench::default();
        bench.add("native", units, || took(&Nothing, &events, count));
        bench.add("sees nothing", units, || took(&blind, &events, count));
        bench.add("sees whole bodies", units, || took(&seeing, &events, count));
        let target = if size >= 100 {
            Goal::Nanos(50.0)
        } else {
            Goal::None
        };
        shop.print(
            out,
            &format!("identity, an event, batches of {size}"),
            bench,
            target,
        )?;
    }
    Ok(())
}

fn redact(shop: &Shop, out: &mut dyn Write) -> Result<()> {
    for size in [1, 10, 100, 1000] {
        let events = bench::lines(size);
        let (count, units) = volume(size)?;
        let native = Native(Masker::new(PATTERNS, b'*'));
        let wasm = interceptor(
            &shop.guest("interceptor-redact")?,
            &[("patterns", PATTERNS)],
        )?;
        let (expected, given) = (masked(&native, &events)?, masked(&wasm, &events)?);
        if expected != given || given == events {
            return Err("the twins do not do the same".into());
        }
        let mut bench = Bench::default();
        bench.add("native", units, || took(&native, &events, count));
        bench.add("redact.wasm", units, || took(&wasm, &events, count));
        let target = if size >= 100 {
            Goal::Ratio(1.3)
        } else {
            Goal::None
        };
        shop.print(
            out,
            &format!("redact, an event, batches of {size}"),
            bench,
            target,
        )?;
    }
    Ok(())
}

/// Batches of this size in a round, and the events in them.
fn volume(size: usize) -> Result<(u32, u32)> {
    let batches = (EVENTS / size).min(1000);
    Ok((u32::try_from(batches)?, u32::try_from(batches * size)?))
}

/// A failure would be a batch that is not handled: the figure must not look good.
fn took(interceptor: &dyn Interceptor, events: &[Event], count: u32) -> Duration {
    bench::batches(interceptor, events, count).unwrap_or(Duration::MAX)
}

fn masked(interceptor: &dyn Interceptor, events: &[Event]) -> Result<Vec<Event>> {
    let mut batch = Batch::new(events.to_vec());
    interceptor.intercept(&mut batch)?;
    Ok(batch.into_events())
}

fn native(sinks: usize) -> Result<Box<dyn SinkSelector>> {
    let native = sink_selector::TYPES
        .find("round_robin")
        .ok_or("no native selector")?;
    Ok((native.configure)(Backoff::none(sinks), 1))
}

/// On a busy machine a call may well be interrupted for longer than the default.
fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(10),
        start_deadline: Duration::from_secs(60),
        ..Limits::default()
    }
}

fn selector(policy: &Arc<Policy>, sinks: usize) -> Result<PolicySelector> {
    let sink = |at| SinkInfo {
        name: format!("s{at}"),
        ..SinkInfo::default()
    };
    let setup = SelectorSetup {
        sinks: (0..sinks).map(sink).collect(),
        ..SelectorSetup::default()
    };
    Ok(policy.selector("g", limits(), setup, native(sinks)?)?)
}

fn interceptor(policy: &Arc<Policy>, properties: &[(&str, &str)]) -> Result<PolicyInterceptor> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let setup = InterceptorSetup {
        properties: properties.iter().map(pair).collect(),
        seed: 1,
    };
    Ok(policy.interceptor("i", limits(), setup, Remedy::Fail)?)
}

/// The allocator of a guest that forgets everything.
const FORGETFUL: &str = r#"
    (memory (export "memory") 64)
    (global $free (mut i32) (i32.const 8192))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 4000000))
            (then (global.set $free (i32.const 8192))))
        (global.get $free)
        (global.set $free (i32.and (i32.const -8)
            (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))"#;

/// An interceptor that changes nothing: what is left is the cost of the boundary.
fn idle_interceptor(bodies: &str) -> String {
    format!(
        r#"(module {FORGETFUL}
            (func (export "flume:policy/interceptor@0.1.0#configure")
                (param i32 i32 i64) (result i32) (i32.const 16))
            (func (export "flume:policy/interceptor@0.1.0#intercept")
                (param i64 i64 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 64))
            (data (i32.const 28) "{bodies}"))"#
    )
}

/// A selector that always gives the same order of all its sinks, and asks for `host` or nothing.
fn idle_selector(sinks: u32, headers: u8) -> String {
    let order: String = (0..sinks)
        .map(|sink| format!("\\{sink:02x}\\00\\00\\00"))
        .collect();
    format!(
        r#"(module {FORGETFUL}
            (func (export "flume:policy/sink-selector@0.1.0#configure")
                (param i32 i32 i32 i32 i64) (result i32) (i32.const 16))
            (func (export "flume:policy/sink-selector@0.1.0#order")
                (param i64 i64 i32 i32 i64 i32 i32 i32) (result i32) (i32.const 64))
            (data (i32.const 20) "\60\00\00\00\{headers:02x}\00\00\00")
            (data (i32.const 64) "\80\00\00\00\{sinks:02x}\00\00\00")
            (data (i32.const 96) "\70\00\00\00\04\00\00\00")
            (data (i32.const 112) "host")
            (data (i32.const 128) "{order}"))"#
    )
}

/// Redact, natively: the guest's own source.
struct Native(Masker);

impl Interceptor for Native {
    fn name(&self) -> &str {
        "native"
    }

    fn intercept(&self, batch: &mut Batch) -> std::result::Result<(), InterceptorError> {
        for event in batch.events_mut() {
            if let Some((masked, _)) = self.0.mask(&event.body) {
                event.body = masked.into();
            }
        }
        Ok(())
    }
}
