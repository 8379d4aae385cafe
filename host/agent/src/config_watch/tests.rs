//! When a file counts as changed. Time is paused, so half a minute between two checks costs
//! nothing.

use std::fs::{self, File};
use std::time::UNIX_EPOCH;

use flume_core::clock;
use tokio::time::timeout;

use super::*;
use crate::plan::AgentPlan;
use crate::policies::testing;
use flume_components::Resolver;

/// An agent whose channel holds this many events.
fn text(capacity: &str) -> String {
    format!(
        "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1
a1.sources.r1.type = seq
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.c1.transactionCapacity = 1
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.channels.c1.capacity = {capacity}"
    )
}

struct Bench {
    watch: ConfigWatch,
    services: Services,
    path: PathBuf,
    /// Removed at the end.
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new(polls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.properties");
        fs::write(&path, text("100")).unwrap();
        let watch = ConfigWatch::new(path.clone(), Options::default(), polls);
        let services = Services::system(Resolver::default(), testing::policies());
        Self {
            watch,
            services,
            path,
            _folder: folder,
        }
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    fn touch(&self, seconds: u64) {
        let file = File::options().append(true).open(&self.path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
            .unwrap();
    }

    /// The change that is seen within this many seconds.
    async fn change(&mut self, seconds: u64) -> Option<Vec<AgentPlan>> {
        let change = self.watch.changed(&self.services);
        let change = timeout(Duration::from_secs(seconds), change).await;
        Some(plans(change.ok()?))
    }

    /// What a HUP loads.
    async fn read_again(&mut self) -> Option<Vec<AgentPlan>> {
        Some(plans(self.watch.read_again(&self.services).await?))
    }
}

fn plans(draft: Draft) -> Vec<AgentPlan> {
    let (_, agents) = draft.into_agents();
    agents.into_iter().map(|(plan, _)| plan).collect()
}

fn capacity(plans: &[AgentPlan]) -> usize {
    plans[0].channels[0].recipe.capacity()
}

/// Flume: TestPollingPropertiesFileConfigurationProvider.testPolling (G5). Flume goes by the time
/// of the file; here the text decides. A touched file is not a change, and a changed one is exactly
/// one change.
#[tokio::test(start_paused = true)]
async fn a_change_is_applied_once_and_a_touch_is_not_a_change() {
    let mut bench = Bench::new(true);
    bench.touch(4_000_000_000);
    assert_eq!(bench.change(600).await, None);

    bench.write(&text("200"));
    let plans = bench.change(32).await.expect("a change within one check");
    assert_eq!(plans.len(), 1);
    let plan = &plans[0];
    let counts = (
        plan.sources.len(),
        plan.channels.len(),
        plan.groups[0].sinks.len(),
    );
    assert_eq!((counts, capacity(&plans)), ((1, 1, 1), 200));
    assert_eq!(bench.change(600).await, None);
}

/// Flume would wait for ever for a newer file.
#[tokio::test(start_paused = true)]
async fn an_older_file_that_is_put_back_is_a_change() {
    let mut bench = Bench::new(true);
    bench.write(&text("50"));
    bench.touch(1_000);
    let plans = bench.change(32).await.expect("a change");
    assert_eq!(capacity(&plans), 50);
}

/// The text at the first check could run, but is only half of the intended file.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_not_loaded() {
    let mut bench = Bench::new(true);
    let (path, began) = (bench.path.clone(), clock::now());
    bench.write(&text("2"));
    let finish = async {
        sleep(Duration::from_millis(30_500)).await;
        fs::write(path, text("250")).unwrap();
    };
    let (plans, ()) = tokio::join!(bench.change(600), finish);
    assert_eq!(capacity(&plans.expect("a change")), 250);
    assert_eq!((clock::now() - began).as_secs(), 62, "at the second check");
}

#[tokio::test(start_paused = true)]
async fn after_a_broken_or_missing_file_the_watch_goes_on() {
    let mut bench = Bench::new(true);
    bench.write(&text("none at all"));
    assert_eq!(bench.change(600).await, None);
    fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.change(600).await, None);
    bench.write(&text("300"));
    let plans = bench.change(32).await.expect("a change");
    assert_eq!(capacity(&plans), 300);
}

/// `--no-reload-conf` turns off only the periodic check; a HUP still reads the file.
#[tokio::test(start_paused = true)]
async fn without_polling_the_file_is_read_on_request() {
    let mut bench = Bench::new(false);
    bench.write(&text("200"));
    assert_eq!(bench.change(600).await, None);
    let plans = bench.read_again().await.expect("it can run");
    assert_eq!(capacity(&plans), 200);
    bench.write("a1.sources = r1\n");
    assert_eq!(bench.read_again().await, None);
    fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.read_again().await, None);
}

/// A text that a HUP has loaded is not loaded again at the next check.
#[tokio::test(start_paused = true)]
async fn a_change_loaded_by_a_signal_is_not_loaded_again() {
    let mut bench = Bench::new(true);
    bench.write(&text("200"));
    assert!(bench.read_again().await.is_some());
    assert_eq!(bench.change(600).await, None);
}
