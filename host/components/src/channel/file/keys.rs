//! The keys of a file channel: Flume's, with their meaning, and a few of our own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flume_core::channel::bounded::{Limits, keep_alive, transaction_fits};
use flume_core::{Code, ComponentError, Context};
use flume_log::disk::{Disk, Folders};
use flume_log::{OnDamage, Sync};

/// The settings of a file channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileConfig {
    /// Its log.
    pub(super) log: LogConfig,
    /// Events stored, or taken and not yet settled (`capacity`, default 1,000,000).
    pub(super) capacity: usize,
    /// Events in one transaction (`transactionCapacity`, default 10,000).
    pub(super) transaction_capacity: usize,
    /// How long a put waits for room (`keep-alive`, default 3 s).
    pub(super) keep_alive: Duration,
}

/// What the keys of a channel with a log say.
pub(in crate::channel) struct Settings<'a> {
    pub(in crate::channel) log: &'a LogConfig,
    /// Of the disk, or of memory where that comes first.
    pub(in crate::channel) limits: Limits,
    pub(in crate::channel) memory_first: Option<MemoryFirst>,
}

/// What is said besides where memory comes first.
pub(in crate::channel) struct MemoryFirst {
    /// Bytes of a slot of memory.
    pub(in crate::channel) slot: u64,
    /// Events on the disk; 0 if that is not used.
    pub(in crate::channel) overflow: u64,
}

/// The settings of the log of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::channel) struct LogConfig {
    /// Where its files are, and how they are written.
    pub(in crate::channel) place: Place,
    /// Bytes that have to stay free on the disk (`minimumRequiredSpace`, default 500 MiB).
    pub(in crate::channel) required_space: u64,
}

/// What cannot be changed while the channel is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::channel) struct Place {
    /// Where Flume kept its checkpoint. Only the adoption of Flume's files uses it.
    pub(super) checkpoint: PathBuf,
    /// Folders for the files.
    pub(in crate::channel) data: Vec<PathBuf>,
    /// Bytes of a segment (`maxFileSize`, at most 64 MiB).
    pub(super) segment_bytes: u64,
    pub(super) sync: Sync,
    /// Whether a take is done only when it is noted on the disk.
    pub(super) settle_synced: bool,
    /// Flume's `backupCheckpointDir`.
    pub(super) backup: Option<PathBuf>,
    /// Whether a channel of Flume in these folders is taken over.
    pub(super) adopts: bool,
    pub(super) on_damage: OnDamage,
}

/// Flume's default of `maxFileSize`, which is also its limit.
const MOST_FILE: u64 = 1_623_195_647;
/// The largest segment. A file is freed as a whole, so smaller ones give room back sooner.
const MOST_SEGMENT: u64 = 64 << 20;
/// The smallest segment: what is delivered has to be noted in it, and a put has to fit.
const LEAST_SEGMENT: u64 = 1 << 20;
/// Flume's floor of `minimumRequiredSpace`.
const LEAST_SPACE: u64 = 1 << 20;
const SPACE: u64 = 500 << 20;
/// The largest `capacity`. Events that wait cost no memory, so this is far away.
pub(in crate::channel) const MOST_EVENTS: usize = 1 << 40;
/// The largest `transactionCapacity`. The bytes of a transaction have a limit of their own.
pub(in crate::channel) const MOST_TRANSACTION: usize = 1 << 31;

/// Keys of Flume's that change nothing here, and why.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("checkpointInterval", NO_CHECKPOINTS),
    ("useDualCheckpoints", NO_CHECKPOINTS),
    ("compressBackupCheckpoint", NO_CHECKPOINTS),
    ("checkpointOnClose", NO_CHECKPOINTS),
    ("use-log-replay-v1", NO_REPLAY),
    ("use-fast-replay", NO_REPLAY),
];
const NO_CHECKPOINTS: &str = "this channel needs no checkpoints: its log says what is delivered";
const NO_REPLAY: &str = "this channel replays nothing: only its last segment is read at start";

impl FileConfig {
    /// Reads Flume's keys. On `None`, the context has a diagnostic.
    pub(super) fn configure(context: &mut Context) -> Option<Self> {
        let capacity = context.number_or_default("capacity", 1_000_000, 1..=MOST_EVENTS);
        let transaction_capacity =
            context.number_or_default("transactionCapacity", 10_000, 1..=MOST_TRANSACTION);
        let keep_alive = keep_alive(context, "keep-alive", 3);
        let log = LogConfig::configure(context)?;
        if !transaction_fits(context, transaction_capacity, capacity) {
            return None;
        }
        Some(Self {
            log,
            capacity,
            transaction_capacity,
            keep_alive,
        })
    }

