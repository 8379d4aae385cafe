//! When a file counts as changed. Time is paused: half a minute between two looks costs nothing.

use std::fs::{self, File};
use std::time::UNIX_EPOCH;

use flume_core::clock;
use tokio::time::timeout;

use super::*;
use crate::services::Resolver;

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
        let services = Services::system(Resolver::default());
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

    /// The change that comes within so many seconds.
    async fn change(&mut self, seconds: u64) -> Option<Vec<AgentPlan>> {
        let change = self.watch.changed(&self.services);
        timeout(Duration::from_secs(seconds), change).await.ok()
    }
}

fn capacity(plans: &[AgentPlan]) -> usize {
    plans[0].channels[0].config.capacity
}

/// Flume: TestPollingPropertiesFileConfigurationProvider.testPolling (G5). Flume goes by the time
/// of the file, here the text decides: a touched file is no change, a changed one is exactly one.
#[tokio::test(start_paused = true)]
async fn a_change_is_taken_in_once_and_a_touch_is_none() {
    let mut bench = Bench::new(true);
    bench.touch(4_000_000_000);
    assert_eq!(bench.change(600).await, None);

    bench.write(&text("200"));
    let plans = bench.change(32).await.expect("a change within one look");
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

/// Flume waits for a younger file for ever.
#[tokio::test(start_paused = true)]
async fn an_older_file_that_is_put_back_is_a_change() {
    let mut bench = Bench::new(true);
    bench.write(&text("50"));
    bench.touch(1_000);
    let plans = bench.change(32).await.expect("a change");
    assert_eq!(capacity(&plans), 50);
}

/// The text at the first look is a file that could run, and not the one that was meant.
#[tokio::test(start_paused = true)]
async fn a_file_that_is_being_written_is_left_alone() {
    let mut bench = Bench::new(true);
    let (path, began) = (bench.path.clone(), clock::now());
    bench.write(&text("2"));
    let finish = async {
        sleep(Duration::from_millis(30_500)).await;
        fs::write(path, text("250")).unwrap();
    };
    let (plans, ()) = tokio::join!(bench.change(600), finish);
    assert_eq!(capacity(&plans.expect("a change")), 250);
    assert_eq!((clock::now() - began).as_secs(), 62, "at the second look");
}

#[tokio::test(start_paused = true)]
async fn a_broken_or_missing_file_is_waited_on() {
    let mut bench = Bench::new(true);
    bench.write(&text("none at all"));
    assert_eq!(bench.change(600).await, None);
    fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.change(600).await, None);
    bench.write(&text("300"));
    let plans = bench.change(32).await.expect("a change");
    assert_eq!(capacity(&plans), 300);
}

/// `--no-reload-conf` is about looking; who sends a HUP wants the file to be read.
#[tokio::test(start_paused = true)]
async fn without_looks_the_file_is_read_when_told_to() {
    let mut bench = Bench::new(false);
    bench.write(&text("200"));
    assert_eq!(bench.change(600).await, None);
    let plans = bench
        .watch
        .read_again(&bench.services)
        .await
        .expect("it can run");
    assert_eq!(capacity(&plans), 200);
    bench.write("a1.sources = r1\n");
    assert_eq!(bench.watch.read_again(&bench.services).await, None);
    fs::remove_file(&bench.path).unwrap();
    assert_eq!(bench.watch.read_again(&bench.services).await, None);
}

/// What a HUP has read is not read once more at the next look.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_asked_for_is_not_found_again() {
    let mut bench = Bench::new(true);
    bench.write(&text("200"));
    assert!(bench.watch.read_again(&bench.services).await.is_some());
    assert_eq!(bench.change(600).await, None);
}
