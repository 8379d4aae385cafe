//! Goal: the logic of the shipped policies is right; testing it needs no WebAssembly. Method: runs
//! the tests of the guests' own workspace, which `cargo test` at the root does not include.

use std::path::Path;

#[test]
fn the_guests_own_tests_pass() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guests");
    let mut tests = flume_tests::cargo();
    tests
        .args(["test", "--workspace", "--locked"])
        .current_dir(guests);
    tests.env_remove("CARGO_TARGET_DIR");
    let status = tests.status().expect("cargo starts");
    assert!(status.success(), "see above");
}
