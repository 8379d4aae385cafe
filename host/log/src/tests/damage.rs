//! Bytes that changed on the disk: what is whole is delivered, what is not is told.

use super::*;

/// A log of puts of three records each, and the sequences of all.
fn filled(disk: &SimDisk, puts: u64) -> u64 {
    let mut life = Life::begin(disk, SMALL).unwrap();
    for put in 0..puts {
        let put = super::put(put * 3..put * 3 + 3, 1_000);
        life.writer.commit(&[put.draft()]).unwrap();
    }
    puts * 3
}

/// What is there and what is told to be lost are all records, each once.
fn assert_told(life: &mut Life, count: u64, torn: u64, what: &str) {
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
        let mut life = Life::begin(&disk, SMALL).unwrap();
        let torn = life.recovered.torn;
        assert_told(&mut life, count, torn, &what);
        // The next life knows what was told.
        life.writer.commit(&[]).unwrap();
    }
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
