//! The stub of WASI preview 1, a row of the contract's table at a time, as a guest sees it.

use flume_core::{SinkSelector as _, clock};
use flume_policy::{Limits, SelectorSetup};

use crate::support::{Limited, fallback, limited, selector, selector_text, sinks, text};

const BADF: u32 = 8;

/// Functions about files and sockets, which do not exist here, with their parameters.
const ABSENT: &[(&str, &str)] = &[
    ("fd_advise", "i32 i64 i64 i32"),
    ("fd_allocate", "i32 i64 i64"),
    ("fd_close", "i32"),
    ("fd_datasync", "i32"),
    ("fd_fdstat_get", "i32 i32"),
    ("fd_fdstat_set_flags", "i32 i32"),
    ("fd_fdstat_set_rights", "i32 i64 i64"),
    ("fd_filestat_get", "i32 i32"),
    ("fd_filestat_set_size", "i32 i64"),
    ("fd_filestat_set_times", "i32 i64 i64 i32"),
    ("fd_pread", "i32 i32 i32 i64 i32"),
    ("fd_prestat_get", "i32 i32"),
    ("fd_prestat_dir_name", "i32 i32 i32"),
    ("fd_pwrite", "i32 i32 i32 i64 i32"),
    ("fd_read", "i32 i32 i32 i32"),
    ("fd_readdir", "i32 i32 i32 i64 i32"),
    ("fd_renumber", "i32 i32"),
    ("fd_seek", "i32 i64 i32 i32"),
    ("fd_sync", "i32"),
    ("fd_tell", "i32 i32"),
    ("path_create_directory", "i32 i32 i32"),
    ("path_filestat_get", "i32 i32 i32 i32 i32"),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32"),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32"),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32"),
    ("path_readlink", "i32 i32 i32 i32 i32 i32"),
    ("path_remove_directory", "i32 i32 i32"),
    ("path_rename", "i32 i32 i32 i32 i32 i32"),
    ("path_symlink", "i32 i32 i32 i32 i32"),
    ("path_unlink_file", "i32 i32 i32"),
    ("sock_accept", "i32 i32 i32"),
    ("sock_recv", "i32 i32 i32 i32 i32 i32"),
    ("sock_send", "i32 i32 i32 i32 i32"),
    ("sock_shutdown", "i32 i32"),
];

/// A guest that stops if it does not find what it expects.
fn checks(imports: &str, order: &str) -> Limited {
    limited(
        text("stub", &checks_text(imports, order)),
        Limits::default(),
    )
}

fn checks_text(imports: &str, order: &str) -> String {
    let order = format!("{order} (call $answer (i32.const 3))");
    selector_text(&order, imports)
}

fn import(name: &str, of: &str) -> String {
    format!("(import \"wasi_snapshot_preview1\" \"{name}\" (func ${name} {of}))")
}

#[test]
fn there_are_no_files_and_no_sockets() {
    assert_eq!(ABSENT.len(), 46 - 12, "the others have tests of their own");
    let (mut imports, mut order) = (String::new(), String::new());
    for (name, parameters) in ABSENT {
        imports += &import(name, &format!("(param {parameters}) (result i32)"));
        let zeros: String = parameters
            .split(' ')
            .map(|kind| format!("({kind}.const 0)"))
            .collect();
        order +=
            &format!("(if (i32.ne (call ${name} {zeros}) (i32.const {BADF})) (then unreachable))");
    }
    selector(&checks(&imports, &order)).unwrap();
}

