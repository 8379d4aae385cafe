//! A random life for a policy: the same seed gives the same life, whatever the policy answers.
//!
//! Time is the paused clock of a separate runtime, so that two lives have the same moments. Halfway
//! the policy is swapped for itself, and its state has to be handed over.

use std::time::Duration;

use flume_core::sink_group::{Load, Step};
use flume_core::{Batch, Event, Interceptor, SinkSelector, clock};
use flume_policy::{
    Artifact, InterceptorSetup, Limits, PolicySelector, Properties, Remedy, SelectorSetup,
    SinkInfo, World,
};

use crate::support::{Limited, fallback, limited};

/// Calls in a life.
const CALLS: usize = 1500;

/// The last line of a life in which the policy kept to the contract.
pub(crate) const BLAMELESS: &str = "violations 0, fallbacks 0";

/// A configuration that a guest's folder shows: `processor.selector.<key>`, `interceptor.<key>` and
/// `sinks.<name>.<key>`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Example {
    /// The file.
    pub(crate) name: String,
    properties: Properties,
    sinks: Vec<SinkInfo>,
}

impl Example {
    /// The examples of a guest; without one, a life without configuration.
    pub(crate) fn of_guest(guest: &str) -> Vec<Self> {
        let folder = flume_artifacts::folder().join(guest);
        let mut examples = Vec::new();
        for entry in std::fs::read_dir(&folder).expect("the guest's folder") {
            let path = entry.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "properties")
            {
                let name = path.file_name().expect("a name").to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("text");
                examples.push(Self::parse(&name, &text));
            }
        }
        if examples.is_empty() {
            examples.push(Self::parse("without properties", ""));
        }
        examples
    }

    fn parse(name: &str, text: &str) -> Self {
        let mut example = Self {
            name: name.to_owned(),
            ..Self::default()
        };
        for sink in ["s1", "s2", "s3", "s4"] {
            example.sink(sink);
        }
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, value) = line.split_once('=').expect("key = value");
            let (key, value) = (key.trim(), value.trim().to_owned());
            let own = ["processor.selector.", "interceptor."];
            if let Some(own) = own.iter().find_map(|prefix| key.strip_prefix(prefix)) {
                example.properties.push((own.to_owned(), value));
            } else {
                let carried = key
                    .strip_prefix("sinks.")
                    .and_then(|key| key.split_once('.'));
                let (sink, key) = carried.unwrap_or_else(|| panic!("{name}: {line}"));
                example.sink(sink).properties.push((key.to_owned(), value));
            }
        }
        example
    }

    fn sink(&mut self, name: &str) -> &mut SinkInfo {
        let at = self.sinks.iter().position(|sink| sink.name == name);
        let at = at.unwrap_or_else(|| {
            self.sinks.push(SinkInfo {
                name: name.to_owned(),
                kind: "null".to_owned(),
                properties: Vec::new(),
            });
            self.sinks.len() - 1
        });
        &mut self.sinks[at]
    }
}

/// What a policy answers to each call of a life.
pub(crate) fn live(artifact: &Artifact, example: &Example, seed: u64) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut life = Life {
        random: fastrand::Rng::with_seed(seed),
        answers: Vec::new(),
    };
    // An empty order is an answer like any other here.
    let limits = Limits {
        idle: Duration::from_secs(86_400 * 365),
        deadline: Duration::from_secs(10),
        ..Limits::default()
    };
    let policy = limited(artifact.clone(), limits);
    runtime.block_on(async {
        match artifact.world() {
            World::Selector { .. } => life.selector(&policy, example, seed).await,
            World::Interceptor => life.interceptor(&policy, example, seed).await,
        }
    });
    let stats = policy.stats();
    life.answers.push(format!(
        "violations {}, fallbacks {}",
        stats.all_violations(),
        stats.fallbacks.get()
    ));
    life.answers
}

