//! Goal: no bytes of a stranger make a reader panic, whoever sends them. Method: the functions of
//! `tests/fuzz` over their seeds, over what fuzzers once found, and over mutations of both; a failure
//! leaves its bytes in a file. In the tier `full` each runs under cargo-fuzz for a minute.

use std::fs;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use flume_fuzz::{TARGETS, Target};
use flume_tests::mutate::mutated;
use flume_tests::seed::Seed;
use flume_tests::target;

mod full;

/// Mutations of each target.
const MUTATIONS: usize = 3_000;

/// Readers that take milliseconds, since they open ciphers, read fewer.
const SLOW: Duration = Duration::from_secs(20);

fn named(name: &str) -> &'static Target {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("{name} is no target"))
}

/// Reads bytes; if that panics, they are kept.
fn read(target: &Target, bytes: &[u8]) {
    let run = target.run;
    if catch_unwind(|| run(bytes)).is_err() {
        let path = target::root().join(format!("fuzz-{}.bin", target.name));
        fs::write(&path, bytes).expect("target/ is writable");
        let kept = path.display();
        panic!(
            "{}: its bytes are in {kept}; mended, they belong to tests/fuzz/corpus",
            target.name
        );
    }
}

fn fuzzed(name: &str) {
    let target = named(name);
    let seeds = target.seeds();
    for seed in &seeds {
        read(target, seed);
    }
    let mut random = Seed::of_drill(&format!("fuzz {name}"));
    let began = Instant::now();
    for _ in 0..MUTATIONS {
        read(target, &mutated(&seeds, &mut random));
        if began.elapsed() > SLOW {
            break;
        }
    }
}

macro_rules! fuzzed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            fuzzed(stringify!($name));
        })*

        #[test]
        fn each_target_is_read() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            let folder = target::workspace().join("tests/fuzz/targets/src");
            for name in names {
                let text = fs::read_to_string(folder.join(name).with_extension("rs"));
                let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(text.contains(&format!("flume_fuzz::{name}::run(")), "{name}");
            }
        }
    };
}

fuzzed! { adopt answer avro keystore module properties trace }
