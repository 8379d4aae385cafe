//! What a hostile tenant costs another one: answers, roll-backs, and events.
//!
//! A first line shows what happens to answers when no tenant is hostile, but other processes of the
//! lowest priority keep the processors busy: that much is due to the system's scheduler.

use std::io;
use std::time::Duration;

use flume_tests::figures::{Estimate, Waits, millis};
use flume_tests::tenants::{self, ATTACKS, Attack, BUSY_MACHINE, Outcome, Size};

use super::Bench;
use crate::table::Target;

/// Lines per second of each tenant.
const RATE: u64 = 500;

/// How many times longer 99 of 100 answers may take beside an attack.
const TIMES: Target = Target::Most(2.0);

/// How long a roll-back may take beside an attack.
const ROLL_BACK: Duration = Duration::from_millis(100);

/// Measures it.
pub(super) fn measure(bench: &mut Bench<'_>) -> io::Result<()> {
    let size = Size {
        rate: RATE,
        time: bench.time() * 2,
    };
    bench.table.waits_section(&format!(
        "Tenants: netcat → redact.wasm → memory → two folders behind a policy, {RATE} lines a second, \
         {} s in peace and {0} s beside a hostile tenant with cpu-percent = 10",
        size.time.as_secs_f64()
    ))?;
    one(bench, &BUSY_MACHINE, size, false)?;
    let wanted = bench.attacks.clone();
    let is_wanted =
        |attack: &&Attack| wanted.is_empty() || wanted.iter().any(|name| name == attack.name);
    for attack in ATTACKS.iter().filter(is_wanted) {
        one(bench, attack, size, true)?;
    }
    Ok(())
}

fn one(bench: &mut Bench<'_>, attack: &Attack, size: Size, is_attack: bool) -> io::Result<()> {
    let rounds = 0..bench.scale.variants;
    let rounds: Vec<Outcome> = rounds.map(|_| tenants::measure(attack, size)).collect();
    let table = &mut bench.table;
    let name = attack.name;
    let all = |part: fn(&Outcome) -> &Waits| Waits::all(rounds.iter().map(part));
    table.waits(
        &format!("{name}: an answer in peace"),
        &all(|one| &one.undisturbed),
    )?;
    table.waits(
        &format!("{name}: an answer beside it"),
        &all(|one| &one.beside),
    )?;
    let rollbacks = all(|one| &one.rollbacks);
    table.waits(&format!("{name}: a roll-back beside it"), &rollbacks)?;
    for outcome in &rounds {
        let tally = &outcome.tally;
        if !tally.lost().is_empty() || tally.doubled() > 0 {
            table.wrong(&format!("{name}: {tally}"))?;
        }
    }
    let times: Vec<f64> = rounds.iter().map(Outcome::times).collect();
    let what = format!("{name}: p99 beside it / in peace");
    if !is_attack {
        return table.figure(&what, &Estimate::of(&times), 2);
    }
    table.target(&what, &Estimate::of(&times), 2, TIMES)?;
    let longest = rollbacks.quantile(10_000);
    let what = format!(
        "{name}: a roll-back took {:.1} ms at most, target <= {}",
        millis(longest),
        millis(ROLL_BACK)
    );
    table.fact(&what, !rollbacks.is_empty() && longest <= ROLL_BACK)
}
