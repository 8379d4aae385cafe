//! Bytes that changed on the disk: what is whole is delivered, what is not is told.

use super::*;

/// A log of puts of three records each, and the sequences of all.
fn filled(disk: &SimDisk, puts: u64) -> u64 {
    let mut life = Life::begin(disk, SMALL).unwrap();
    for put in 0..puts {
        let put = super::put(put * 3..put * 3 + 3, 1_000);
        life.writer.commit(&mut [put.draft()]).unwrap();
    }
    puts * 3
}

/// What is there and what is told to be lost are all records, each once.
fn assert_told(life: &mut Life, count: u64, torn: u64, what: &str) -> Vec<Damage> {
    let (records, damage) = life.rest();
    let mut seen: Vec<u64> = records.iter().map(|(at, _)| *at).collect();
    for (at, number) in &records {
        assert_eq!(at, number, "{what}");
    }
    for damage in &damage {
        seen.extend(damage.first..damage.first + damage.lost);
    }
    seen.sort_unstable();
    let missing: Vec<u64> = (0..count)
        .filter(|at| seen.binary_search(at).is_err())
        .collect();
    // Only the last put can look as if it had never been finished, and that is told as well.
    let is_end = missing.iter().all(|at| *at >= count - 3);
    assert!(
        is_end && (missing.is_empty() || torn > 0),
        "{what}: {missing:?}"
    );
    seen.dedup();
    assert_eq!(
        seen.len() + missing.len(),
        usize::try_from(count).unwrap(),
        "{what}: twice"
    );
    damage
}

#[test]
fn a_byte_that_changed_costs_one_put_and_is_told() {
    for seed in 0..300 {
        let disk = SimDisk::new(seed);
        let count = filled(&disk, 40);
        let mut random = Rng::with_seed(seed);
        let names = crate::disk::Disk::list(&disk).unwrap();
        let name = random.choice(names).unwrap();
        let at = random.usize(0..96 << 10);
        disk.flip(&name, at);
        let what = format!("seed {seed}: byte {at} of {name}");
        let inspection = super::verify::seen(std::slice::from_ref(&disk), &what);
        let mut life = Life::begin(&disk, SMALL).unwrap();
        let torn = life.recovered.torn;
        let damage = assert_told(&mut life, count, torn, &what);
        super::verify::assert_same(&inspection, life.recovered, &damage, &what);
        // The next life knows what was told.
        life.writer.commit(&mut []).unwrap();
    }
}

/// A log with a damaged put, and the bytes of its segment.
fn damaged() -> (SimDisk, Vec<u8>) {
    let disk = SimDisk::new(1);
    filled(&disk, 10);
    let name = "00000000000000000001.log";
    let file = disk.open(name).unwrap();
    disk.flip(name, 8_000);
    let mut bytes = vec![0; 96 << 10];
    file.read(0, &mut bytes).unwrap();
    (disk, bytes)
}

