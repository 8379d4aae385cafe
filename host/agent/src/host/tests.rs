//! Goal: what the process says of itself agrees with what it does. Method: real agents, and a look at
//! what operators see at the moment of a line of the log.

use std::fmt::Debug;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex};

use flume_core::clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;
use crate::health;
use crate::testing::{plan, services};

const AGENT: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
";

/// Looks at what operators see whenever a line with these words is logged.
struct Look {
    words: &'static str,
    view: AdminView,
    seen: Arc<Mutex<Vec<Vec<String>>>>,
}

impl<S: Subscriber> Layer<S> for Look {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct HasWords(&'static str, bool);
        impl Visit for HasWords {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                self.1 |= field.name() == "message" && format!("{value:?}").contains(self.0);
            }
        }
        let mut has = HasWords(self.words, false);
        event.record(&mut has);
        if has.1 {
            let troubles = self.view.troubles();
            let obstacles = health::obstacles(&troubles);
            let components = obstacles.map(|trouble| trouble.component.clone());
            self.seen.lock().unwrap().push(components.collect());
        }
    }
}

/// Whoever waits for the new file and then asks `/readyz` is told of a new source that is not open,
/// also before it has tried.
#[tokio::test]
async fn a_source_without_a_port_is_an_obstacle_as_soon_as_the_file_is_said_to_run() {
    let taken = StdListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let services = services(1);
    let memory = services.components.memory.clone();
    let view = AdminView::new(services.policies.clone(), memory, services.reloads.clone());
    view.enter(Phase::Running);
    let mut fleet = Fleet::new(services, deadline::options(), view.clone());
    fleet.take_file(Draft::of(vec![plan(AGENT)]), Way::Sighup);
    while !fleet.has_started() {
        fleet.progress().await.unwrap();
    }
    assert_eq!(health::obstacles(&view.troubles()).count(), 0);

    let seen = Arc::default();
    let look = Look {
        words: "agent runs from the new file",
        view: view.clone(),
        seen: Arc::clone(&seen),
    };
    flume_components::said::hear_all();
    let log = tracing_subscriber::registry().with(look);
    let _log = tracing::subscriber::set_default(log);
    let new = AGENT.replace("a1.sources = r1", "a1.sources = r1 r2");
    let r2 = format!(
        "a1.sources.r2.type = netcat\na1.sources.r2.bind = 127.0.0.1\n\
         a1.sources.r2.port = {port}\na1.sources.r2.channels = c1\n"
    );
    fleet.take_file(Draft::of(vec![plan(&(new + &r2))]), Way::Sighup);
    while fleet.is_reloading() {
        fleet.progress().await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [["source r2 of a1".to_owned()]]);
    fleet.stop(clock::now() + Duration::from_secs(60)).await;
}
