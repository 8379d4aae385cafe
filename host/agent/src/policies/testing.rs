//! Policies as text modules, for tests: small, and of any behaviour.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flume_core::sink_selector::{Backoff, round_robin};
use flume_core::{Event, Load, SinkSelector, clock};
use flume_policy::{Compiler, Limits, PolicySelector, SelectorSetup, SinkInfo};

use crate::audit::{By, Way};

use super::{CacheChoice, Policies, PolicyUse, PolicyUseError};

/// No policies yet, and no cache. Their files are trusted.
pub(crate) fn policies() -> Policies {
    Policies::new(CacheChoice::None, Compiler::in_process())
}

/// A selector that answers the one order, and the other one when it sees an event of [`attacked`].
pub(crate) fn turncoat(calm: &[u8], attacked: &[u8]) -> String {
    let list = |order: &[u8]| -> String {
        let entry = |sink: &u8| format!("\\{sink:02x}\\00\\00\\00");
        order.iter().map(entry).collect()
    };
    format!(
        r#"(module
            (memory (export "memory") 4)
            (global $free (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (if (i32.gt_u (i32.add (global.get $free) (local.get 3)) (i32.const 200000))
                    (then (global.set $free (i32.const 8192))))
                (global.get $free)
                (global.set $free (i32.and (i32.const -8)
                    (i32.add (i32.const 7) (i32.add (global.get $free) (local.get 3))))))
            (func (export "flume:policy/sink-selector@0.1.0#configure")
                (param i32 i32 i32 i32 i64) (result i32) (i32.const 16))
            (func (export "flume:policy/sink-selector@0.1.0#order")
                (param i64 i64 i32 i32 i64 i32) (param $headers i32) (param i32) (result i32)
                (local $attacked i32)
                (if (i32.load offset=4 (local.get $headers))
                    (then
                        (local.set $attacked
                            (i32.eq (i32.load (i32.load (local.get $headers)))
                                (i32.const 0x21776f6e)))))
                (i32.store (i32.const 64)
                    (select (i32.const 256) (i32.const 128) (local.get $attacked)))
                (i32.store (i32.const 68)
                    (select (i32.const {attacked_count}) (i32.const {calm_count})
                        (local.get $attacked)))
                (i32.const 64))
            ;; It asks for one header.
            (data (i32.const 20) "\28\00\00\00\01\00\00\00")
            (data (i32.const 40) "\30\00\00\00\06\00\00\00attack")
            (data (i32.const 128) "{calm}")
            (data (i32.const 256) "{attacked}"))"#,
        calm_count = calm.len(),
        calm = list(calm),
        attacked_count = attacked.len(),
        attacked = list(attacked),
    )
}

/// A selector that always answers this order.
pub(crate) fn always(order: &[u8]) -> String {
    turncoat(order, order)
}

/// The first sink of an order for an event that turns guests. No trial makes it up.
pub(crate) fn attacked(selector: &mut PolicySelector) -> usize {
    let events = [Event::new("x").with_header("attack", "now!")];
    let load = Load {
        depth: 1,
        events: &events,
    };
    selector.order_load(clock::now(), load)[0]
}

/// A file of agent `a1`, with enough time for a busy machine.
pub(crate) fn in_a1(path: &Path) -> PolicyUse {
    PolicyUse {
        agent: "a1".to_owned(),
        path: path.to_owned(),
        limits: Limits {
            deadline: Duration::from_secs(5),
            start_deadline: Duration::from_secs(20),
            ..Limits::default()
        },
        directory: None,
    }
}

/// Sinks `s0`, `s1`, ….
pub(crate) fn sinks(count: usize) -> SelectorSetup {
    let sink = |at| SinkInfo {
        name: format!("s{at}"),
        ..SinkInfo::default()
    };
    SelectorSetup {
        sinks: (0..count).map(sink).collect(),
        ..SelectorSetup::default()
    }
}

/// Puts a policy into a group of this many sinks.
pub(crate) fn seat(
    policies: &Policies,
    wanted: &PolicyUse,
    place: &str,
    count: usize,
) -> Result<PolicySelector, PolicyUseError> {
    policies.selector(wanted, place, sinks(count), fallback(count))
}

fn fallback(sinks: usize) -> Box<dyn SinkSelector> {
    round_robin::configure(Backoff::none(sinks), 0)
}

/// Whoever changes a policy over the admin port.
pub(crate) fn somebody() -> By {
    By {
        who: "127.0.0.1:5".to_owned(),
        way: Way::Loopback,
    }
}

/// A folder with policies in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file under another name, and moves it into place.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }

    /// Makes a link under another name, and moves it into place.
    pub(crate) fn link(&self, name: &str, target: &Path) -> PathBuf {
        let path = self.path(name);
        let new = path.with_extension("new");
        std::os::unix::fs::symlink(target, &new).unwrap();
        std::fs::rename(&new, &path).unwrap();
        path
    }
}