fn told(read: Read) -> Damage {
    match read {
        Read::Damaged(damage) => damage,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_damaged_is_copied_before_it_is_settled() {
    let (disk, bytes) = damaged();
    for life in 0..2 {
        // The first life ends before it is safe that the damage was told.
        let mut life_now = Life::begin(&disk, SMALL).unwrap();
        let (_, damage) = life_now.rest();
        let [damage] = damage.try_into().unwrap();
        assert_eq!((damage.first, damage.lost), (6, 3), "life {life}");
        assert!(damage.bytes.contains(&8_000), "{damage}");
        let kept = damage.kept.clone().unwrap();
        let (from, to) = (damage.bytes.start, damage.bytes.end);
        assert_eq!(kept, format!("00000000000000000001-{from}.damaged"));
        let mut copy = vec![0; usize::try_from(to - from).unwrap()];
        let file = disk.open(&kept).unwrap();
        assert_eq!(file.length().unwrap(), to - from);
        file.read(0, &mut copy).unwrap();
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        assert_eq!(copy, bytes[range]);
        let counts = life_now.shared.lock().aside.counts();
        assert_eq!((counts.files, counts.bytes), (1, to - from));
        disk.crash();
    }
}

#[test]
fn damage_that_is_refused_is_told_again_and_settles_nothing() {
    let (disk, _) = damaged();
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let mut reader = Reader::new(Arc::clone(&life.shared)).on_damage(OnDamage::Refuse);
    for _ in 0..2 {
        assert!(matches!(reader.read().unwrap(), Read::Records(_)));
    }
    let damage = told(reader.read().unwrap());
    assert_eq!(told(reader.read().unwrap()), damage);
    assert!(damage.kept.is_some(), "{damage}");
    assert_eq!(life.shared.lock().settled.open(0, 30), 30);
    life.writer.commit(&mut []).unwrap();
    drop(life);
    disk.crash();
    let life = Life::begin(&disk, SMALL).unwrap();
    let mut reader = Reader::new(Arc::clone(&life.shared)).on_damage(OnDamage::Refuse);
    for _ in 0..2 {
        assert!(matches!(reader.read().unwrap(), Read::Records(_)));
    }
    assert_eq!(told(reader.read().unwrap()), damage);
    reader.pass_damage();
    assert_eq!(told(reader.read().unwrap()), damage);
    let mut left = 0;
    while let Read::Records(records) = reader.read().unwrap() {
        left += records.places.len();
    }
    assert_eq!((left, life.shared.lock().settled.open(0, 30)), (21, 27));
}

#[test]
fn more_damage_than_anybody_looks_at_is_counted() {
    let disk = SimDisk::new(1);
    let count = filled(&disk, 400);
    for name in disk.list().unwrap() {
        (2_000..96 << 10)
            .step_by(6_000)
            .for_each(|at| disk.flip(&name, at));
    }
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let (records, damage) = life.rest();
    let lost: u64 = damage.iter().map(|damage| damage.lost).sum();
    assert_eq!(records.len() as u64 + lost + life.recovered.torn, count);
    let kept = damage.iter().filter(|damage| damage.kept.is_some()).count();
    let counts = life.shared.lock().aside.counts();
    assert_eq!((kept, counts.files), (64, 64));
    assert_eq!(counts.not_kept, damage.len() - 64);
    assert!(counts.not_kept > 0);
}

#[test]
fn a_segment_that_is_missing_is_told() {
    let disk = SimDisk::new(7);
    let count = filled(&disk, 100);
    let mut names = crate::disk::Disk::list(&disk).unwrap();
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    crate::disk::Disk::remove(&disk, &names[1]).unwrap();
    let mut life = Life::begin(&disk, SMALL).unwrap();
    let (records, damage) = life.rest();
    let lost: u64 = damage.iter().map(|damage| damage.lost).sum();
    assert_eq!(records.len() as u64 + lost, count, "{damage:?}");
    assert!(lost > 0);
}

#[test]
fn damage_that_goes_on_behind_what_is_told_apart_is_one_range() {
    let disk = SimDisk::new(1);
    filled(&disk, 6);
    // Two puts in a row, and the settle frame between them stays whole.
    let name = "00000000000000000001.log";
    [5_000, 8_000].iter().for_each(|at| disk.flip(name, *at));
    let inspection = super::verify::seen(std::slice::from_ref(&disk), "much damage");
    let (_, damage) = Life::begin(&disk, SMALL).unwrap().rest();
    let [damage] = damage.try_into().unwrap();
    assert_eq!((damage.first, damage.lost), (3, 6));
    assert!(damage.bytes.contains(&5_000) && damage.bytes.contains(&8_000));
    assert_eq!(inspection.segments[0].damaged[0].bytes, damage.bytes);
}

#[test]
fn a_put_that_was_given_up_stands_for_no_other() {
    // The head of the segment behind it, the frame that was written with that, and the first put.
    for damaged in [&[20, 1_000][..], &[20, 70, 1_000]] {
        let disk = SimDisk::new(1);
        let mut life = Life::begin(&disk, SMALL).unwrap();
        let commit = |life: &mut Life, numbers| {
            let put = super::put(numbers, 1_000);
            life.writer.commit(&mut [put.draft()]).map(drop)
        };
        commit(&mut life, 0..3).unwrap();
        // It is written, cannot be synced, and there is no room for another segment.
        disk.fault_at(disk.steps() + 1, Fault::Error);
        disk.leave_room(0);
        commit(&mut life, 10..13).unwrap_err();
        disk.make_room();
        // These have its sequences.
        commit(&mut life, 3..5).unwrap();
        commit(&mut life, 5..7).unwrap();
        disk.kill();
        let last = disk.list().unwrap().into_iter().max().unwrap();
        damaged.iter().for_each(|at| disk.flip(&last, *at));
        let what = format!("{damaged:?}");
        let inspection = super::verify::seen(std::slice::from_ref(&disk), &what);
        let mut life = Life::begin(&disk, SMALL).unwrap();
        let (records, damage) = life.rest();
        super::verify::assert_same(&inspection, life.recovered, &damage, &what);
        let there: Vec<u64> = records.iter().map(|(_, number)| *number).collect();
        assert_eq!(there, [0, 1, 2, 5, 6], "{what}");
        let [damage] = damage.try_into().unwrap();
        assert_eq!((damage.first, damage.lost), (3, 2), "{what}: {damage}");
    }
}
