//! The keys of a kafka source.

use std::fmt;

use flume_core::{Code, Context};

use crate::record::HeaderMap;
use crate::settings::{ClientSettings, Kind};

/// What a file says about a kafka source.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Keys {
    pub(super) name: String,
    pub(super) client: ClientSettings,
    /// Names, or one pattern that begins with `^`.
    pub(super) topics: Vec<String>,
    pub(super) batch_size: usize,
    /// Whether the value of a record is a datum of an event, and not its body.
    pub(super) is_flume: bool,
    pub(super) topic_header: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) on_error: OnError,
}

/// What becomes of a record that is no event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OnError {
    /// It goes on as it is, with a header that says why.
    Pass,
    /// It is counted, and that is all.
    Drop,
    /// It goes to this channel.
    DeadLetter(String),
}

impl OnError {
    fn read(context: &mut Context) -> Option<Self> {
        const KEY: &str = "on-error";
        let text = context.string(KEY, "pass");
        let channel = text.strip_prefix("dead-letter:");
        match (text.as_str(), channel.filter(|name| !name.is_empty())) {
            ("pass", _) => Some(Self::Pass),
            ("drop", _) => Some(Self::Drop),
            (_, Some(channel)) => Some(Self::DeadLetter(channel.to_owned())),
            _ => {
                let message = format!("`{}.{KEY}` cannot be `{text}`", context.path());
                let help = "one of `pass`, `drop` and `dead-letter:<channel>`";
                context.error(KEY, Code::BadValue, message, help);
                None
            }
        }
    }
}

impl fmt::Display for OnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Drop => f.write_str("drop"),
            Self::DeadLetter(channel) => write!(f, "dead-letter:{channel}"),
        }
    }
}

impl Keys {
    /// Reads them: `kafka.topics` or `kafka.topics.regex` (or `topic`), `kafka.consumer.group.id` (or
    /// `groupId`; `flume`), `batchSize` (1000), `useFlumeEventFormat`, `setTopicHeader`, `topicHeader`,
    /// `header.…`, `on-error`, and those of the client.
    pub(super) fn read(context: &mut Context) -> Option<Self> {
        let topics = topics(context);
        let batch_size = context.number_up_to("batchSize", 1000, 1..=1 << 20);
        let why = "a batch leaves when it is full, or when there is nothing more to read";
        context.without_effect("batchDurationMillis", why);
        for key in ["backoffSleepIncrement", "maxBackoffSleep"] {
            context.without_effect(key, "the source waits until there are records");
        }
        context.without_effect("timestampHeader", "Flume does not read this key either");
        let is_flume = context.flag("useFlumeEventFormat", false);
        let sets_topic = context.flag("setTopicHeader", true);
        let topic_header = context.string("topicHeader", "topic");
        let headers = HeaderMap::read(context);
        let on_error = OnError::read(context);
        let group = context.string("groupId", "flume");
        let defaults = [("group.id", group.as_str())];
        let client = ClientSettings::read(context, Kind::Consumer, &defaults, &[]);
        Some(Self {
            name: context.name().to_owned(),
            client: client?,
            topics: topics?,
            batch_size: batch_size?,
            is_flume,
            topic_header: sets_topic.then_some(topic_header),
            headers,
            on_error: on_error?,
        })
    }
}

/// The topics: a pattern wins over names, as in Flume.
fn topics(context: &mut Context) -> Option<Vec<String>> {
    let key = context.spelling(&["kafka.topics", "topic"]);
    let listed = context.optional(key).unwrap_or_default();
    if let Some(pattern) = context.optional("kafka.topics.regex") {
        return Some(vec![posix(context, &pattern)?]);
    }
    let names = listed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.is_empty() {
        let message = format!(
            "`{}` needs the key `kafka.topics`: At least one Kafka topic must be specified.",
            context.path()
        );
        let help = "name the topics with commas between, or a pattern in `kafka.topics.regex`";
        context.error("kafka.topics", Code::MissingKey, message, help);
        return None;
    }
    Some(names)
}

/// A pattern of Java as the library has them, which matches the whole name.
fn posix(context: &mut Context, pattern: &str) -> Option<String> {
    const ONLY_JAVA: [&str; 9] = ["(?", "*?", "+?", "??", "\\p", "\\Q", "\\b", "*+", "++"];
    if let Some(found) = ONLY_JAVA.iter().find(|it| pattern.contains(**it)) {
        let message = format!(
            "`{}.kafka.topics.regex` has `{found}`, which patterns of topics do not have here",
            context.path()
        );
        let help = "write it with `.`, `[…]`, `(…|…)`, `*`, `+`, `?`, `{n,m}`, `\\d`, `\\w`";
        context.error("kafka.topics.regex", Code::Unsupported, message, help);
        return None;
    }
    let mut text = pattern.to_owned();
    let classes = [("\\d", "[0-9]"), ("\\w", "[A-Za-z0-9_]"), ("\\s", "[ ]")];
    for (java, posix) in classes {
        text = text.replace(java, posix);
    }
    let inner = text.strip_prefix('^').unwrap_or(&text);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    Some(format!("^({inner})$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<Keys, String> {
        let mut all = vec![("kafka.bootstrap.servers", "localhost:9092")];
        all.extend_from_slice(properties);
        let mut context = Context::of("a1.sources.r1", &all);
        let keys = Keys::read(&mut context);
        let found = context.finish();
        keys.ok_or_else(|| found.into_iter().map(|it| it.message).collect())
    }

    /// Flume: TestKafkaSource.testSourceProperties, testPatternBasedSubscription (KS7).
    #[test]
    fn topics_are_names_or_a_pattern() {
        let topics = |properties: &[(&str, &str)]| read(properties).map(|keys| keys.topics);
        let both = [
            ("kafka.topics", "a, b ,"),
            ("kafka.topics.regex", "^t\\d+$"),
        ];
        assert_eq!(topics(&both[..1]), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(topics(&both), Ok(vec!["^(t[0-9]+)$".into()]));
        assert_eq!(topics(&[("topic", "old")]), Ok(vec!["old".into()]));
        let none = topics(&[]).unwrap_err();
        assert!(none.contains("At least one Kafka topic must be specified."));
        let java = topics(&[("kafka.topics.regex", "(?i)t")]).unwrap_err();
        assert!(java.contains("has `(?`"), "{java}");
    }
}
