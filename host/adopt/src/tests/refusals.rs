//! Goal: what cannot be adopted is refused by name, before anything is changed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use super::builder::{Channel, State, delimited, meta};
use super::samples::{found, read};
use crate::record::Pointer;
use crate::{Directories, Holds, Limits, Opener, Refusal, Start, find};

fn refusal(directories: &Directories) -> Refusal {
    match find(directories, Limits::default()) {
        Err(refusal) => refusal,
        Ok(held) => panic!("{held:?}"),
    }
}

fn one() -> Channel {
    let mut channel = Channel::new(1);
    channel.puts(1, &["a"]);
    channel.write();
    channel
}

#[test]
fn directories_without_a_channel_hold_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let directories = Directories {
        checkpoint: folder.path().join("none"),
        data: vec![folder.path().to_owned()],
        backup: None,
    };
    for name in ["in_use.lock", "00000000000000000001.log", "log-x"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let held = find(&directories, Limits::default()).unwrap();
    assert!(matches!(held, Holds::Nothing), "{held:?}");
}

#[test]
fn a_new_channel_of_flume_is_adopted_without_events() {
    let channel = Channel::new(2);
    channel.write();
    for number in [1, 2] {
        // One is still empty, and one was only made.
        fs::write(channel.log(number), vec![0x80; number as usize - 1]).unwrap();
    }
    fs::create_dir_all(channel.directories().checkpoint).unwrap();
    fs::write(channel.directories().checkpoint.join("checkpoint"), "").unwrap();
    let (events, report) = read(&channel.directories());
    assert_eq!(events, []);
    assert!(report.is_certain(), "{report}");
}

#[test]
fn a_process_that_has_a_file_open_is_named() {
    let channel = one();
    let open = File::open(channel.log(1)).unwrap();
    let mut other = Command::new("sleep")
        .arg("600")
        .stdin(Stdio::from(open))
        .spawn()
        .unwrap();
    let refused = refusal(&channel.directories());
    other.kill().unwrap();
    other.wait().unwrap();
    let said = refused.to_string();
    assert!(
        said.contains(&format!("process {} (sleep 600)", other.id())),
        "{said}"
    );
    found(&channel.directories());
}

#[test]
fn somebody_who_has_a_file_open_and_is_not_seen_is_refused_too() {
    let channel = one();
    // This process is not looked at; the kernel knows it all the same.
    let open = File::open(channel.log(1)).unwrap();
    let refused = refusal(&channel.directories());
    assert!(
        matches!(
            refused,
            Refusal::Running {
                by: Opener::Unseen,
                ..
            }
        ),
        "{refused}"
    );
    drop(open);
    found(&channel.directories());
}

#[test]
fn where_leases_tell_nothing_the_report_says_so() {
    let channel = one();
    // As on NFS: no lease is given, not even on a file that Flume does not keep open.
    let meta = File::open(channel.log(1).with_added_extension("meta")).unwrap();
    let log = File::open(channel.log(1)).unwrap();
    let (events, report) = read(&channel.directories());
    assert_eq!((events.len(), report.is_running_unknown), (1, true));
    assert!(
        report
            .to_string()
            .contains("nobody can tell here whether a Flume still runs")
    );
    drop(meta);
    assert!(matches!(
        refusal(&channel.directories()),
        Refusal::Running { .. }
    ));
    drop(log);
    assert!(!read(&channel.directories()).1.is_running_unknown);
}

#[test]
fn a_channel_that_is_being_adopted_is_locked() {
    let channel = one();
    let mut first = found(&channel.directories());
    first.begin(0).unwrap();
    // The lock that Flume would ask for.
    let path = channel.data(0).join("in_use.lock");
    assert!(crate::kernel::lock(&path).unwrap().is_none());
    drop(first);
    assert!(crate::kernel::lock(&path).unwrap().is_some());
}

