//! Groups with a spare, where an agent changes or ends. What is in `spill` was put there by hand.

use flume_core::{Event, PutTransaction};

use super::*;

const SPARED: &str = "\
a1.sources = r1
a1.channels = c1 spill
a1.sinks = k1 k9
a1.sinkgroups = g1
a1.sources.r1.type = seq
a1.sources.r1.totalEvents = 10
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.channels.spill.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k9.type = channel
a1.sinks.k9.channel = c1
a1.sinks.k9.to = spill
a1.sinkgroups.g1.sinks = k1 k9
a1.sinkgroups.g1.processor.type = failover
";

/// The same agent without the spare and its channel.
fn unspared() -> String {
    let text = SPARED.replace(" spill\n", "\n").replace(" k9\n", "\n");
    let lines = text
        .lines()
        .filter(|line| !line.contains(".k9.") && !line.contains(".spill."));
    let text: String = lines.map(|line| format!("{line}\n")).collect();
    text.replace("processor.type = failover", "processor.type = default")
}

/// An agent with ten events in `c1` and three in `spill`, whose sinks were not started.
async fn spilled() -> RunningAgent {
    let agent = filled(SPARED).await;
    let spill = channel(&agent, "spill");
    for body in ["a", "b", "c"] {
        let put = PutTransaction::of(&spill, vec![Event::new(body)]).unwrap();
        put.commit().await.unwrap();
    }
    agent
}

fn delivered(view: &AgentView, sink: &str) -> u64 {
    let sinks = view.groups.iter().flat_map(|group| &group.sinks);
    let mut sinks = sinks.filter(|known| known.name == sink);
    sinks.next().unwrap().counters.event_drain_success.get()
}

/// In memory, it would be lost with the process.
#[tokio::test(start_paused = true)]
async fn a_stop_drains_a_spill_in_memory() {
    let mut agent = spilled().await;
    agent.start_sinks(&services(1));
    let view = agent.view();
    let deadline = clock::now() + Duration::from_secs(30);
    assert_eq!(agent.stop(deadline, &services(9)).await, 0);
    assert_eq!((delivered(&view, "k1"), delivered(&view, "k9")), (13, 0));
    let counts = view.groups[0]
        .runner
        .home()
        .unwrap()
        .counts()
        .came_home
        .get();
    assert_eq!(counts, 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_spill_holds_counts_as_left() {
    let agent = spilled().await;
    assert_eq!(events_left(&[agent.view()]), 13);
}

/// With events, a spare does not go alone.
#[tokio::test(start_paused = true)]
async fn a_spare_in_memory_is_not_taken_away_with_its_events() {
    let mut agent = spilled().await;
    let refused = agent
        .reload(plan(&unspared()), &terms(), &services(2))
        .await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("3 events") && message.contains("`spill`"),
        "{message}"
    );
    assert_eq!(channel(&agent, "spill").depth(), 3);
    let may_lose = ReloadTerms {
        may_lose: true,
        ..terms()
    };
    let lost = agent
        .reload(plan(&unspared()), &may_lose, &services(2))
        .await;
    assert!(lost.is_ok() && agent.channels.len() == 1);
}

/// With its whole group, what it took is delivered on the way out.
#[tokio::test(start_paused = true)]
async fn a_group_that_goes_takes_home_what_its_spare_took() {
    let mut agent = spilled().await;
    let before = agent.view();
    let spill = channel(&agent, "spill");
    let gone = agent
        .reload(AgentPlan::empty("a1"), &terms(), &services(2))
        .await;
    gone.unwrap();
    assert_eq!(agent.departing.len(), 1);
    assert_eq!(events_left(&[agent.view()]), 13);
    agent.departing[0].start();
    sleep(Duration::from_secs(1)).await;
    assert!(agent.settle_departures(&services(2)) && agent.is_gone());
    assert_eq!((delivered(&before, "k1"), spill.depth()), (13, 0));
}

/// The text with a spill on the disk.
fn durable(folder: &std::path::Path) -> String {
    let folder = folder.display();
    let keys = format!(
        "a1.channels.spill.type = file\na1.channels.spill.checkpointDir = {folder}\n\
         a1.channels.spill.dataDirs = {folder}\na1.channels.spill.minimumRequiredSpace = 0\n"
    );
    SPARED.replace("a1.channels.spill.type = memory\n", &keys)
}

/// An agent with ten events in `c1` and three in a `spill` on the disk, on its way out.
async fn going(text: &str) -> RunningAgent {
    let mut agent = filled(text).await;
    agent.open().await.unwrap();
    let spill = channel(&agent, "spill");
    for body in ["a", "b", "c"] {
        let put = PutTransaction::of(&spill, vec![Event::new(body)]).unwrap();
        put.commit().await.unwrap();
    }
    let gone = agent
        .reload(AgentPlan::empty("a1"), &terms(), &services(2))
        .await;
    gone.unwrap();
    assert_eq!(agent.departing.len(), 1);
    agent
}

/// Waits for 20 seconds at most.
async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let looks = async {
        while !is_so().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looks)
        .await
        .unwrap();
}