struct Life {
    random: fastrand::Rng,
    answers: Vec<String>,
}

impl Life {
    async fn selector(&mut self, policy: &Limited, example: &Example, seed: u64) {
        let setup = SelectorSetup {
            properties: example.properties.clone(),
            sinks: example.sinks.clone(),
            seed,
        };
        let sinks = setup.sinks.len();
        let mut selector = policy
            .selector("g1", setup, fallback(sinks))
            .expect("configured");
        for call in 0..CALLS {
            if call == CALLS / 2 {
                let next = policy.prepare(policy.artifact()).expect("accepted before");
                policy.install(next);
            }
            let events = if selector.wants_events() {
                self.events()
            } else {
                Vec::new()
            };
            let load = Load {
                depth: self.random.usize(0..10_000),
                events: &events,
            };
            let route = selector.route(clock::now(), load);
            let order = selector.order_load(clock::now(), load);
            self.answers.push(format!("{order:?} {route:?}"));
            self.outcome(&mut selector, order.into_iter().collect(), sinks)
                .await;
        }
    }

    /// The sinks are tried as a group does it. Now and then one is down for a while.
    async fn outcome(&mut self, selector: &mut PolicySelector, order: Vec<usize>, sinks: usize) {
        let is_down = |sink: usize, call: usize| (call / 97 + sink).is_multiple_of(sinks + 2);
        let call = self.answers.len();
        for sink in order {
            selector.step(sink, Step::Begun, clock::now());
            let latency = Duration::from_micros(self.random.u64(100..30_000) * (sink as u64 + 1));
            tokio::time::advance(latency).await;
            let fails = is_down(sink, call) || self.random.u8(0..20) == 0;
            let (now, events) = (clock::now(), self.random.usize(1..100));
            match fails {
                true => selector.failed(sink, now),
                false => selector.delivered(sink, now),
            }
            let events = if fails { 0 } else { events };
            selector.step(sink, Step::Ended { events, latency }, now);
            if !fails {
                break;
            }
        }
        tokio::time::advance(Duration::from_millis(self.random.u64(0..400))).await;
    }

    async fn interceptor(&mut self, policy: &Limited, example: &Example, seed: u64) {
        let setup = InterceptorSetup {
            properties: example.properties.clone(),
            seed,
        };
        let interceptor = policy
            .interceptor("i1", setup, Remedy::Fail)
            .expect("configured");
        for call in 0..CALLS {
            if call == CALLS / 2 {
                let next = policy.prepare(policy.artifact()).expect("accepted before");
                policy.install(next);
            }
            let mut batch = Batch::new(self.events());
            let outcome = interceptor.intercept(&mut batch);
            self.answers.push(format!("{outcome:?} {batch:?}"));
            let passed = Duration::from_millis(self.random.u64(0..400));
            tokio::time::advance(passed).await;
        }
    }

    /// A few events with what policies look at: headers that repeat, and bodies in several formats.
    fn events(&mut self) -> Vec<Event> {
        (0..self.random.usize(0..12))
            .map(|_| self.event())
            .collect()
    }

    fn event(&mut self) -> Event {
        let random = &mut self.random;
        let level = ["debug", "info", "warn", "error"][random.usize(0..4)];
        let number = random.u32(0..100_000);
        let body = match random.u8(0..6) {
            0 => format!("{{\"n\": {number}, \"level\": \"{level}\"}}"),
            1 => format!("n={number} level={level} msg=\"a {level} b\""),
            2 => format!("{number},{level},x"),
            3 => format!("call {}-{} about {level}", number % 100, number / 1000),
            4 => String::new(),
            _ => level.repeat(random.usize(0..40)),
        };
        let mut event = Event::new(body);
        for (name, count) in [("user", 60), ("id", 300), ("host", 5)] {
            if random.u8(0..8) > 0 {
                event = event.with_header(name, format!("{name}-{}", random.u32(0..count)));
            }
        }
        event
    }
}
