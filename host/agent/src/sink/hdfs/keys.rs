//! The keys of the hdfs sink: Flume's, `hdfs.leftovers`, `hdfs.partSize` and `hdfs.store.*`.

use std::collections::BTreeMap;

use flume_bucket::{Address, Identity, Scheme, Target};
use flume_core::{Code, Context, Sink};

use self::files::{Defaults, FileKeys, MOST_SECONDS, Own, template};
use super::HdfsSink;
use crate::services::Services;

pub(in crate::sink) mod files;
pub(in crate::sink) mod format;

/// S3 takes no smaller parts but the last, and no larger ones.
const PART_BYTES: std::ops::RangeInclusive<usize> = 5 << 20..=1 << 30;

/// The key of the serializer.
const SERIALIZER: &str = "serializer";

/// Flume's.
const DEFAULTS: Defaults = Defaults { bytes: 1024, count: 10, file_type: "SequenceFile" };

/// Reads all keys. `None` leaves an error in the context.
pub fn configure(context: &mut Context, services: &Services) -> Option<Box<dyn Sink>> {
    let address = address(context);
    let path = address.as_ref().map(|address| address.path.as_str());
    let folder = path.and_then(|path| template(context, "hdfs.path", path));
    let roll_interval = context.number("hdfs.rollInterval", 30, 0..=MOST_SECONDS);
    let batch_size = context.number("hdfs.batchSize", 100, 1..=1 << 20);
    let keys = FileKeys::read(context, &DEFAULTS);
    let serializer = format::serializer(context, SERIALIZER);
    let part_bytes = context.number("hdfs.partSize", 8 << 20, PART_BYTES);
    without_effect(context);
    let scheme = address.as_ref().map_or(Scheme::Hdfs, |address| address.scheme);
    let identity = identity(context, scheme);
    let options = options(context, scheme);
    reachable(context, address.as_ref(), &options);
    let roll_interval = roll_interval.map(i64::unsigned_abs);
    let own = Own { folder, roll_interval, serializer_key: SERIALIZER, serializer };
    let settings = keys.settings(context, own);
    if context.has_errors() {
        return None;
    }
    let settings = settings?;
    let target = Target {
        address: address?,
        options,
        part_bytes: part_bytes?,
        call_timeout: settings.call_timeout,
        identity,
    };
    Some(Box::new(HdfsSink::new(batch_size?, target, settings, services.wall.clone())))
}

fn address(context: &mut Context) -> Option<Address> {
    let text = context.required("hdfs.path")?;
    match Address::parse(&text) {
        Ok(address) => Some(address),
        Err(error) => {
            let message = format!("`{}.hdfs.path`: {error}", context.path());
            let help = "begin with `hdfs://host:port/`, `file:///`, `s3://bucket/`, `gs://bucket/` \
                        or `az://container/`";
            context.error("hdfs.path", Code::BadValue, message, help);
            None
        }
    }
}

/// Without a scheme or a host Hadoop's own configuration says where the path is.
fn reachable(
    context: &mut Context,
    address: Option<&Address>,
    options: &BTreeMap<String, String>,
) {
    let Some(address) = address else { return };
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let known = is_set("HADOOP_CONF_DIR") || is_set("HADOOP_HOME");
    if address.scheme != Scheme::Hdfs
        || !address.root.is_empty()
        || known
        || options.contains_key("fs.defaultFS")
    {
        return;
    }
    let message = format!("`{}.hdfs.path` does not say in which store it is", context.path());
    let help = "begin with `hdfs://host:port/` or `file:///`, or set HADOOP_CONF_DIR to where \
                Hadoop's core-site.xml is";
    context.error("hdfs.path", Code::BadValue, message, help);
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
fn identity(context: &mut Context, scheme: Scheme) -> Identity {
    let keys = ["hdfs.proxyUser", "hdfs.kerberosPrincipal", "hdfs.kerberosKeytab"];
    if scheme != Scheme::Hdfs {
        for key in keys {
            context.without_effect(key, "the store is not HDFS");
        }
        return Identity::default();
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
    Identity { user, kerberos: principal.zip(keytab) }
}

/// What stands below `hdfs.store.`, for the client of the store.
fn options(context: &mut Context, scheme: Scheme) -> BTreeMap<String, String> {
    context.accept("hdfs.store.<option>");
    let mut below = context.below("hdfs.store");
    below.accept_all();
    let options: BTreeMap<String, String> =
        below.iter().map(|(name, value)| (name.to_owned(), value.text.clone())).collect();
    context.adopt(below);
    for name in options.keys().filter(|name| !Target::accepts(scheme, name)) {
        let key = format!("hdfs.store.{name}");
        let message = format!("`{}.{key}`: the client of {scheme} has no such option", context.path());
        let help = match scheme {
            Scheme::File => "remove it; files have no options",
            _ => "options are for example `endpoint`, `region`, `access_key_id`, \
                  `secret_access_key`, `allow_http`",
        };
        context.error(&key, Code::UnknownKey, message, help);
    }
    options
}
