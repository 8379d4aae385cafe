//! Goal: what was answered outlives a loss of power, and a disk that fails before it. Method: our agent
//! in a virtual machine that is killed, on a disk that forgets what was not flushed; client and
//! collector are outside. That the machine forgets what is not safe is shown by the same rounds with a
//! channel, and with a file system, that do not wait for the disk.

use std::collections::BTreeSet;
use std::time::Duration;

use flume_tests::machine::{DATA, HOST, INPUT, Start};
use flume_tests::{
    AgentFile, Feed, Landing, Lines, Machine, Qemu, Scratch, Seed, collector, eventually, ports,
    require, say, tally,
};

/// Far more than any step takes.
const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks.
const LOOKS: Duration = Duration::from_millis(500);

/// Lines of a round, of which most are not sent when it ends.
const LINES: u64 = 200_000;

/// How long lines go in before something happens, at most, and how many are answered by then, at least.
const BEFORE: Duration = Duration::from_millis(500);
const ANSWERED: u64 = 500;

/// Writes and flushes until the power is cut, at most.
const STEPS: u64 = 100;

/// Lines into a channel, and out to a collector on the host.
fn sender(output: u16, keys: &[(&str, &str)]) -> String {
    let file = AgentFile::new("a1")
        .file_channel("c1", DATA.as_ref())
        // So that a round has several segments.
        .set("channels.c1.maxFileSize", 1 << 20)
        .netcat("r1", INPUT)
        .avro_sink("k1", output, 100);
    let file = keys.iter().fold(file, |file, (key, value)| {
        file.set(&format!("channels.c1.{key}"), value)
    });
    let text = file.text().replace("bind = 127.0.0.1", "bind = 0.0.0.0");
    text.replace("hostname = 127.0.0.1", &format!("hostname = {HOST}"))
}

/// A machine, the lines that it was sent, and those that it has answered.
struct Story<'a> {
    machine: Machine<'a>,
    input: u16,
    output: u16,
    seed: Seed,
    sent: u64,
    answered: Vec<u64>,
}

impl<'a> Story<'a> {
    fn new(name: &str, qemu: &'a Qemu, scratch: &Scratch, keys: &[(&str, &str)]) -> Self {
        let (input, output) = (ports::free(), ports::free());
        let text = sender(output, keys);
        Self {
            machine: Machine::new(qemu, scratch, "machine", input, &text),
            input,
            output,
            seed: Seed::of_drill(name),
            sent: 0,
            answered: Vec::new(),
        }
    }

    /// Lines go in, until a moment that is another one in each round.
    fn feed(&mut self) -> Feed {
        let lines = Lines::new("n", LINES).from(self.sent);
        self.sent += LINES;
        let feed = Feed::start(self.input, lines);
        feed.await_acknowledged(ANSWERED, PATIENCE);
        std::thread::sleep(self.seed.up_to(BEFORE));
        feed
    }

    /// Cuts the power while lines go in, at one of the next steps of the disk.
    fn cut(&mut self, feed: Feed) {
        self.machine.stall_disk(1 + self.seed.below(STEPS));
        let cut = self.machine.cut(Some(&mut self.seed));
        let replies = feed.finish(PATIENCE);
        assert_eq!(replies.failed, []);
        let answered = replies.acknowledged.len();
        say::line(&format!("cut after {answered} answered lines: {cut:?}"));
        self.answered.extend(replies.acknowledged);
    }

    /// The lines that land when what is in the channel is delivered: one behind them is the last.
    fn landed(&self, landing: &Landing) -> Vec<u64> {
        let end = format!("end{}", self.sent);
        Feed::send(self.input, Lines::new(&end, 1), PATIENCE).assert_all_acknowledged();
        let end = tally::body(&end, 0).into_bytes();
        eventually("the last line has landed", PATIENCE, || {
            // Each look reads all that has landed.
            std::thread::sleep(LOOKS);
            landing.bodies().contains(&end).then_some(())
        });
        let bodies = landing.bodies().into_iter();
        bodies.filter_map(|body| number(&body)).collect()
    }

    /// How many of the answered lines are not among these.
    fn lost(&self, landed: &[u64]) -> usize {
        let landed: BTreeSet<&u64> = landed.iter().collect();
        let lost = |number: &&u64| !landed.contains(number);
        self.answered.iter().filter(lost).count()
    }

