//! Three lives of a log, with a fault at one of their steps.

use std::time::Duration;

use super::model::Model;
use super::*;

/// A log in which syncs come later; when, the model says.
pub(super) const LATE: Options = Options {
    sync: Sync::Interval(Duration::ZERO),
    ..SMALL
};

/// What a scenario is made of. All of it but the fault follows from the seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    seed: u64,
    options: Options,
    disks: usize,
    /// Bytes change between the lives.
    rots: bool,
    fault: Option<(u64, Fault)>,
}

impl Case {
    pub(super) fn new(seed: u64, fault: Option<(u64, Fault)>) -> Self {
        Self {
            seed,
            options: if seed.is_multiple_of(2) { SMALL } else { LATE },
            disks: 1 + usize::from(seed % 3 == 2),
            rots: seed % 5 == 4,
            fault,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault.is_some_and(|(_, it)| it == fault)
    }

    /// Lives through it with the fault at its step; returns how many steps there were.
    pub(super) fn run(self) -> u64 {
        let what = format!("{self:?}");
        let disk = SimDisk::new(self.seed);
        let mut disks = vec![disk.clone()];
        disks.extend((1..self.disks).map(|at| disk.beside(self.seed + at as u64)));
        if let Some((step, fault)) = self.fault {
            disk.fault_at(step, fault);
        }
        let (mut random, mut model) = (Rng::with_seed(self.seed), Model::new(self.rots));
        let mut seen = None;
        for _ in 0..3 {
            if let Ok(mut life) = self.begin(&disks) {
                life.inspection = seen.take();
                model.compare(&mut life, &what);
                life.reader = Reader::new(Arc::clone(&life.shared));
                model.live(&mut life, &mut random);
            }
            seen = self.end(&disks, &mut random, &what);
        }
        let life = self.begin(&disks);
        let mut life = life.unwrap_or_else(|error| panic!("{what}: {error}"));
        life.inspection = seen;
        model.compare(&mut life, &what);
        disk.steps()
    }

    fn begin(&self, disks: &[SimDisk]) -> Result<Life, LogError> {
        match disks {
            [disk] => Life::begin(disk, self.options),
            _ => Life::on(striped(disks)?, self.options),
        }
    }

    /// The process ends, and usually the machine with it. Returns what the second reader sees then.
    fn end(&self, disks: &[SimDisk], random: &mut Rng, what: &str) -> Option<Inspection> {
        // After a late sync that failed, what is read may be in memory only, for more than one life.
        let has_failed = self.has(Fault::Error) || self.has(Fault::Dies);
        let is_late = self.options.sync != Sync::Always;
        let is_kill = random.u32(0..3) == 0 && !(has_failed && is_late);
        disks.iter().for_each(|disk| match is_kill {
            true => disk.kill(),
            false => disk.crash(),
        });
        if self.rots {
            let disk = random.choice(disks).unwrap();
            if let Some(name) = random.choice(disk.list().unwrap()) {
                disk.flip(&name, random.usize(0..40_000));
            }
        }
        // What a killed process has left in memory, the next one may not see.
        (!is_kill).then(|| super::verify::seen(disks, what))
    }
}

/// Disks as one.
pub(super) fn striped(disks: &[SimDisk]) -> Result<Arc<dyn Disk>, LogError> {
    let disks = disks
        .iter()
        .map(|disk| Arc::new(disk.clone()) as Arc<dyn Disk>);
    let folders = Folders::of(disks.collect()).map_err(LogError::disk("read the folders"))?;
    Ok(Arc::new(folders))
}
