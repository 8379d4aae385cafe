//! The policies in `guests/dist/` are those of the sources beside them.
//!
//! Their bytes may differ, since another compiler makes other code of the same source. Their
//! behaviour must not: each file and its rebuilt twin get the same random calls, and must give the
//! same answers, with every configuration that the guest's folder shows (`example*.properties`).
//!
//! `UPDATE_DIST=1 cargo test -p flume-policy --test policies dist` rebuilds the files.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use flume_policy::Inspection;

use crate::life::{self, Example};
use crate::support::loaded;

macro_rules! shipped {
    ($($name:ident)*) => {
        /// The folders of all shipped guests.
        const SHIPPED: &[&str] = &[$(stringify!($name),)*];

        mod is_what_its_source_says {
            $(#[test]
            fn $name() {
                super::compare(&stringify!($name).replace('_', "-"));
            })*
        }
    };
}

flume_artifacts::foreach_shipped!(shipped);

fn dist() -> PathBuf {
    flume_artifacts::folder().join("dist")
}

/// `selector-weighted` is shipped as `weighted.wasm`.
fn file_of(guest: &str) -> String {
    let (_, short) = guest.split_once('-').expect("a kind and a name");
    format!("{short}.wasm")
}

fn compare(guest: &str) {
    let path = dist().join(file_of(guest));
    let rebuilt = flume_artifacts::bytes(guest).expect("the guests are built");
    if env::var_os("UPDATE_DIST").is_some() {
        fs::write(&path, &rebuilt).expect("the folder can be written to");
    }
    let how = "`UPDATE_DIST=1 cargo test -p flume-policy --test policies dist` makes it";
    let shipped = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; {how}", path.display()));
    check_bytes(guest, &shipped);
    let (shipped, rebuilt) = (loaded(guest, &shipped), loaded(guest, &rebuilt));
    assert_eq!(
        (shipped.world(), shipped.version(), shipped.has_state()),
        (rebuilt.world(), rebuilt.version(), rebuilt.has_state()),
        "{guest}: {how}"
    );
    for example in Example::of_guest(guest) {
        for seed in 1..=3 {
            let expected = life::live(&rebuilt, &example, seed);
            let found = life::live(&shipped, &example, seed);
            let last = expected.last().map(String::as_str);
            assert_eq!(last, Some(life::BLAMELESS), "{guest}, {}", example.name);
            let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
            if let Some(at) = differs {
                panic!(
                    "{guest}, {}, seed {seed}, call {at}: its source says\n{}\nand the file in \
                     guests/dist says\n{}\nIf the source is right: {how}",
                    example.name, expected[at], found[at]
                );
            }
            assert_eq!(expected.len(), found.len());
        }
    }
}

/// A file that is given away names no folder of the machine that built it, and was built for the
/// contract of this tree.
fn check_bytes(guest: &str, bytes: &[u8]) {
    let inspection = Inspection::of(bytes).expect("a module");
    let version = format!("@{}", flume_policy::CONTRACT_VERSION);
    let ours = |name: &&String| name.starts_with("flume:policy/");
    let names: Vec<&String> = inspection.exports.iter().filter(ours).collect();
    assert!(
        !names.is_empty() && names.iter().all(|name| name.contains(&version)),
        "{names:?}"
    );
    for folder in ["/.cargo/", "/home/", "/root/", "/Users/", "/target/"] {
        let found = bytes
            .windows(folder.len())
            .any(|window| window == folder.as_bytes());
        assert!(!found, "{guest} names a folder of its builder: …{folder}…");
    }
    assert!(bytes.len() < 256 << 10, "{guest} has {} bytes", bytes.len());
}

#[test]
fn every_guest_is_in_the_folder_and_nothing_else() {
    let names: Vec<String> = SHIPPED
        .iter()
        .map(|name| file_of(&name.replace('_', "-")))
        .collect();
    let expected: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(
        names.len(),
        expected.len(),
        "two guests are shipped under one name: {names:?}"
    );
    let entry = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let there: BTreeSet<String> = fs::read_dir(dist())
        .expect("guests/dist")
        .map(|found| entry(found).to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    for name in &there {
        assert!(
            expected.contains(&**name),
            "guests/dist/{name} has no guest: remove it"
        );
    }
    // What is being made now is only missing until then.
    if env::var_os("UPDATE_DIST").is_none() {
        for name in expected {
            assert!(
                there.contains(name),
                "guests/dist/{name} is missing: UPDATE_DIST=1 makes it"
            );
        }
    }
}

/// Each file has its description.
#[test]
fn every_guest_has_a_manual() {
    let text = |path: PathBuf| {
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let list = text(dist().join("README.md"));
    for guest in SHIPPED.iter().map(|name| name.replace('_', "-")) {
        let manual = text(flume_artifacts::folder().join(&guest).join("README.md"));
        assert!(
            manual.contains("| default |"),
            "{guest}/README.md has no table of keys"
        );
        let link = format!("[`{}`](../{guest}/README.md)", file_of(&guest));
        assert!(
            list.contains(&link),
            "guests/dist/README.md does not have {link}"
        );
    }
}