#[test]
fn there_is_nothing_to_be_told_and_nobody_to_yield_to() {
    let two = "(param i32 i32) (result i32)";
    let names = [
        "args_get",
        "environ_get",
        "args_sizes_get",
        "environ_sizes_get",
    ];
    let mut imports: String = names.iter().map(|name| import(name, two)).collect();
    imports += &import("sched_yield", "(result i32)");
    imports += &import("clock_res_get", two);
    let mut order = String::from("(if (call $sched_yield) (then unreachable))");
    for name in names {
        order += &format!(
            "(i64.store (i32.const 1024) (i64.const -1))
             (if (call ${name} (i32.const 1024) (i32.const 1028)) (then unreachable))"
        );
        if name.ends_with("sizes_get") {
            order += "(if (i64.ne (i64.load (i32.const 1024)) (i64.const 0)) (then unreachable))";
        }
    }
    order += "(if (call $clock_res_get (i32.const 0) (i32.const 1024)) (then unreachable))
        (if (i64.ne (i64.load (i32.const 1024)) (i64.const 1000)) (then unreachable))";
    selector(&checks(&imports, &order)).unwrap();
}

#[test]
fn who_ends_its_process_breaks_the_contract() {
    for (name, of, call) in [
        (
            "proc_exit",
            "(param i32)",
            "(call $proc_exit (i32.const 0))",
        ),
        (
            "proc_raise",
            "(param i32) (result i32)",
            "(drop (call $proc_raise (i32.const 6)))",
        ),
    ] {
        let error = selector(&checks(&import(name, of), call))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("trap: "), "{name}: {error}");
    }
}

#[test]
fn other_files_are_not_written() {
    let imports = import("fd_write", "(param i32 i32 i32 i32) (result i32)");
    let order = "(if (i32.ne (call $fd_write (i32.const 3) (i32.const 0) (i32.const 0)
        (i32.const 1024)) (i32.const 8)) (then unreachable))
        (if (i32.ne (call $fd_write (i32.const 0) (i32.const 0) (i32.const 0)
        (i32.const 1024)) (i32.const 8)) (then unreachable))";
    selector(&checks(&imports, order)).unwrap();
}

/// All clocks are one, which advances when it is read. Reading it is not a call of the host: a runtime
/// does so while memory is made for what the host hands in, when calls are forbidden.
#[test]
fn the_clock_passes_by_being_read_also_while_memory_is_made() {
    let imports = import("clock_time_get", "(param i32 i64 i32) (result i32)");
    let read = |id: u32| {
        format!("(drop (call $clock_time_get (i32.const {id}) (i64.const 0) (i32.const 1024)))")
    };
    let order = format!(
        "{} (i64.store (i32.const 1032) (i64.load (i32.const 1024))) {}
        (if (i64.lt_u (i64.load (i32.const 1032)) (i64.const 1000000000)) (then unreachable))
        (if (i64.ne (i64.load (i32.const 1024))
            (i64.add (i64.load (i32.const 1032)) (i64.const 1000))) (then unreachable))",
        read(1),
        read(0)
    );
    let text = checks_text(&imports, &order).replacen(
        r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)"#,
        &format!(
            r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {}"#,
            read(1)
        ),
        1,
    );
    let policy = limited(crate::support::text("stub", &text), Limits::default());
    let mut selector = selector(&policy).unwrap();
    // A failure is told in a list, for which the guest makes memory.
    selector.failed(0, clock::now());
    selector.order(clock::now());
    assert_eq!(policy.stats().all_violations(), 0);
}

/// The same seed gives the same numbers, another one others.
#[test]
fn random_numbers_begin_with_the_seed() {
    let imports = import("random_get", "(param i32 i32) (result i32)");
    // The first sink is what the numbers say.
    let order = "(drop (call $random_get (i32.const 1024) (i32.const 8)))
        (i32.store (i32.const 128) (i32.rem_u (i32.load (i32.const 1024)) (i32.const 3)))
        (return (call $answer (i32.const 1)))";
    let policy = checks(&imports, order);
    let drawn = |seed| {
        let sinks = sinks(&[1, 1, 1]);
        let setup = SelectorSetup {
            sinks,
            seed,
            ..SelectorSetup::default()
        };
        let mut selector = policy.selector("g1", setup, fallback(3)).unwrap();
        let draw = |_| selector.order(clock::now())[0];
        (0..40).map(draw).collect::<Vec<_>>()
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert_ne!(drawn(0), drawn(1));
}