#[test]
fn an_encrypted_log_of_many_is_refused() {
    let mut channel = one();
    channel.roll(0);
    channel.puts(2, &["b"]);
    channel.write();
    let mut encryption = delimited(b"AES");
    encryption.insert(0, 0x0A);
    encryption.push(0x12);
    encryption.extend(delimited(b"key"));
    let mut field = vec![0x2A];
    field.extend(delimited(&encryption));
    let path = channel.log(2).with_added_extension("meta");
    fs::write(&path, meta(2, &field)).unwrap();
    let said = refusal(&channel.directories()).to_string();
    assert!(said.contains("log-2 is encrypted (AES, key key)"), "{said}");
    // The same in what an interrupted change has left.
    fs::rename(&path, path.with_added_extension("tmp")).unwrap();
    assert!(matches!(
        refusal(&channel.directories()),
        Refusal::Encrypted { .. }
    ));
}

#[test]
fn a_log_without_a_meta_is_read_if_it_has_records() {
    let channel = one();
    let meta = channel.log(1).with_added_extension("meta");
    for bytes in [&b""[..], b"damaged"] {
        fs::write(&meta, bytes).unwrap();
        assert_eq!(read(&channel.directories()).0.len(), 1);
    }
    fs::remove_file(&meta).unwrap();
    assert_eq!(read(&channel.directories()).0.len(), 1);
    fs::write(channel.log(1), [0x55; 100]).unwrap();
    assert!(matches!(
        refusal(&channel.directories()),
        Refusal::Unknown(_)
    ));
}

#[test]
fn older_and_newer_formats_are_refused_by_name() {
    let channel = one();
    let path = channel.log(1).with_added_extension("meta");
    let mut four = meta(1, &[]);
    four[2] = 4;
    fs::write(&path, four).unwrap();
    assert!(matches!(
        refusal(&channel.directories()),
        Refusal::Version { version: 4, .. }
    ));
    fs::remove_file(&path).unwrap();
    fs::write(channel.log(1), [0, 0, 0, 2, 0, 0, 0, 1]).unwrap();
    let said = refusal(&channel.directories()).to_string();
    assert!(
        said.contains("log-1 has log format 2 (Flume 1.2 or older)"),
        "{said}"
    );
}

#[test]
fn directories_of_several_channels_are_refused() {
    let (one, other) = (one(), one());
    let mut directories = one.directories();
    directories.data.extend(other.directories().data);
    assert!(matches!(refusal(&directories), Refusal::MixedUp(..)));
    // The same directory twice is the same directory.
    directories.data = vec![one.data(0), one.data(0).join(".")];
    found(&directories);
    fs::write(one.log(1).with_added_extension("meta"), meta(7, &[])).unwrap();
    assert!(matches!(refusal(&directories), Refusal::MixedUp(..)));
}

#[test]
fn a_data_directory_that_was_not_named_is_missed() {
    let mut channel = Channel::new(2);
    let put = [channel.puts(2, &["a"])[0], channel.puts(1, &["b"])[0]];
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    channel.write();
    let mut directories = channel.directories();
    directories.data.pop();
    let said = refusal(&directories).to_string();
    assert!(
        said.contains("knows log-2, which is in no data directory"),
        "{said}"
    );
    directories.data.clear();
    assert!(matches!(refusal(&directories), Refusal::NoLogs(_)));
    // What is lost for good is given up by moving the checkpoint away.
    let mut directories = channel.directories();
    fs::remove_dir_all(directories.data.pop().unwrap()).unwrap();
    fs::remove_dir_all(&directories.checkpoint).unwrap();
    assert_eq!(read(&directories).0.len(), 1);
}

