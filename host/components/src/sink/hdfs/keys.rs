//! The keys of the hdfs sink: Flume's, `hdfs.leftovers`, `hdfs.partSize` and `hdfs.store.*`.

use std::collections::BTreeMap;

use flume_bucket::{AddressError, Hadoop, Scheme, StoreAddress, StoreUser, Target};
use flume_core::context::Secret;
use flume_core::{Code, Context, Diagnostic, Recipe, Severity, Sink};

use self::files::{Defaults, FileKeys, MOST_SECONDS, OwnFileKeys, template};
use super::HdfsSink;
use crate::services::Services;

pub(in crate::sink) mod files;
pub(in crate::sink) mod format;

/// S3 takes no smaller parts, but for the last, and no larger ones.
const PART_BYTES: std::ops::RangeInclusive<usize> = 5 << 20..=1 << 30;

/// The key of the serializer.
const SERIALIZER: &str = "serializer";

/// Flume's.
const DEFAULTS: Defaults = Defaults {
    bytes: 1024,
    count: 10,
    file_type: "SequenceFile",
};

/// Reads all keys. `None` leaves an error in the context.
pub fn configure(context: &mut Context, services: &Services) -> Option<Recipe<dyn Sink>> {
    let address = address(context, &services.hadoop);
    let path = address.as_ref().map(|address| address.path.as_str());
    let folder = path.and_then(|path| template(context, "hdfs.path", path));
    let roll_interval = context.number("hdfs.rollInterval", 30, i64::MIN..=MOST_SECONDS);
    let batch_size = context.number_up_to("hdfs.batchSize", 100, 1..=1 << 20);
    let keys = FileKeys::read(context, &DEFAULTS);
    let serializer = format::serializer(context, SERIALIZER);
    let part_bytes = context.number("hdfs.partSize", 8 << 20, PART_BYTES);
    without_effect(context);
    let scheme = address
        .as_ref()
        .map_or(Scheme::Hdfs, |address| address.scheme);
    let identity = identity(context, scheme);
    let options = options(context, scheme);
    // None above 0 is never.
    let roll_interval = roll_interval.map(|seconds| u64::try_from(seconds).unwrap_or(0));
    let own = OwnFileKeys {
        folder,
        roll_interval,
        serializer_key: SERIALIZER,
        serializer,
    };
    let settings = keys.settings(context, own);
    if context.has_errors() {
        return None;
    }
    let settings = settings?;
    let target = Target {
        address: address?,
        config_dir: services.hadoop.folder.clone(),
        options,
        part_bytes: part_bytes?,
        call_timeout: settings.call_timeout,
        identity,
    };
    Some(HdfsSink::recipe(
        batch_size?,
        target,
        settings,
        services.wall.clone(),
    ))
}

/// Where the files go. `None` leaves an error.
fn address(context: &mut Context, hadoop: &Hadoop) -> Option<StoreAddress> {
    let text = context.required("hdfs.path")?;
    let user = user(context);
    let mut hadoop = hadoop.clone();
    if let Some(own) = context.optional("hdfs.store.fs.defaultFS") {
        hadoop.default_fs = Some(own);
    }
    let path = format!("`{}.hdfs.path`", context.path());
    let mut help = "begin with `hdfs://host:port/`, `file:///`, `s3://bucket/`, `gs://bucket/` or \
                    `az://container/`";
    let (code, message) = match StoreAddress::resolve(&text, &hadoop, user.as_deref()) {
        Ok((address, None)) => return Some(address),
        Ok(_) if hadoop.problem.is_some() => {
            let problem = hadoop.problem.unwrap_or_default();
            let why = "says where it is, and cannot be read";
            (
                Code::BadValue,
                format!("{path}: Hadoop's configuration {why}: {problem}"),
            )
        }
        Ok((address, Some(is_configured))) => {
            told(context, &address, is_configured, &hadoop);
            return Some(address);
        }
        Err(error) => {
            if error == AddressError::Keys {
                help = "take it out: keys belong into the environment or, of S3, into \
                        `hdfs.store.access_key_id` and `hdfs.store.secret_access_key`, the user \
                        of HDFS into `hdfs.proxyUser`";
            }
            // Hadoop knows other schemes, and Flume fills in headers everywhere.
            let code = match error {
                AddressError::Scheme(_) | AddressError::Keys => Code::Unsupported,
                AddressError::Authority(_) if text.contains('%') => Code::Unsupported,
                _ => Code::BadValue,
            };
            (code, format!("{path}: {error}"))
        }
    };
    context.error("hdfs.path", code, message, help);
    None
}

