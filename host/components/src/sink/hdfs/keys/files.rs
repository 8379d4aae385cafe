//! The keys of files in folders, whichever sink writes them: `hdfs` everywhere, `file_roll` here.

use std::time::Duration;

use flume_bucket::{
    BucketSettings, Leftovers, Naming, RollLimits, RoundUnit, Rounding, Serializer, Template,
    Times, Untimed, zone,
};
use flume_core::{Code, Context};
use jiff::tz::TimeZone;

use super::format::Container;

/// The most of Flume's integers, for seconds.
pub(in crate::sink) const MOST_SECONDS: i64 = i32::MAX as i64;

/// The defaults of these keys that depend on the sink.
#[derive(Debug, Clone, Copy)]
pub(in crate::sink) struct Defaults {
    /// `hdfs.rollSize`, bytes of bodies; 0 means no limit.
    pub(in crate::sink) bytes: i64,
    /// `hdfs.rollCount`, events; 0 means no limit.
    pub(in crate::sink) count: i64,
    /// `hdfs.fileType`.
    pub(in crate::sink) file_type: &'static str,
}

/// What the keys say; `None` where one left an error.
#[derive(Debug)]
pub(in crate::sink) struct FileKeys {
    pub(in crate::sink) naming: Option<Naming>,
    /// Without the interval, which each sink reads from a key of its own.
    limits: Option<RollLimits>,
    times: Option<Times>,
    container: Option<Container>,
    most_open: Option<usize>,
    at_once: Option<usize>,
    call_timeout: Option<u64>,
    close_tries: Option<u32>,
    retry_interval: Option<i64>,
    leftovers: Option<Leftovers>,
}

/// The keys that a sink reads itself.
#[derive(Debug)]
pub(in crate::sink) struct OwnFileKeys {
    pub(in crate::sink) folder: Option<Template>,
    /// Seconds until a file ends; 0 is never.
    pub(in crate::sink) roll_interval: Option<u64>,
    /// The key of the serializer, for messages.
    pub(in crate::sink) serializer_key: &'static str,
    pub(in crate::sink) serializer: Option<Serializer>,
}

impl FileKeys {
    /// Reads all of them.
    pub(in crate::sink) fn read(context: &mut Context, defaults: &Defaults) -> Self {
        Self {
            naming: naming(context),
            limits: limits(context, defaults),
            times: times(context),
            container: Container::read(context, defaults.file_type),
            most_open: context.number_up_to("hdfs.maxOpenFiles", 5000, 1..=1 << 20),
            at_once: context.number_up_to("hdfs.threadsPoolSize", 10, 1..=1024),
            call_timeout: context.number_up_to("hdfs.callTimeout", 10_000, 1..=3_600_000),
            close_tries: context.number("hdfs.closeTries", 0, 0..=u32::MAX),
            retry_interval: context.number("hdfs.retryInterval", 180, i64::MIN..=MOST_SECONDS),
            leftovers: context.one_of(
                "hdfs.leftovers",
                "report",
                &[
                    ("report", Leftovers::Report),
                    ("finish", Leftovers::Finish),
                    ("ignore", Leftovers::Ignore),
                ],
            ),
        }
    }

    /// Puts them together. `None` leaves an error, or one was left before.
    pub(in crate::sink) fn settings(
        self,
        context: &mut Context,
        own: OwnFileKeys,
    ) -> Option<BucketSettings> {
        let serializer = own.serializer;
        let file_type = self
            .container?
            .file_type(context, own.serializer_key, serializer)?;
        let mut naming = self.naming?;
        if naming.suffix.is_empty() {
            naming.suffix = file_type.extension().to_owned();
        }
        let roll_interval = own.roll_interval?;
        let limits = RollLimits {
            interval: (roll_interval > 0).then(|| Duration::from_secs(roll_interval)),
            ..self.limits?
        };
        let retry_seconds = u64::try_from(self.retry_interval?).unwrap_or(0);
        // Without a pause between attempts there is only one, as in Flume.
        let close_tries = if retry_seconds == 0 {
            1
        } else {
            self.close_tries?
        };
        Some(BucketSettings {
            folder: own.folder?,
            naming,
            times: self.times?,
            file_type,
            limits,
            most_open: self.most_open?,
            at_once: self.at_once?,
            call_timeout: Duration::from_millis(self.call_timeout?),
            close_tries: (close_tries > 0).then_some(close_tries),
            retry_interval: Duration::from_secs(retry_seconds),
            leftovers: self.leftovers?,
        })
    }
}

