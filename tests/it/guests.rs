//! Goal: the logic of the shipped policies, which needs no WebAssembly to be tested, is right.
//! Method: the tests of the guests' own workspace, which `cargo test` at the root does not know.

use std::path::Path;
use std::process::Command;

#[test]
fn the_guests_own_tests_pass() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut tests = Command::new(cargo);
    tests
        .args(["test", "--workspace", "--locked"])
        .current_dir(guests);
    tests.env_remove("CARGO_TARGET_DIR");
    let status = tests.status().expect("cargo starts");
    assert!(status.success(), "see above");
}
