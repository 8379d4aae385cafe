//! Goal: whatever one tenant does, another one loses no event, has all of its lines answered, and can
//! roll its policy back. Method: `flume_tests::tenants`, each attack on its own. How long answers
//! take beside an attack is measured by `flume-bench tenants`, and not here.

use std::thread;
use std::time::Duration;

use flume_tests::tenants::{ATTACKS, Attack, Size, measure};

/// How many attacks are under way at once: each mostly waits.
const AT_ONCE: usize = 3;

fn all(size: Size, wanted: impl Fn(&Attack) -> bool) {
    let wanted: Vec<&Attack> = ATTACKS.iter().filter(|attack| wanted(attack)).collect();
    thread::scope(|threads| {
        for some in wanted.chunks(wanted.len().div_ceil(AT_ONCE)) {
            threads.spawn(move || some.iter().for_each(|attack| one(attack, size)));
        }
    });
}

fn one(attack: &Attack, size: Size) {
    let outcome = measure(attack, size);
    outcome.tally.assert_exact(attack.name);
    // A compiler's time runs out: such a file is always refused.
    assert!(outcome.strikes > 0 || !attack.is_cheap(), "{}", attack.name);
    assert!(!outcome.rollbacks.is_empty(), "{}", attack.name);
    assert!(outcome.times().is_finite(), "{}: {outcome:?}", attack.name);
}

#[test]
fn no_attack_costs_another_tenant_an_event() {
    let size = Size {
        rate: 200,
        time: Duration::from_millis(500),
    };
    all(size, Attack::is_cheap);
}

mod full {
    use super::*;

    #[test]
    fn no_attack_on_the_compiler_costs_another_tenant_an_event() {
        let size = Size {
            rate: 200,
            time: Duration::from_secs(5),
        };
        all(size, |attack| !attack.is_cheap());
    }
}