/// While it is emptied, its folder is in use: it comes back with what is left in it.
#[tokio::test]
async fn a_group_with_a_durable_spare_comes_back_while_it_is_emptied() {
    let folder = tempfile::tempdir().unwrap();
    let text = durable(folder.path());
    let mut agent = going(&text).await;
    let [c1, spill] = [0, 1].map(|at| Arc::clone(&agent.departing[0].channels[at].channel));
    reload(&mut agent, &text).await;
    assert!(agent.departing.is_empty());
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
    assert!(Arc::ptr_eq(&spill, &channel(&agent, "spill")));
    // The source has begun again.
    let view = agent.view();
    eventually(async || delivered(&view, "k1") == 23).await;
    assert_eq!(
        agent
            .stop(clock::now() + Duration::from_secs(20), &services(9))
            .await,
        0
    );
}

/// What is in `c1` would be lost if the group ended, and the folder can be opened once alone.
#[tokio::test]
async fn a_durable_spare_does_not_come_back_alone_before_its_group_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let text = durable(folder.path());
    let mut agent = going(&text).await;
    let alone = text.replace("c1", "c2");
    let refused = agent.reload(plan(&alone), &terms(), &services(2)).await;
    let message = refused.unwrap_err().to_string();
    assert!(
        message.starts_with("channel `spill` is still being emptied together with `c1`"),
        "{message}"
    );
    assert_eq!(agent.departing.len(), 1, "it goes on");
    agent.departing[0].start();
    eventually(async || agent.settle_departures(&services(2))).await;
    // A task closes it.
    eventually(async || {
        agent
            .reload(plan(&alone), &terms(), &services(2))
            .await
            .is_ok()
    })
    .await;
}

/// The other way round nothing is lost: what is in the spare stays on its disk.
#[tokio::test]
async fn a_channel_comes_back_without_the_durable_spare_of_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let text = durable(folder.path());
    let mut agent = going(&text).await;
    let c1 = Arc::clone(&agent.departing[0].channels[0].channel);
    reload(&mut agent, &unspared()).await;
    assert!(Arc::ptr_eq(&c1, &channel(&agent, "c1")));
    assert!(agent.departing.is_empty());
    let folders = [folder.path().to_owned()];
    let disk = flume_log::disk::Folders::own(&folders).unwrap();
    let found = flume_log::verify::inspect(&disk, &mut |_| {}).unwrap();
    assert_eq!(found.waiting, 3);
}

#[tokio::test(start_paused = true)]
async fn a_spill_keeps_its_events_under_a_new_name() {
    let mut agent = spilled().await;
    let spill = channel(&agent, "spill");
    reload(&mut agent, &SPARED.replace("spill", "later")).await;
    assert!(Arc::ptr_eq(&spill, &channel(&agent, "later")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(spill.counters().event_take_success.get(), 3);
}

/// The counts of both ways go on where the group is made anew.
#[tokio::test(start_paused = true)]
async fn a_changed_group_goes_on_counting() {
    let mut agent = spilled().await;
    agent.start_sinks(&services(1));
    sleep(Duration::from_secs(1)).await;
    let came_home = |agent: &RunningAgent| {
        let runner = &agent.groups[0].view.runner;
        runner.home().unwrap().counts().came_home.get()
    };
    assert_eq!(came_home(&agent), 3);
    reload(
        &mut agent,
        &format!("{SPARED}a1.sinks.k9.drain.share = 0.5\n"),
    )
    .await;
    assert_eq!(came_home(&agent), 3);
    let share = agent.groups[0].view.runner.home().unwrap().share();
    assert!((share.fraction() - 0.5).abs() < 1e-9);
}