    /// All that was answered has landed, in order; returns the lines that came again.
    fn check(&self, landed: &[u64]) -> Vec<u64> {
        let mut seen = BTreeSet::new();
        let (firsts, again): (Vec<u64>, Vec<u64>) =
            landed.iter().partition(|&&number| seen.insert(number));
        assert!(firsts.is_sorted(), "not in order");
        assert_eq!(self.lost(landed), 0, "lost, of {}", self.answered.len());
        let numbers = [self.answered.len(), firsts.len(), again.len()];
        say::line(&format!("answered, landed, landed again: {numbers:?}"));
        again
    }
}

/// The number of a line of a round.
fn number(body: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(body).expect("a line");
    let text = text.strip_suffix(tally::TAIL).expect("a whole line");
    let number = text.strip_prefix("n ")?;
    Some(number.parse().expect("a number"))
}

#[test]
fn a_loss_of_power_loses_nothing_that_was_answered() {
    let qemu = require!(Qemu::resolve());
    let scratch = Scratch::new();
    let mut story = Story::new("power", &qemu, &scratch, &[]);
    for _ in 0..2 {
        story.machine.start(Start::default());
        let feed = story.feed();
        story.cut(feed);
    }
    let (_collector, landing) = collector(&scratch, "collector", story.output);
    story.machine.start(Start::default());
    let again = story.check(&story.landed(&landing));
    assert_eq!(again, Vec::<u64>::new(), "nothing was on its way");
    // While lines are delivered, too: some of these come again, and none of those before.
    let before = story.sent;
    let feed = story.feed();
    story.cut(feed);
    story.machine.start(Start::default());
    let again = story.check(&story.landed(&landing));
    assert!(again.iter().all(|number| *number >= before), "{again:?}");
}

/// How many answered lines are lost when those that nobody has flushed are.
fn forgotten(qemu: &Qemu, name: &str, keys: &[(&str, &str)], start: Start) -> usize {
    let scratch = Scratch::new();
    let mut story = Story::new(name, qemu, &scratch, keys);
    story.machine.start(start);
    let feed = story.feed();
    story.machine.cut(None);
    story.answered = feed.finish(PATIENCE).acknowledged;
    let (_collector, landing) = collector(&scratch, "collector", story.output);
    story.machine.start(start);
    let lost = story.lost(&story.landed(&landing));
    say::line(&format!("{name}: {lost} of {} lost", story.answered.len()));
    lost
}

/// The machine's memory is forgotten: a channel that does not wait for the disk loses lines.
#[test]
fn what_is_not_synced_is_lost() {
    let qemu = require!(Qemu::resolve());
    let keys = [("sync", "interval"), ("fsyncInterval", "60")];
    assert!(forgotten(&qemu, "sync = interval", &keys, Start::default()) > 0);
}

/// The disk's cache is forgotten: a file system that does not flush it loses lines.
#[test]
fn what_is_not_flushed_is_lost() {
    let qemu = require!(Qemu::resolve());
    let start = Start {
        mount: "nobarrier",
        ..Start::default()
    };
    assert!(forgotten(&qemu, "nobarrier", &[], start) > 0);
}

#[test]
fn a_disk_that_fails_before_a_loss_of_power_loses_nothing_that_was_answered() {
    let qemu = require!(Qemu::resolve());
    let scratch = Scratch::new();
    let mut story = Story::new("a disk that fails", &qemu, &scratch, &[]);
    story.machine.start(Start {
        flakey: true,
        ..Start::default()
    });
    let feed = story.feed();
    story.machine.fail_disk();
    // Lines go on, and are refused.
    std::thread::sleep(BEFORE);
    let replies = feed.stop(PATIENCE);
    assert!(replies.unanswered.is_empty(), "{replies:?}");
    let (number, why) = replies.failed.first().expect("a line that was refused");
    let refused = replies.failed.len();
    say::line(&format!("{refused} refused, the first {number}: {why}"));
    story.answered = replies.acknowledged;
    // Whoever comes now is told so, too.
    let later = Feed::send(story.input, Lines::new("later", 10), PATIENCE);
    assert_eq!(later.failed.len(), 10, "{later:?}");
    let process = story.machine.process();
    assert_eq!(process.said("the agent has ended"), 0);
    // Each refused line tries to make a segment, and is not worth a line in the log.
    let lines = process.said("no segment is made here");
    assert!(lines < 5, "{lines} lines in the log");
    story.machine.cut(Some(&mut story.seed));
    let (_collector, landing) = collector(&scratch, "collector", story.output);
    story.machine.start(Start::default());
    let again = story.check(&story.landed(&landing));
    assert_eq!(again, Vec::<u64>::new(), "nothing was on its way");
}
