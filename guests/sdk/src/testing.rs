//! Stand-ins for the host, to test a policy's logic natively.

use crate::batch::{Batch, Edits};
use crate::bindings::sink_selector::{self, Feedback};
use crate::bindings::state;
use crate::bindings::types::{self, ConfigError, Property};
use crate::column::{Column, Rows};
use crate::glue::SelectorSeat;
use crate::selector::{BatchRouter, SinkSelector};
use crate::{Bodies, Interceptor, InterceptorSetup, Moment, Projection, Properties, State};

/// An event of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestEvent {
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// An event with headers and a body.
pub fn event(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> TestEvent {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    TestEvent {
        headers: headers.iter().map(pair).collect(),
        body: body.as_ref().to_vec(),
    }
}

/// An interceptor with these properties.
///
/// # Errors
/// The problems that the host would show.
pub fn interceptor<T: Interceptor>(properties: &[(&str, &str)]) -> Result<T, Vec<ConfigError>> {
    let mut setup = InterceptorSetup {
        properties: Properties::of(properties),
        seed: 7,
    };
    let policy = T::configure(&mut setup);
    let errors = setup.properties.finish(true);
    if errors.is_empty() {
        Ok(policy)
    } else {
        Err(errors)
    }
}

/// The result of an interceptor for these events, at moment zero. Rejected events are left out,
/// like dropped ones.
pub fn intercept<T: Interceptor>(policy: &mut T, events: &[TestEvent]) -> Vec<TestEvent> {
    let batch = batch(events, &policy.projection());
    policy.intercept(Moment::default(), &batch);
    apply(events.to_vec(), batch.finish())
}

/// The batch that a policy with this projection would see.
pub fn batch(events: &[TestEvent], wanted: &Projection) -> Batch {
    let column = |name: &String| {
        let mut column = Column::default();
        for event in events {
            let value = event.headers.iter().find(|(known, _)| known == name);
            column.push(value.map(|(_, value)| value.as_bytes()));
        }
        (name.clone(), column)
    };
    let mut batch = Batch {
        count: events.len() as u32,
        headers: wanted.headers.iter().map(column).collect(),
        ..Batch::default()
    };
    let most = match wanted.bodies {
        Bodies::None | Bodies::Length => 0,
        Bodies::Prefix(most) => most as usize,
        Bodies::Whole => usize::MAX,
    };
    for event in events.iter().filter(|_| most > 0) {
        batch
            .bodies
            .push(event.body.get(..most).or(Some(&event.body)));
    }
    if matches!(wanted.bodies, Bodies::Length | Bodies::Prefix(_)) {
        batch.lengths = events.iter().map(|event| event.body.len() as u32).collect();
    }
    batch
}

fn apply(mut events: Vec<TestEvent>, edits: Edits) -> Vec<TestEvent> {
    for (name, rows) in edits.headers {
        for (event, value) in values(&rows, events.len()) {
            let headers = &mut events[event].headers;
            let value = value.map(|value| String::from_utf8_lossy(&value).into_owned());
            match (headers.iter().position(|(known, _)| *known == name), value) {
                (Some(at), Some(value)) => headers[at].1 = value,
                (Some(at), None) => drop(headers.remove(at)),
                (None, Some(value)) => headers.push((name.clone(), value)),
                (None, None) => {}
            }
        }
    }
    if !edits.bodies.values.ends.is_empty() {
        for (event, body) in values(&edits.bodies, events.len()) {
            events[event].body = body.unwrap_or_default();
        }
    }
    let mut verdicts = edits.verdicts.into_iter();
    events.retain(|_| verdicts.next().unwrap_or(1) == 1);
    events
}

/// The events of an edit with their new values.
fn values(rows: &Rows, count: usize) -> Vec<(usize, Option<Vec<u8>>)> {
    let places: Vec<usize> = match rows.events.is_empty() {
        true => (0..count).collect(),
        false => rows.events.iter().map(|event| *event as usize).collect(),
    };
    let single = rows.values.ends.len() == 1;
    let value = |row| {
        rows.values
            .get(if single { 0 } else { row })
            .map(<[u8]>::to_vec)
    };
    places
        .into_iter()
        .enumerate()
        .map(|(row, event)| (event, value(row)))
        .collect()
}

/// A group of sinks with a selector, driven by hand.
#[derive(Debug)]
pub struct Group<T> {
    seat: SelectorSeat<T>,
    headers: Vec<String>,
    news: Vec<Feedback>,
    in_flight: Vec<u32>,
    now: u64,
}

impl<T: SinkSelector> Group<T> {
    /// A group of these sinks, with properties of the selector.
    pub fn of(sinks: &[&str], properties: &[(&str, &str)]) -> Self {
        let sinks: Vec<_> = sinks.iter().map(|name| (*name, &[][..])).collect();
        match Self::with(&sinks, properties) {
            Ok(group) => group,
            Err(errors) => panic!("{errors:?}"),
        }
    }

    /// A group of sinks with their own properties.
    ///
    /// # Errors
    /// The problems that the host would show.
    pub fn with(
        sinks: &[(&str, &[(&str, &str)])],
        wanted: &[(&str, &str)],
    ) -> Result<Self, Vec<ConfigError>> {
        let properties = |pairs: &[(&str, &str)]| -> Vec<Property> {
            let owned = |(key, value): &(&str, &str)| Property {
                key: (*key).to_owned(),
                value: (*value).to_owned(),
            };
            pairs.iter().map(owned).collect()
        };
        let sink = |(name, carried): &(&str, &[(&str, &str)])| sink_selector::Sink {
            name: (*name).to_owned(),
            kind: "null".to_owned(),
            properties: properties(carried),
        };
        let setup = sink_selector::Setup {
            properties: properties(wanted),
            sinks: sinks.iter().map(sink).collect(),
            seed: 7,
        };
        let seat = SelectorSeat::empty();
        let headers = seat.configure(setup)?.headers;
        let in_flight = vec![0; sinks.len()];
        Ok(Self {
            seat,
            headers,
            news: Vec::new(),
            in_flight,
            now: 1,
        })
    }

    /// Asks for an order.
    pub fn order(&mut self) -> Vec<u32> {
        self.order_of(&[])
    }

    /// Asks for an order for a batch whose headers the policy sees.
    pub fn order_of(&mut self, events: &[TestEvent]) -> Vec<u32> {
        let news = std::mem::take(&mut self.news);
        self.seat.order(self.at(), &news, self.load(events))
    }

    /// Asks for a sink for each event.
    pub fn route(&mut self, events: &[TestEvent]) -> Vec<u32>
    where
        T: BatchRouter,
    {
        let news = std::mem::take(&mut self.news);
        self.seat.route(self.at(), &news, self.load(events))
    }

    /// Sends one batch to the first sink of an order that is not broken; broken sinks before it
    /// fail. Returns the sink that delivered it.
    pub fn play(&mut self, broken: &[usize], latency_ms: u64) -> Option<usize> {
        for sink in self.order() {
            let sink = sink as usize;
            self.begin(sink);
            if !broken.contains(&sink) {
                self.deliver(sink, 10, latency_ms);
                return Some(sink);
            }
            self.fail(sink);
        }
        None
    }

    /// The state that the policy hands over in a swap.
    pub fn export(&self) -> (u32, Vec<u8>)
    where
        T: State,
    {
        let snapshot = self.seat.export();
        (snapshot.format, snapshot.bytes)
    }

    /// Takes over another group's [`export`](Self::export), and its clock.
    ///
    /// # Errors
    /// The error that the host would log.
    pub fn import<P: SinkSelector + State>(&mut self, from: &Group<P>) -> Result<(), String>
    where
        T: State,
    {
        let (format, bytes) = from.export();
        self.now = from.now;
        self.in_flight.clone_from(&from.in_flight);
        self.seat.import(&state::Snapshot { format, bytes })
    }

    /// The current time.
    pub fn now(&self) -> u64 {
        self.now
    }

    fn at(&self) -> types::Moment {
        types::Moment {
            now: self.now,
            unix_ms: self.now / 1_000_000,
        }
    }

    fn load(&self, events: &[TestEvent]) -> sink_selector::Load {
        let headers = Projection::headers(self.headers.clone());
        let batch = batch(events, &headers);
        sink_selector::Load {
            depth: events.len() as u64,
            events: batch.count,
            headers: batch
                .headers
                .into_iter()
                .map(|(_, column)| column.into())
                .collect(),
        }
    }

    /// Lets time pass.
    pub fn advance_ms(&mut self, ms: u64) {
        self.now += ms * 1_000_000;
    }

    /// Begins a batch at a sink.
    pub fn begin(&mut self, sink: usize) {
        self.in_flight[sink] += 1;
        self.news(sink);
    }

    /// Ends a batch with success, after some time.
    pub fn deliver(&mut self, sink: usize, events: u64, latency_ms: u64) {
        self.in_flight[sink] = self.in_flight[sink].saturating_sub(1);
        let now = self.now;
        let news = self.news(sink);
        (news.batches, news.delivered_at) = (news.batches + 1, now);
        news.events += events;
        news.latency += latency_ms * 1_000_000;
    }

    /// Ends a batch with a failure.
    pub fn fail(&mut self, sink: usize) {
        self.in_flight[sink] = self.in_flight[sink].saturating_sub(1);
        let now = self.now;
        let news = self.news(sink);
        (news.failures, news.failed_at) = (news.failures + 1, now);
    }

    fn news(&mut self, sink: usize) -> &mut Feedback {
        let at = self.news.iter().position(|news| news.sink as usize == sink);
        let at = at.unwrap_or_else(|| {
            self.news.push(Feedback {
                sink: sink as u32,
                in_flight: 0,
                batches: 0,
                events: 0,
                latency: 0,
                delivered_at: 0,
                failures: 0,
                failed_at: 0,
            });
            self.news.len() - 1
        });
        self.news[at].in_flight = self.in_flight[sink];
        &mut self.news[at]
    }
}
