//! A reader goes on at a put that was committed, whatever became of its segment.

use super::*;

fn first(read: Read) -> u64 {
    match read {
        Read::Records(records) => records.places[0].0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_reader_goes_on_at_any_put() {
    let disk = SimDisk::new(1);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let mut committed = Vec::new();
    for at in 0..80 {
        let puts = [
            put(at * 4..at * 4 + 1, 3_000),
            put(at * 4 + 1..at * 4 + 4, 20),
        ];
        let mut puts = puts.map(|put| put.draft());
        committed.extend(life.writer.commit(&mut puts).unwrap());
    }
    assert!(life.shared.lock().segments.len() > 2);
    Rng::with_seed(1).shuffle(&mut committed);
    for committed in committed {
        life.reader.seek(committed.place);
        assert_eq!(life.reader.next(), committed.first);
        assert_eq!(first(life.reader.read().unwrap()), committed.first);
    }
}

#[test]
fn a_reader_that_seeks_a_segment_that_was_freed_goes_on_behind_it() {
    let disk = SimDisk::new(1);
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let mut committed = Vec::new();
    for at in 0..60 {
        let put = put(at..at + 1, 4_000);
        committed.extend(life.writer.commit(&mut [put.draft()]).unwrap());
    }
    let oldest = life.shared.lock().segments[0].generation;
    life.settle(0, 50);
    life.writer.commit(&mut []).unwrap();
    assert!(life.shared.lock().segments[0].generation > oldest);
    assert_eq!(committed[3].place.generation, oldest);
    life.reader.seek(committed[3].place);
    let (records, damage) = life.rest();
    assert_eq!(damage, []);
    assert_eq!(records[0], (50, 50));
    assert_eq!(records.len(), 10);
    assert_eq!(life.reader.next(), life.shared.lock().next);
}
