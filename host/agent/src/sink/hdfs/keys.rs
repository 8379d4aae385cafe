//! The keys of the hdfs sink: Flume's, `hdfs.leftovers`, `hdfs.partSize` and `hdfs.store.*`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flume_bucket::{
    Address, Identity, Leftovers, Naming, RollLimits, RoundUnit, Rounding, Scheme, Settings,
    Target, Template, Times, zone,
};
use flume_core::{Code, Context, Sink};
use jiff::tz::TimeZone;

use super::HdfsSink;
use crate::services::Services;

mod format;

/// S3 takes no smaller parts but the last, and no larger ones.
const PART_BYTES: std::ops::RangeInclusive<usize> = 5 << 20..=1 << 30;

/// Seconds and counts of Flume's integers.
const MOST: i64 = i32::MAX as i64;

/// Reads all keys. `None` leaves an error in the context.
pub fn configure(context: &mut Context, services: &Services) -> Option<Box<dyn Sink>> {
    let address = address(context);
    let folder = address.as_ref().and_then(|address| template(context, "hdfs.path", &address.path));
    let naming = naming(context);
    let limits = limits(context);
    let batch_size = context.number("hdfs.batchSize", 100, 1..=1 << 20);
    let times = times(context);
    let file_type = format::file_type(context);
    let most_open = context.number("hdfs.maxOpenFiles", 5000, 1..=1 << 20);
    let at_once = context.number("hdfs.threadsPoolSize", 10, 1..=1024);
    let call_timeout = context.number("hdfs.callTimeout", 10_000_u64, 1..=3_600_000);
    let close_tries = context.number("hdfs.closeTries", 0_u32, 0..=u32::MAX);
    let retry_interval = context.number("hdfs.retryInterval", 180_i64, i64::MIN..=MOST);
    let leftovers = context.one_of("hdfs.leftovers", "report", &[
        ("report", Leftovers::Report),
        ("finish", Leftovers::Finish),
        ("ignore", Leftovers::Ignore),
    ]);
    let part_bytes = context.number("hdfs.partSize", 8 << 20, PART_BYTES);
    without_effect(context);
    let scheme = address.as_ref().map_or(Scheme::Hdfs, |address| address.scheme);
    let identity = identity(context, scheme);
    let options = options(context, scheme);
    reachable(context, address.as_ref(), &options);

    let (mut naming, file_type) = (naming?, file_type?);
    if naming.suffix.is_empty() {
        naming.suffix = file_type.extension().to_owned();
    }
    let retry_seconds = u64::try_from(retry_interval?).unwrap_or(0);
    // Without a pause between them there is one try, as in Flume.
    let close_tries = if retry_seconds == 0 { 1 } else { close_tries? };
    let call_timeout = Duration::from_millis(call_timeout?);
    if context.has_errors() {
        return None;
    }
    Some(Box::new(HdfsSink {
        batch_size: batch_size?,
        target: Target {
            address: address?,
            options,
            part_bytes: part_bytes?,
            call_timeout,
            identity,
        },
        settings: Settings {
            folder: folder?,
            naming,
            times: times?,
            file_type,
            limits: limits?,
            most_open: most_open?,
            at_once: at_once?,
            call_timeout,
            close_tries: (close_tries > 0).then_some(close_tries),
            retry_interval: Duration::from_secs(retry_seconds),
            leftovers: leftovers?,
        },
        wall: services.wall.clone(),
        counters: Arc::default(),
        buckets: None,
    }))
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

fn template(context: &mut Context, key: &str, text: &str) -> Option<Template> {
    match Template::parse(text) {
        Ok(template) => Some(template),
        Err(error) => {
            let message = format!("`{}.{key}`: {error}", context.path());
            let help = "the escapes are `%{header}`, `%[localhost]`, `%[IP]`, `%[FQDN]`, `%t`, \
                        `%s` and the letters `aAbBcdDeHIjklmMnpSyYz`; `%%` is a percent sign";
            context.error(key, Code::BadValue, message, help);
            None
        }
    }
}

fn naming(context: &mut Context) -> Option<Naming> {
    let prefix = context.string("hdfs.filePrefix", "FlumeData");
    let naming = Naming {
        prefix: template(context, "hdfs.filePrefix", &prefix)?,
        suffix: context.optional("hdfs.fileSuffix").unwrap_or_default(),
        in_use_prefix: context.string("hdfs.inUsePrefix", ""),
        in_use_suffix: context.string("hdfs.inUseSuffix", ".tmp"),
    };
    let mut fits = true;
    for key in ["hdfs.filePrefix", "hdfs.fileSuffix", "hdfs.inUsePrefix", "hdfs.inUseSuffix"] {
        if context.value(key).is_some_and(|value| value.text.contains('/')) {
            let message = format!("`{}.{key}` is a part of a name and has a `/`", context.path());
            context.error(key, Code::BadValue, message, "put folders into `hdfs.path`");
            fits = false;
        }
    }
    fits.then_some(naming)
}

fn limits(context: &mut Context) -> Option<RollLimits> {
    let mut number = |key: &str, default: i64, most: i64| {
        let number = context.number(key, default, 0..=most)?;
        let number = u64::try_from(number).ok()?;
        Some((number > 0).then_some(number))
    };
    let interval = number("hdfs.rollInterval", 30, MOST);
    let bytes = number("hdfs.rollSize", 1024, i64::MAX);
    let count = number("hdfs.rollCount", 10, i64::MAX);
    let idle = number("hdfs.idleTimeout", 0, MOST);
    Some(RollLimits {
        interval: interval?.map(Duration::from_secs),
        bytes: bytes?,
        count: count?,
        idle: idle?.map(Duration::from_secs),
    })
}

fn times(context: &mut Context) -> Option<Times> {
    let local = context.flag("hdfs.useLocalTimeStamp", false);
    let round = context.flag("hdfs.round", false);
    let unit = context.one_of("hdfs.roundUnit", "second", &[
        ("second", RoundUnit::Second),
        ("minute", RoundUnit::Minute),
        ("hour", RoundUnit::Hour),
    ]);
    let most = unit.map_or(60, RoundUnit::most);
    let value = context.number("hdfs.roundValue", 1, 1..=most);
    let zone = match context.optional("hdfs.timeZone") {
        None => Some(TimeZone::system()),
        Some(name) => zone(&name).or_else(|| {
            let message = format!("`{}.hdfs.timeZone` is no time zone: `{name}`", context.path());
            let help = "write a name like `Europe/Berlin`, or `GMT+2`";
            context.error("hdfs.timeZone", Code::BadValue, message, help);
            None
        }),
    };
    let rounding = Rounding { value: value?, unit: unit? };
    Some(Times { local, rounding: round.then_some(rounding), zone: zone? })
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
