//! A file_roll sink with keys of the hdfs sink: that sink over the directory, so files are rolled by
//! size and count, lie in folders by time and header, are compressed, and have a name in use.
//!
//! | question | key |
//! |---|---|
//! | where | `sink.directory`, and `hdfs.path` for the folders below |
//! | how long, how many at once | `sink.rollInterval`, `sink.batchSize` |
//! | what bytes | `sink.serializer`, in the `hdfs.fileType` (DataStream) |
//! | names | `hdfs.filePrefix` or `sink.pathManager.prefix`, `hdfs.fileSuffix` or `sink.pathManager.extension` |
//! | all else | `hdfs.…`; without their keys, size and count have no limits |
//!
//! Unlike the plain sink it syncs each batch to the disk, and makes the directory if it is missing.

use std::collections::BTreeMap;

use flume_bucket::{Naming, Scheme, StoreAddress, StoreUser, Target, Template};
use flume_core::{Code, Context, Recipe, Sink};

use crate::services::Services;
use crate::sink::hdfs::files::{self, Defaults, FileKeys, check_name, template};
use crate::sink::hdfs::{HdfsSink, serializer};

/// The key of the serializer.
const SERIALIZER: &str = "sink.serializer";

/// A file ends only by its interval, and holds lines, as without these keys.
const DEFAULTS: Defaults = Defaults {
    bytes: 0,
    count: 0,
    file_type: "DataStream",
};

/// What the plain sink has read; `None` where it left an error.
pub(super) struct FolderKeys {
    pub(super) directory: Option<String>,
    /// Seconds; none above 0 is never.
    pub(super) interval: Option<i64>,
    pub(super) batch_size: Option<usize>,
}

/// Asks for the keys of the hdfs sink that this one has, too.
pub(super) fn keys(context: &mut Context) -> FileKeys {
    context.accept("hdfs.path");
    FileKeys::read(context, &DEFAULTS)
}

/// Whether one of them is there.
pub(super) fn are_meant(context: &Context) -> bool {
    let mut asked = context
        .questions()
        .iter()
        .filter(|asked| asked.key.starts_with("hdfs."));
    asked.any(|asked| context.iter().any(|(key, _)| key == asked.key))
}

/// The sink. `None` leaves an error in the context.
pub(super) fn configure(
    context: &mut Context,
    services: &Services,
    own: FolderKeys,
    mut keys: FileKeys,
) -> Option<Recipe<dyn Sink>> {
    let folder = folder(context, own.directory.as_deref());
    keys.naming = keys.naming.and_then(|naming| names(context, naming));
    let why = "names have the milliseconds at which the first file of a folder was begun";
    context.without_effect("sink.pathManager", why);
    let read = files::OwnFileKeys {
        folder,
        roll_interval: own
            .interval
            .map(|seconds| u64::try_from(seconds).unwrap_or(0)),
        serializer_key: SERIALIZER,
        serializer: serializer(context, SERIALIZER),
    };
    let settings = keys.settings(context, read);
    if context.has_errors() {
        return None;
    }
    let settings = settings?;
    let target = Target {
        address: StoreAddress {
            scheme: Scheme::File,
            root: String::new(),
            path: own.directory?,
        },
        config_dir: None,
        options: BTreeMap::new(),
        // Files have no parts.
        part_bytes: usize::MAX,
        call_timeout: settings.call_timeout,
        identity: StoreUser::default(),
    };
    Some(HdfsSink::recipe(
        own.batch_size?,
        target,
        settings,
        services.wall.clone(),
    ))
}

/// The directory as it is written, and folders with escapes below it.
fn folder(context: &mut Context, directory: Option<&str>) -> Option<Template> {
    let below = context.optional("hdfs.path").unwrap_or_default();
    if below.starts_with('/') || below.contains(":/") {
        let message = format!(
            "`{}.hdfs.path` names folders below `sink.directory`, and `{below}` is a whole path",
            context.path()
        );
        let help = "write it without what is in front of those folders, as `%{host}/%Y-%m-%d`; \
                    `type = hdfs` takes a whole path";
        context.error("hdfs.path", Code::BadValue, message, help);
        return None;
    }
    template(context, "hdfs.path", &below)?;
    let directory = directory?;
    let whole = std::path::absolute(directory);
    let whole = whole
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok());
    let whole = literal(whole.as_deref().unwrap_or(directory));
    let path = format!("{}/{below}", whole.trim_end_matches('/'));
    template(context, "sink.directory", &path)
}

/// The names in Flume's keys for either sink, but not in both.
fn names(context: &mut Context, mut naming: Naming) -> Option<Naming> {
    let prefix = either(context, "hdfs.filePrefix", "sink.pathManager.prefix");
    let extension = either(context, "hdfs.fileSuffix", "sink.pathManager.extension");
    if let Some(prefix) = prefix? {
        naming.prefix = template(context, "sink.pathManager.prefix", &literal(&prefix))?;
    }
    if let Some(extension) = extension? {
        naming.suffix = format!(".{extension}");
    }
    Some(naming)
}

/// The value of the sink's own key, if there is one. The outer `None` left an error.
fn either(context: &mut Context, shared: &str, own: &str) -> Option<Option<String>> {
    check_name(context, own)?;
    let text = context.optional(own).filter(|text| !text.is_empty());
    if text.is_some() && context.value(shared).is_some() {
        let message = format!("`{}` has both `{shared}` and `{own}`", context.path());
        context.error(
            own,
            Code::BadValue,
            message,
            "they mean the same: remove one",
        );
        return None;
    }
    Some(text)
}

/// A text without escapes as a template.
fn literal(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests;