    /// What it says to a channel with a log.
    pub(super) fn settings(&self) -> Settings<'_> {
        Settings {
            log: &self.log,
            limits: Limits {
                capacity: self.capacity as u64,
                transaction_capacity: self.transaction_capacity,
                keep_alive: self.keep_alive,
                byte_slots: None,
            },
            memory_first: None,
        }
    }
}

impl LogConfig {
    /// Reads Flume's keys, and ours. On `None`, the context has a diagnostic.
    pub(in crate::channel) fn configure(context: &mut Context) -> Option<Self> {
        let checkpoint = context.string("checkpointDir", "~/.flume/file-channel/checkpoint");
        let data = folders(context)?;
        let required = context.number_or_default("minimumRequiredSpace", SPACE, 0..=u64::MAX);
        let file = context.number_or_default("maxFileSize", MOST_FILE, 1..=u64::MAX);
        let sync = sync(context)?;
        let settle = [("lazy", false), ("synced", true)];
        let settle_synced = context.one_of("settle", "lazy", &settle)?;
        let adopt = [("auto", true), ("refuse", false)];
        let adopts = context.one_of("adopt", "auto", &adopt)?;
        let damage = [("set-aside", OnDamage::Pass), ("refuse", OnDamage::Refuse)];
        let on_damage = context.one_of("on-damage", "set-aside", &damage)?;
        let backup = context.optional("backupCheckpointDir");
        for (key, why) in WITHOUT_EFFECT {
            context.without_effect(key, why);
        }
        refuse_encryption(context)?;
        Some(Self {
            place: Place {
                checkpoint: expanded(&checkpoint),
                data,
                segment_bytes: file.clamp(LEAST_SEGMENT, MOST_SEGMENT),
                sync,
                settle_synced,
                backup: backup.as_deref().map(expanded),
                adopts,
                on_damage,
            },
            required_space: required.max(LEAST_SPACE),
        })
    }
}

impl Place {
    /// The folders, which from now on belong to this channel alone.
    pub(super) fn disk(&self) -> Result<Arc<dyn Disk>, ComponentError> {
        let owned = Folders::own(&self.data);
        let failed = |error| ComponentError::caused_by("its folders (`dataDirs`)", error);
        Ok(Arc::new(owned.map_err(failed)?))
    }
}

/// The folders of `dataDirs`.
fn folders(context: &mut Context) -> Option<Vec<PathBuf>> {
    let text = context.string("dataDirs", "~/.flume/file-channel/data");
    let names = text.split(',').map(str::trim);
    let folders: Vec<PathBuf> = names
        .filter(|name| !name.is_empty())
        .map(expanded)
        .collect();
    if folders.is_empty() {
        let message = format!("`{}.dataDirs` names no folder", context.path());
        let help = "name one folder, or several, separated by commas";
        context.error("dataDirs", Code::BadValue, message, help);
        return None;
    }
    for (at, folder) in folders.iter().enumerate() {
        if folders.iter().take(at).any(|other| other == folder) {
            let message = format!("`{}.dataDirs` names a folder twice", context.path());
            let help = format!("name {} once", folder.display());
            context.error("dataDirs", Code::BadValue, message, &help);
            return None;
        }
    }
    Some(folders)
}

/// `sync`, or Flume's `fsyncPerTransaction`, with `fsyncInterval`.
fn sync(context: &mut Context) -> Option<Sync> {
    let by_flume = match context.flag("fsyncPerTransaction", true) {
        true => "always",
        false => "interval",
    };
    let each = context.number_or_default("fsyncInterval", 5, 1..=86_400);
    let interval = Sync::Interval(Duration::from_secs(each));
    let words = [("always", Sync::Always), ("interval", interval)];
    let sync = context.one_of("sync", by_flume, &words)?;
    if sync == interval {
        let message = format!(
            "`{}` answers before its events are safe: a loss of power loses up to {each} s of them",
            context.path()
        );
        let help = "remove `sync` and `fsyncPerTransaction`: many clients share a sync";
        let key = match context.value("sync") {
            Some(_) => "sync",
            None => "fsyncPerTransaction",
        };
        context.error(key, Code::LateSync, message, help);
    }
    Some(sync)
}

fn refuse_encryption(context: &mut Context) -> Option<()> {
    let encryption = context.below("encryption");
    let is_wanted = encryption.iter().next().is_some();
    let mut encryption = encryption;
    encryption.accept_all();
    context.adopt(encryption);
    if !is_wanted {
        return Some(());
    }
    let message = format!(
        "`{}` is to be encrypted, which is not supported",
        context.path()
    );
    let help = "put its folders on an encrypted file system (LUKS, fscrypt), and remove \
                `encryption.…`";
    context.error("encryption", Code::Unsupported, message, help);
    None
}

/// A path with the home folder in place of `~`.
fn expanded(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(path),
    }
}