/// A text with escapes. `None` leaves an error.
pub(in crate::sink) fn template(context: &mut Context, key: &str, text: &str) -> Option<Template> {
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

/// Reports a part of a name that would be a folder.
pub(in crate::sink) fn check_name(context: &mut Context, key: &str) -> Option<()> {
    if !context
        .value(key)
        .is_some_and(|value| value.text.contains('/'))
    {
        return Some(());
    }
    let message = format!(
        "`{}.{key}` is a part of a name and has a `/`",
        context.path()
    );
    context.error(key, Code::BadValue, message, "put folders into `hdfs.path`");
    None
}

fn naming(context: &mut Context) -> Option<Naming> {
    let prefix = context.string("hdfs.filePrefix", "FlumeData");
    let naming = Naming {
        prefix: template(context, "hdfs.filePrefix", &prefix)?,
        suffix: context.optional("hdfs.fileSuffix").unwrap_or_default(),
        in_use_prefix: context.string("hdfs.inUsePrefix", ""),
        in_use_suffix: context.string("hdfs.inUseSuffix", ".tmp"),
    };
    let keys = [
        "hdfs.filePrefix",
        "hdfs.fileSuffix",
        "hdfs.inUsePrefix",
        "hdfs.inUseSuffix",
    ];
    let fits = keys.map(|key| check_name(context, key));
    fits.iter().all(Option::is_some).then_some(naming)
}

fn limits(context: &mut Context, defaults: &Defaults) -> Option<RollLimits> {
    let mut number = |key: &str, default: i64, most: i64| {
        // Flume takes every number that is not above 0 for "no limit".
        let number = context.number(key, default, i64::MIN..=most)?;
        let number = u64::try_from(number).unwrap_or(0);
        Some((number > 0).then_some(number))
    };
    let bytes = number("hdfs.rollSize", defaults.bytes, i64::MAX);
    let count = number("hdfs.rollCount", defaults.count, i64::MAX);
    let idle = number("hdfs.idleTimeout", 0, MOST_SECONDS);
    Some(RollLimits {
        interval: None,
        bytes: bytes?,
        count: count?,
        idle: idle?.map(Duration::from_secs),
    })
}

fn times(context: &mut Context) -> Option<Times> {
    let local = context.flag("hdfs.useLocalTimeStamp", false);
    let untimed = context.one_of(
        "hdfs.withoutTimestamp",
        "fail",
        &[("fail", Untimed::Fail), ("now", Untimed::Now)],
    );
    let round = context.flag("hdfs.round", false);
    let unit = context.one_of(
        "hdfs.roundUnit",
        "second",
        &[
            ("second", RoundUnit::Second),
            ("minute", RoundUnit::Minute),
            ("hour", RoundUnit::Hour),
        ],
    );
    let most = unit.map_or(60, RoundUnit::most);
    let value = context.number("hdfs.roundValue", 1, 1..=most);
    let zone = match context.optional("hdfs.timeZone") {
        None => Some(TimeZone::system()),
        Some(name) => Some(zone(&name).unwrap_or_else(|| {
            let message = format!(
                "`{}.hdfs.timeZone` is not a known time zone: `{name}`",
                context.path()
            );
            let help = "write a name like `Europe/Berlin`, or `GMT+2`; Java reads any other as GMT";
            context.replaced_value("hdfs.timeZone", message, help);
            TimeZone::UTC
        })),
    };
    let rounding = Rounding {
        value: value?,
        unit: unit?,
    };
    Some(Times {
        local,
        rounding: round.then_some(rounding),
        zone: zone?,
        untimed: untimed?,
    })
}
