//! What one tenant does to another: two agents in one process, each with policies of its own. One of
//! them attacks, with everything that a tenant may do; the other one works on, and rolls its policy
//! back again and again.
//!
//! Each measurement has two halves of the same length, in one process: first both tenants behave,
//! then one of them attacks. So what else the machine does concerns both halves, and the difference
//! is the attack. An attacker comes again: it loads its guest anew, because a guest that is caught
//! loses its place.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::Waits;
use crate::tally::Tally;

use self::scene::Scene;

pub mod attack;
pub mod bomb;
mod scene;
mod talk;

pub use self::attack::{ATTACKS, Attack, BUSY_MACHINE};
pub use self::scene::{folder, landings, tenant};

/// Between two roll-backs of the tenant that works on.
const BETWEEN_ROLLBACKS: Duration = Duration::from_millis(200);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Lines per second, of each tenant.
    pub rate: u64,
    /// The length of each half.
    pub time: Duration,
}

/// What the tenant that works on has seen.
#[derive(Debug)]
pub struct Outcome {
    /// From when a line was due to its answer, while both behave.
    pub undisturbed: Waits,
    /// The same during the attack.
    pub beside: Waits,
    /// The answers to requests to roll back, during the attack.
    pub rollbacks: Waits,
    /// Where its events are.
    pub tally: Tally,
    /// How often the other tenant has attacked, without being refused at once.
    pub strikes: u64,
}

impl Outcome {
    /// How many times longer 99 of 100 answers take at most.
    #[must_use]
    pub fn times(&self) -> f64 {
        let p99 = |waits: &Waits| waits.quantile(9_900).as_secs_f64();
        p99(&self.beside) / p99(&self.undisturbed)
    }
}

/// Measures one attack.
///
/// # Panics
/// When a line of the tenant that works on is not answered `OK`, or a roll-back is refused.
#[must_use]
pub fn measure(attack: &Attack, size: Size) -> Outcome {
    let scene = Scene::start(size.rate);
    let calm = half(&scene, None, 0, size);
    let attacked = half(&scene, Some(attack), calm.waits.len() as u64, size);
    let sent = (calm.waits.len() + attacked.waits.len()) as u64;
    Outcome {
        undisturbed: calm.waits,
        beside: attacked.waits,
        rollbacks: attacked.rollbacks,
        tally: scene.landed(sent),
        strikes: attacked.strikes,
    }
}

/// An attacker's own machine is another one: what its client needs of this processor is not the agent's
/// doing.
fn stand_back() {
    rustix::process::setpriority_process(None, 19).expect("a lower priority");
}

/// What was seen in half of a measurement.
struct Half {
    waits: Waits,
    rollbacks: Waits,
    strikes: u64,
}

/// Lets both tenants work, and one of them attack. Both halves have the same load but for that.
fn half(scene: &Scene, attack: Option<&Attack>, first: u64, size: Size) -> Half {
    let is_over = AtomicBool::new(false);
    let over = || is_over.load(Ordering::Relaxed);
    // The first strike is over before anything is measured.
    let begun = Barrier::new(2);
    let loud = scene.traffic();
    let half = thread::scope(|threads| {
        let strikes = threads.spawn(|| {
            stand_back();
            let weapon = attack.map(|attack| attack.draw(scene));
            let (mut times, mut taken) = (0, 0);
            let mut strike = || {
                if let Some(weapon) = &weapon {
                    taken += u64::from(weapon.strike(scene, times));
                    times += 1;
                    thread::sleep(weapon.pause());
                }
                weapon.is_some()
            };
            strike();
            begun.wait();
            while !over() && strike() {}
            taken
        });
        let rollbacks = threads.spawn(|| {
            let mut waits = Vec::new();
            while !over() {
                scene.load_another();
                let began = Instant::now();
                scene.roll_back();
                waits.push(began.elapsed());
                thread::sleep(BETWEEN_ROLLBACKS);
            }
            Waits::new(waits)
        });
        begun.wait();
        let waits = talk::lines(scene.quiet(), first, size);
        is_over.store(true, Ordering::Relaxed);
        Half {
            waits,
            rollbacks: rollbacks.join().expect("roll-backs"),
            strikes: strikes.join().expect("strikes"),
        }
    });
    drop(loud);
    half
}
