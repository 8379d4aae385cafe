//! From the `type` of a component to the entry of its table.

use flume_core::context::{Context, did_you_mean};
use flume_core::{Code, Diagnostic};

use crate::component::{self, Component};

/// What a `type` turned out to be.
pub(super) enum Type<T: 'static> {
    /// There is none.
    Missing,
    /// It is in no table.
    Unknown,
    /// An entry of the table.
    Known(&'static Component<T>),
}

impl<T> Type<T> {
    /// Reads the key `type`. Everything but a known type leaves an error in the context.
    pub(super) fn read(
        context: &mut Context,
        table: &'static [Component<T>],
        what: &str,
        elsewhere: &[&str],
    ) -> Self {
        let Some(name) = context.required("type") else {
            return Self::Missing;
        };
        if let Some(component) = component::find(table, &name) {
            return Self::Known(component);
        }
        let names = table.iter().filter_map(|entry| entry.names.first());
        let names: Vec<&str> = names.copied().collect();
        unknown(context, what, &name, &names, elsewhere);
        Self::Unknown
    }

    /// The entry, if there is one.
    pub(super) fn known(&self) -> Option<&'static Component<T>> {
        match self {
            Self::Known(component) => Some(component),
            Self::Missing | Self::Unknown => None,
        }
    }
}

/// Leaves an error for a type that is in no table; `elsewhere` are types that Flume has.
pub(super) fn unknown(
    context: &mut Context,
    what: &str,
    name: &str,
    names: &[&str],
    elsewhere: &[&str],
) {
    let all = format!("{what} types are `{}`", names.join("`, `"));
    let flume = elsewhere
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name));
    let left_out = LEFT_OUT.iter().any(|left| left.eq_ignore_ascii_case(name));
    let (code, message, help) = if left_out && what == "sink" {
        let message = format!("this program was built without the sink type `{name}`");
        let help = "build it with the feature `bucket`, which is on by default".to_owned();
        (Code::Unsupported, message, help)
    } else if flume || name.starts_with("org.apache.flume.") {
        let message = format!("Flume's {what} type `{name}` is not supported");
        (Code::Unsupported, message, all)
    } else if name.contains('.') {
        let message = format!("`{name}` is a class of a plug-in, and classes cannot be loaded");
        (Code::Unsupported, message, all)
    } else {
        let help = did_you_mean(name, names).unwrap_or(all);
        let message = format!("there is no {what} type `{name}`");
        (Code::UnknownType, message, help)
    };
    let found = Diagnostic::new(code, message).help(help);
    let value = context.value("type");
    context.push(match value {
        Some(value) => found.at(&value.span, "unknown type"),
        None => found,
    });
}

/// Source types that Flume has and this host does not.
pub(super) const OTHER_SOURCES: [&str; 12] = [
    "thrift",
    "syslogtcp",
    "multiport_syslogtcp",
    "syslogudp",
    "http",
    "taildir",
    "spooldir",
    "jms",
    "scribe",
    "avrolegacy",
    "thriftlegacy",
    "twitter",
];

/// Channel types that Flume has and this host does not.
pub(super) const OTHER_CHANNELS: [&str; 4] = ["file", "jdbc", "spillablememory", "kafka"];

/// Sink types that this host has, but not in this build.
const LEFT_OUT: &[&str] = if cfg!(feature = "bucket") {
    &[]
} else {
    &["hdfs", "org.apache.flume.sink.hdfs.HDFSEventSink"]
};

/// Sink types that Flume has and this host does not.
pub(super) const OTHER_SINKS: [&str; 11] = [
    "thrift",
    "hive",
    "hbase",
    "hbase2",
    "asynchbase",
    "elasticsearch",
    "irc",
    "http",
    "kafka",
    "morphline_solr",
    "dataset",
];

/// Interceptor types that Flume has and this host does not.
pub(super) const OTHER_INTERCEPTORS: [&str; 1] = ["morphline"];
