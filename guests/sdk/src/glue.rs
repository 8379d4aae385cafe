//! Between the generated bindings and the traits: a seat holds a policy between two calls.

use std::cell::RefCell;

use crate::batch::Batch;
use crate::bindings::{interceptor, sink_selector, state, types};
use crate::column::{Column, Rows};
use crate::selector::{Ask, BatchRouter, News, SelectorSetup, Sink, SinkSelector, Standing};
use crate::{Bodies, Interceptor, InterceptorSetup, Moment, Properties, State};

use types::ConfigError;

mod standings;

/// How long a selector may leave all sinks idle: less than the minute that the contract allows.
const LONGEST_IDLE: u64 = 50_000_000_000;

/// A selector between two calls.
#[derive(Debug)]
pub struct SelectorSeat<T>(RefCell<Option<Seated<T>>>);

#[derive(Debug)]
struct Seated<T> {
    policy: T,
    standings: Vec<Standing>,
    events: Batch,
    /// When a sink was last named, or an order was first requested.
    tried_at: Option<u64>,
}

impl<T: SinkSelector> SelectorSeat<T> {
    /// A seat that waits for `configure`.
    pub const fn empty() -> Self {
        Self(RefCell::new(None))
    }

    /// Makes the policy; returns the headers that it wants.
    ///
    /// # Errors
    /// All problems with the properties.
    pub fn configure(
        &self,
        setup: sink_selector::Setup,
    ) -> Result<sink_selector::Needs, Vec<ConfigError>> {
        let sink = |sink: sink_selector::Sink| Sink {
            name: sink.name,
            kind: sink.kind,
            properties: properties(sink.properties),
        };
        let mut setup = SelectorSetup {
            properties: properties(setup.properties),
            sinks: setup.sinks.into_iter().map(sink).collect(),
            seed: setup.seed,
        };
        crate::log::panics();
        let policy = T::configure(&mut setup);
        let mut errors = setup.properties.finish(true);
        for Sink {
            name, properties, ..
        } in &mut setup.sinks
        {
            let found = properties.finish(false).into_iter();
            errors.extend(found.map(|error| of_sink(name, error)));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let headers = policy.headers();
        let standings = vec![Standing::default(); setup.sinks.len()];
        let events = Batch::of_headers(&headers);
        *self.0.borrow_mut() = Some(Seated {
            policy,
            standings,
            events,
            tried_at: None,
        });
        Ok(sink_selector::Needs { headers })
    }

    /// Passes on the news and asks for an order.
    pub fn order(
        &self,
        at: types::Moment,
        news: &[sink_selector::Feedback],
        load: sink_selector::Load,
    ) -> Vec<u32> {
        self.ask(at, news, load, T::order, Seated::not_idle)
    }

    fn ask(
        &self,
        at: types::Moment,
        news: &[sink_selector::Feedback],
        load: sink_selector::Load,
        question: impl FnOnce(&mut T, &Ask<'_>) -> Vec<usize>,
        finish: impl FnOnce(&mut Seated<T>, Vec<usize>, u64) -> Vec<usize>,
    ) -> Vec<u32> {
        let mut seat = self.0.borrow_mut();
        let Some(seated) = &mut *seat else {
            return Vec::new();
        };
        news.iter().for_each(|entry| seated.hear(entry));
        seated.events.count = load.events;
        seated.events.show(load.headers);
        let ask = Ask {
            at: moment(&at),
            sinks: &seated.standings,
            depth: load.depth,
            events: &seated.events,
        };
        let answer = question(&mut seated.policy, &ask);
        finish(seated, answer, at.now)
            .into_iter()
            .map(|sink| u32::try_from(sink).unwrap_or(u32::MAX))
            .collect()
    }

    /// See [`State`].
    pub fn export(&self) -> state::Snapshot
    where
        T: State,
    {
        let seat = self.0.borrow();
        let bytes = seat.as_ref().map(|seated| {
            let mut bytes = seated.policy.export();
            bytes.extend(standings::pack(&seated.standings));
            bytes
        });
        state::Snapshot {
            format: T::FORMAT,
            bytes: bytes.unwrap_or_default(),
        }
    }

    /// See [`State`].
    ///
    /// # Errors
    /// The policy's.
    pub fn import(&self, snapshot: &state::Snapshot) -> Result<(), String>
    where
        T: State,
    {
        match &mut *self.0.borrow_mut() {
            Some(seated) => {
                let sinks = seated.standings.len();
                let (bytes, standings) = standings::unpack(&snapshot.bytes, sinks)?;
                seated.policy.import(snapshot.format, bytes)?;
                seated.standings = standings;
                Ok(())
            }
            None => Err("not configured".to_owned()),
        }
    }
}

impl<T: BatchRouter> SelectorSeat<T> {
    /// Passes on the news and asks for a sink for each event.
    pub fn route(
        &self,
        at: types::Moment,
        news: &[sink_selector::Feedback],
        load: sink_selector::Load,
    ) -> Vec<u32> {
        self.ask(at, news, load, T::route, |_, route, _| route)
    }
}

impl<T: SinkSelector> Seated<T> {
    /// An order that the contract allows: see [`SinkSelector::order`].
    fn not_idle(&mut self, mut order: Vec<usize>, now: u64) -> Vec<usize> {
        let since = *self.tried_at.get_or_insert(now);
        if order.is_empty() {
            let well = |sink: &usize| self.standings[*sink].failures == 0;
            order = (0..self.standings.len()).filter(well).collect();
        }
        if order.is_empty() && now > since + LONGEST_IDLE {
            order = (0..self.standings.len()).collect();
            order.sort_by_key(|sink| self.standings[*sink].failed_at);
        }
        if !order.is_empty() {
            self.tried_at = Some(now);
        }
        order
    }

    fn hear(&mut self, entry: &sink_selector::Feedback) {
        let sink = entry.sink as usize;
        let Some(standing) = self.standings.get_mut(sink) else {
            return;
        };
        let news = News {
            batches: entry.batches,
            events: entry.events,
            latency: entry.latency,
            at: entry.delivered_at,
        };
        let failed_last =
            entry.failures > 0 && (news.batches == 0 || entry.failed_at >= entry.delivered_at);
        standing.in_flight = entry.in_flight;
        standing.batches += u64::from(news.batches);
        standing.events += news.events;
        if let Some(mean) = news.latency.checked_div(u64::from(news.batches)) {
            standing.latency = mean;
            standing.failures = 0;
        }
        if entry.failures > 0 {
            standing.failed_at = entry.failed_at;
        }
        if failed_last {
            standing.failures += entry.failures;
        }
        let policy = &mut self.policy;
        if entry.failures > 0 && !failed_last {
            policy.failed(sink, entry.failed_at);
        }
        if news.batches > 0 {
            policy.delivered(sink, &news);
        }
        if failed_last {
            policy.failed(sink, entry.failed_at);
        }
    }
}

/// An interceptor between two calls.
#[derive(Debug)]
pub struct InterceptorSeat<T>(RefCell<Option<(T, Batch)>>);

impl<T: Interceptor> InterceptorSeat<T> {
    /// A seat that waits for `configure`.
    pub const fn empty() -> Self {
        Self(RefCell::new(None))
    }

    /// Makes the policy; returns what it wants to see.
    ///
    /// # Errors
    /// All problems with the properties.
    pub fn configure(
        &self,
        setup: interceptor::Setup,
    ) -> Result<interceptor::Projection, Vec<ConfigError>> {
        let mut setup = InterceptorSetup {
            properties: properties(setup.properties),
            seed: setup.seed,
        };
        crate::log::panics();
        let policy = T::configure(&mut setup);
        let errors = setup.properties.finish(true);
        if !errors.is_empty() {
            return Err(errors);
        }
        let projection = policy.projection();
        *self.0.borrow_mut() = Some((policy, Batch::of_headers(&projection.headers)));
        let bodies = match projection.bodies {
            Bodies::None => types::BodyProjection::None,
            Bodies::Length => types::BodyProjection::Length,
            Bodies::Prefix(most) => types::BodyProjection::Prefix(most),
            Bodies::Whole => types::BodyProjection::Whole,
        };
        Ok(interceptor::Projection {
            headers: projection.headers,
            bodies,
        })
    }

    /// Handles a batch.
    pub fn intercept(&self, at: types::Moment, shown: interceptor::Batch) -> interceptor::Edits {
        let mut seat = self.0.borrow_mut();
        let none = || interceptor::Edits {
            verdicts: vec![],
            headers: vec![],
            bodies: None,
        };
        let Some((policy, batch)) = &mut *seat else {
            return none();
        };
        batch.count = shown.events;
        batch.bodies = Column::from(shown.bodies);
        batch.lengths = shown.lengths;
        batch.show(shown.headers);
        policy.intercept(moment(&at), batch);
        let edits = batch.finish();
        let header = |(name, rows): (String, Rows)| interceptor::HeaderEdit {
            name,
            events: rows.events,
            values: rows.values.into(),
        };
        let bodies = (!edits.bodies.values.ends.is_empty()).then_some(edits.bodies);
        interceptor::Edits {
            verdicts: edits.verdicts,
            headers: edits.headers.into_iter().map(header).collect(),
            bodies: bodies.map(|rows| interceptor::BodyEdit {
                events: rows.events,
                bodies: rows.values.into(),
            }),
        }
    }

    /// See [`State`].
    pub fn export(&self) -> state::Snapshot
    where
        T: State,
    {
        let seat = self.0.borrow();
        let bytes = seat.as_ref().map(|(policy, _)| policy.export());
        state::Snapshot {
            format: T::FORMAT,
            bytes: bytes.unwrap_or_default(),
        }
    }

    /// See [`State`].
    ///
    /// # Errors
    /// The policy's.
    pub fn import(&self, snapshot: &state::Snapshot) -> Result<(), String>
    where
        T: State,
    {
        match &mut *self.0.borrow_mut() {
            Some((policy, _)) => policy.import(snapshot.format, &snapshot.bytes),
            None => Err("not configured".to_owned()),
        }
    }
}

impl From<types::Column> for Column {
    fn from(column: types::Column) -> Self {
        Self {
            bytes: column.bytes,
            ends: column.ends,
        }
    }
}

impl From<Column> for types::Column {
    fn from(column: Column) -> Self {
        Self {
            bytes: column.bytes,
            ends: column.ends,
        }
    }
}

fn properties(pairs: Vec<types::Property>) -> Properties {
    pairs
        .into_iter()
        .map(|property| (property.key, property.value))
        .collect()
}

fn moment(at: &types::Moment) -> Moment {
    Moment {
        now: at.now,
        unix_ms: at.unix_ms,
    }
}

/// A problem with a sink's own property, reported with the sink's name.
fn of_sink(name: &str, error: ConfigError) -> ConfigError {
    ConfigError::Other(match error {
        ConfigError::BadValue(bad) => {
            format!("`{}` of sink `{name}` must be {}", bad.key, bad.expected)
        }
        ConfigError::MissingKey(key) => format!("sink `{name}` needs the key `{key}`"),
        ConfigError::UnknownKey(key) => format!("sink `{name}` does not know the key `{key}`"),
        ConfigError::Other(words) => format!("sink `{name}`: {words}"),
    })
}
