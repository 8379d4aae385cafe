//! A disk that is full: puts are refused, takes go on, and what was answered is delivered.

use flume_tests::{SmallDisk, require, small_disk};

use super::*;

#[test]
fn a_full_disk_stops_puts_and_nothing_else() {
    let scratch = Scratch::new();
    let (input, output) = (ports::free(), ports::free());
    let folder = scratch.folder("disk");
    let disk = require!(SmallDisk::over(folder.clone(), 24));
    let text = sender(input, output, &folder)
        .set("channels.c1.maxFileSize", 4 << 20)
        .text();
    let file = scratch.file("sender.properties", &text);
    let mut agent = Host::run_by(&mut disk.program("true"), &scratch, "sender", &file, &[]);
    let seen = disk.of(agent.process());
    Feed::send(input, Lines::new("n", 2_000), PATIENCE).assert_all_acknowledged();
    let filler = small_disk::fill(&seen);
    let full = Feed::send(
        input,
        Lines::new("n", 60_000).from(2_000).rate(20_000),
        PATIENCE,
    );
    assert!(!full.failed.is_empty(), "the disk is full");
    let (status, page) = agent.page("/readyz?verbose").unwrap();
    assert_eq!(status, 503, "{page}");
    assert!(page.contains("Usable space exhausted"), "{page}");
    let (_collector, landed) = collector(&scratch, "collector", output);
    let answered: Vec<u64> = (0..2_000).chain(full.acknowledged).collect();
    let delivered = || {
        let tally = landing::count(&[&landed], "n", 62_000);
        answered
            .iter()
            .all(|number| tally.has(*number))
            .then_some(())
    };
    eventually("takes go on", PATIENCE, delivered);
    std::fs::remove_file(filler).unwrap();
    let puts = || {
        let again = Feed::send(input, Lines::new("m", 10), PATIENCE);
        again.failed.is_empty().then_some(())
    };
    eventually("puts go on", PATIENCE, puts);
}
