//! Files of policies, up to the compiler: counted, stripped, completed to a component. No file panics,
//! and what is made is not much larger than the file.

use flume_policy::Demand;
use flume_policy::testing::{component, stripped};

use crate::files;

/// What the host adds to a module at most: the stub of WASI, and the description of a world.
const ADDED: usize = 256 << 10;

/// Any bytes as a binary file.
pub fn run(data: &[u8]) {
    let Ok(binary) = stripped(data) else {
        return;
    };
    assert!(
        binary.len() <= data.len() + 64,
        "{} of {}",
        binary.len(),
        data.len()
    );
    let again = stripped(&binary).expect("what was stripped is whole");
    assert_eq!(binary, again, "nothing is left to strip");
    if Demand::of(data).is_err() {
        return;
    }
    if let Ok(component) = component(data) {
        let (size, of) = (component.len(), data.len());
        assert!(size <= of * 3 + ADDED, "{size} bytes of {of}");
        assert_eq!(component[..4], *b"\0asm");
    }
}

/// Guests in text form, good and bad, and small shipped ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = files("guests/hostile", &["wat"], None)
        .iter()
        .filter_map(|text| wat::parse_bytes(text).ok().map(|binary| binary.to_vec()))
        .collect();
    seeds.push(wat::parse_str("(component (core module))").expect("a component"));
    let shipped = files("guests/dist", &["wasm"], None).into_iter();
    seeds.extend(shipped.min_by_key(Vec::len));
    seeds
}