#[test]
fn a_file_that_changes_while_it_is_read_ends_the_attempt() {
    let meta = |channel: &Channel| channel.log(1).with_added_extension("meta");
    let changes: [&dyn Fn(&Channel); 3] = [
        &|channel| fs::write(channel.log(1), [0x80; 700]).unwrap(),
        &|channel| fs::write(channel.data(0).join("log-2"), "").unwrap(),
        &|channel| fs::remove_file(meta(channel)).unwrap(),
    ];
    for change in changes {
        let channel = one();
        let found = found(&channel.directories());
        let read = found.read(0, |_| {
            change(&channel);
            Ok::<_, std::fmt::Error>(())
        });
        assert!(
            matches!(read, Err(crate::ReadError::Changed(_))),
            "{read:?}"
        );
    }
}

#[test]
fn nothing_is_changed_by_looking_and_reading() {
    let mut channel = Channel::new(2);
    let put = channel.puts(1, &["a"]);
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    channel.write();
    let names = |_: ()| {
        let all = channel.directories().all();
        let entries = all.iter().flat_map(|path| fs::read_dir(path).unwrap());
        let mut all: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .map(|path| (fs::read(&path).unwrap(), path))
            .collect();
        all.sort();
        all
    };
    let before = names(());
    read(&channel.directories());
    assert_eq!(names(()), before);
}

#[test]
fn directories_may_lie_in_each_other() {
    let mut channel = Channel::new(1);
    let put = channel.puts(1, &["a"]);
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    channel.write();
    let directories = Directories {
        checkpoint: channel.data(0).join("checkpoint"),
        data: vec![channel.data(0)],
        backup: None,
    };
    fs::rename(channel.directories().checkpoint, &directories.checkpoint).unwrap();
    let (events, report) = read(&directories);
    assert_eq!((events.len(), report.start), (1, Start::Checkpoint));
    let there = found(&directories);
    let files: Vec<_> = there.files().map(Path::to_owned).collect();
    there.mark_safe().unwrap().move_files().unwrap();
    assert_eq!(files.len(), 6, "{files:?}");
    assert!(files.iter().all(|file| !file.exists()));
    assert!(
        directories
            .checkpoint
            .join("adopted-by-flume-host/checkpoint")
            .is_file()
    );
    assert!(
        channel
            .data(0)
            .join("adopted-by-flume-host/log-1")
            .is_file()
    );
}

#[test]
fn directories_are_found_by_what_they_hold() {
    let mut channel = Channel::new(2);
    let put = channel.puts(1, &["a"]);
    channel.checkpoint(&State {
        queue: &put,
        ..State::default()
    });
    channel.write();
    fs::rename(
        channel.path().join("checkpoint"),
        channel.path().join("state"),
    )
    .unwrap();
    let backup = channel.path().join("backup");
    fs::create_dir(&backup).unwrap();
    fs::write(backup.join("backupComplete"), "").unwrap();
    fs::create_dir(channel.path().join("other")).unwrap();
    let found = Directories::within(&[channel.path().to_owned()]).unwrap();
    assert_eq!(found.checkpoint, channel.path().join("state"));
    assert_eq!(found.data, [channel.data(0), channel.data(1)]);
    assert_eq!(found.backup, Some(backup));
    // The same, named one by one.
    let each = [
        channel.path().join("state"),
        channel.data(1),
        channel.data(0),
    ];
    let again = Directories::within(&each).unwrap();
    assert_eq!(
        (&again.checkpoint, &again.data),
        (&found.checkpoint, &found.data)
    );
    // All in one, with what was adopted before.
    let aside = channel.data(0).join("adopted-by-flume-host-2");
    fs::create_dir(&aside).unwrap();
    fs::copy(channel.log(1), aside.join("log-9")).unwrap();
    let found = Directories::within(&[channel.data(0)]).unwrap();
    assert_eq!(found.data, [channel.data(0)]);
}

#[test]
fn pointers_keep_log_and_offset() {
    let pointer = Pointer::new(7, u32::MAX);
    assert_eq!((pointer.log(), pointer.offset()), (7, u64::from(u32::MAX)));
}