/// Says where a path without a store is.
fn told(context: &mut Context, address: &StoreAddress, is_configured: bool, hadoop: &Hadoop) {
    let message = format!("`{}.hdfs.path` is `{address}`", context.path());
    let mut found = Diagnostic::new(Code::DefaultStore, message);
    let (label, help) = match (is_configured, &hadoop.folder) {
        (true, Some(folder)) => {
            found.severity = Severity::Note;
            let help = format!("so says Hadoop's configuration in `{}`", folder.display());
            ("without a store", help)
        }
        (true, None) => {
            found.severity = Severity::Note;
            (
                "without a store",
                "so says `hdfs.store.fs.defaultFS`".to_owned(),
            )
        }
        (false, _) => {
            let help = "Hadoop's default without its configuration: name the folder of \
                        core-site.xml with `-c` or HADOOP_CONF_DIR, or begin with \
                        `hdfs://host:port/` or `file:///`";
            ("without a store: files of this machine", help.to_owned())
        }
    };
    let value = context.value("hdfs.path");
    context.push(match value {
        Some(value) => found.at(&value.span, label).help(help),
        None => found.help(help),
    });
}

/// Who writes, if the sink says so: the short name of a principal is its user.
fn user(context: &mut Context) -> Option<String> {
    let principal = context.optional("hdfs.kerberosPrincipal");
    let short = principal.map(|name| name.split(['/', '@']).next().unwrap_or_default().to_owned());
    context.optional("hdfs.proxyUser").or(short)
}

fn without_effect(context: &mut Context) {
    let why = "the client does not tell how many copies a block has; a datanode that fails is \
               replaced or left out by the client's own rules (`dfs.client.block.write.*`)";
    context.without_effect("hdfs.minBlockReplicas", why);
    let why = "files are closed by the sink's own clock and need no threads";
    context.without_effect("hdfs.rollTimerPoolSize", why);
    let why = "`file:///` writes to this machine directly";
    context.without_effect("hdfs.useRawLocalFileSystem", why);
}

/// Who writes on HDFS; other stores have their credentials in their options.
fn identity(context: &mut Context, scheme: Scheme) -> StoreUser {
    let keys = [
        "hdfs.proxyUser",
        "hdfs.kerberosPrincipal",
        "hdfs.kerberosKeytab",
    ];
    if scheme != Scheme::Hdfs {
        for key in keys {
            context.without_effect(key, "the store is not HDFS");
        }
        return StoreUser::default();
    }
    let [user, principal, keytab] = keys.map(|key| context.optional(key));
    let missing = match (&principal, &keytab) {
        (Some(_), None) => Some((keys[1], keys[2])),
        (None, Some(_)) => Some((keys[2], keys[1])),
        _ => None,
    };
    if let Some((given, missing)) = missing {
        let message = format!("`{}.{given}` needs `{missing}`", context.path());
        context.error(given, Code::MissingKey, message, "give both, or none");
    }
    StoreUser {
        user,
        kerberos: principal.zip(keytab),
    }
}

/// What stands below `hdfs.store.`, for the client of the store.
fn options(context: &mut Context, scheme: Scheme) -> BTreeMap<String, Secret> {
    context.accept("hdfs.store.<option>");
    context.free_form("hdfs.store", Target::is_harmless);
    let mut below = context.below("hdfs.store");
    below.accept_all();
    let options: BTreeMap<String, Secret> = below
        .iter()
        .map(|(name, value)| (name.to_owned(), Secret::new(value.text.as_str())))
        .collect();
    context.adopt(below);
    for name in options.keys().filter(|name| !Target::accepts(scheme, name)) {
        let key = format!("hdfs.store.{name}");
        let message = format!(
            "`{}.{key}`: the client of {scheme} has no such option",
            context.path()
        );
        let help = match scheme {
            Scheme::File => "remove it; files have no options",
            _ => {
                "options are for example `endpoint`, `region`, `access_key_id`, \
                  `secret_access_key`, `allow_http`"
            }
        };
        context.error(&key, Code::UnknownKey, message, help);
    }
    options
}
