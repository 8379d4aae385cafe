//! The life of a scripted source. Time is paused.

use std::collections::VecDeque;

use async_trait::async_trait;
use flume_components::said::Said;
use flume_core::channel_selector::replicating;
use flume_core::counters::SourceCounter;
use flume_core::{ChannelProcessor, Context, InterceptorChain};
use tokio::time::sleep;

use super::*;

/// What a source does in one life.
#[derive(Debug, Clone, Copy)]
enum Life {
    CannotBind,
    PanicsAtBind,
    Fails,
    Panics,
    Ends,
    Listens,
}

struct Double(Life);

#[async_trait]
impl Source for Double {
    async fn start(&mut self) -> Result<Option<SocketAddr>, ComponentError> {
        match self.0 {
            Life::CannotBind => Err(ComponentError::new("port in use")),
            Life::PanicsAtBind => panic!("told to panic at bind"),
            _ => Ok(None),
        }
    }

    async fn run(&mut self, context: SourceContext) -> Result<(), ComponentError> {
        match self.0 {
            Life::Fails => Err(ComponentError::new("told to fail")),
            Life::Panics => panic!("told to panic"),
            Life::Ends => Ok(()),
            _ => {
                context.stop.cancelled().await;
                Ok(())
            }
        }
    }
}

/// A runner over these lives, one after the other; the last one repeats.
fn runner(lives: &[Life]) -> (SourceRunner, CancellationToken) {
    let lives = Mutex::new(VecDeque::from(lives.to_vec()));
    let factory: SourceFactory = Box::new(move || {
        let mut lives = lives.lock();
        let next = if lives.len() > 1 {
            lives.pop_front()
        } else {
            lives.front().copied()
        };
        Box::new(Double(next.unwrap()))
    });
    let stop = CancellationToken::new();
    let selector = replicating::configure(&mut Context::default(), &[])
        .unwrap()
        .make();
    let context = SourceContext {
        channels: Arc::new(ChannelProcessor::new(
            InterceptorChain::default(),
            selector,
            vec![],
        )),
        counters: Arc::<SourceCounter>::default(),
        stop: stop.clone(),
    };
    (SourceRunner::new("r1", factory, context), stop)
}

/// Flume: TestLifecycleSupervisor (G9): a start that fails is tried again every 3 s.
#[tokio::test(start_paused = true)]
async fn a_bind_that_fails_is_tried_again_every_three_seconds() {
    let (runner, stop) = runner(&[Life::CannotBind, Life::CannotBind, Life::Listens]);
    let status = runner.status();
    let task = tokio::spawn(runner.run());
    sleep(Duration::from_millis(5900)).await;
    assert_eq!(
        status.state(),
        SourceState::Failed("port in use".to_owned())
    );
    sleep(Duration::from_millis(200)).await;
    assert_eq!(status.state(), SourceState::Running(None));
    stop.cancel();
    task.await.unwrap();
    assert_eq!(status.state(), SourceState::Stopped);
}

/// Flume: TestLifecycleSupervisor (G9): a component that always throws does not end its runner.
#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_started_again_with_growing_pauses() {
    let (runner, stop) = runner(&[Life::PanicsAtBind, Life::Panics, Life::Fails, Life::Listens]);
    let status = runner.status();
    let task = tokio::spawn(runner.run());
    sleep(Duration::from_millis(3100)).await;
    // Bound after 3 s, panicked at once; 1 s later failed at once; 2 s later all is well.
    assert_eq!(
        status.state(),
        SourceState::Failed("panicked: told to panic".to_owned())
    );
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        status.state(),
        SourceState::Failed("told to fail".to_owned())
    );
    sleep(Duration::from_secs(2)).await;
    assert_eq!(status.state(), SourceState::Running(None));
    assert_eq!(status.restarts(), 2);
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_with_nothing_more_to_read_is_completed() {
    let (runner, _stop) = runner(&[Life::Ends]);
    let status = runner.status();
    runner.run().await;
    assert_eq!(status.state(), SourceState::Completed);
}

/// Flume: TestLifecycleSupervisor (G9): stopped while it waits for its next try.
#[tokio::test(start_paused = true)]
async fn a_source_that_waits_can_be_stopped() {
    let (runner, stop) = runner(&[Life::CannotBind]);
    let status = runner.status();
    let task = tokio::spawn(runner.run());
    sleep(Duration::from_secs(1)).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(status.state(), SourceState::Stopped);
}

/// A port that stays in use for an hour: at once, once a minute with the number of tries, and at the
/// end. The first try is made before the runner works, and the next one only after the pause.
#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_said_once_a_minute_and_so_is_its_end() {
    let said = Said::listen();
    let mut lives = vec![Life::CannotBind; 1_200];
    lives.push(Life::Listens);
    let (mut runner, stop) = runner(&lives);
    assert!(!runner.bind().await);
    let task = tokio::spawn(runner.run());
    sleep(Duration::from_millis(2_900)).await;
    let lines = || said.lines("source did not start");
    assert_eq!(lines().len(), 1, "the pause holds for the first try, too");
    assert!(lines()[0].starts_with("ERROR") && lines()[0].ends_with("tries=1"));
    sleep(Duration::from_secs(3_595)).await;
    assert_eq!(lines().len(), 60, "an hour");
    for again in &lines()[1..] {
        assert!(
            again.contains("port in use") && again.ends_with("tries=20"),
            "{again}"
        );
    }
    sleep(Duration::from_secs(3)).await;
    let end = said.lines("source has started");
    assert_eq!(end.len(), 1);
    assert!(
        end[0].contains("source has started, after 3600 s and 1201 tries"),
        "{end:?}"
    );
    stop.cancel();
    task.await.unwrap();
}
