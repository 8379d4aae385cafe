//! Where a record goes: the topic and the partition, from keys of the file and headers of the event.

use bytestring::ByteString;
use flume_core::{Code, Context, Event};

/// A topic's name with the values of headers in it: `logs-%{host}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TopicName {
    /// Without headers in it.
    Fixed(ByteString),
    /// With some.
    Parts(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    Header(String),
}

impl TopicName {
    /// A name without headers in it.
    pub(crate) fn literal(name: &str) -> Self {
        match name {
            // No name: each event hears of it.
            "" => Self::Parts(Vec::new()),
            name => Self::Fixed(name.into()),
        }
    }

    /// Reads the value of a key.
    pub(crate) fn read(context: &mut Context, key: &str, text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            parts.push(Part::Text(before.to_owned()));
            let header = after.strip_prefix('{').and_then(|it| it.split_once('}'));
            let Some((header, after)) = header else {
                let message = format!(
                    "`{}.{key}` has an escape that topics do not have here: `%{after}`",
                    context.path()
                );
                let help = "a topic can have headers in its name, `%{header}`; for dates, set a header \
                            with an interceptor";
                context.error(key, Code::Unsupported, message, help);
                return None;
            };
            parts.push(Part::Header(header.to_owned()));
            rest = after;
        }
        if parts.is_empty() {
            return Some(Self::literal(text));
        }
        parts.push(Part::Text(rest.to_owned()));
        Some(Self::Parts(parts))
    }

    /// The name if it has no headers in it.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self {
            Self::Fixed(name) => Some(name),
            Self::Parts(_) => None,
        }
    }

    /// The name for an event.
    ///
    /// # Errors
    /// A header is missing, or makes a name that Kafka does not take.
    fn of(&self, event: &Event) -> Result<ByteString, String> {
        let parts = match self {
            Self::Fixed(name) => return Ok(name.clone()),
            Self::Parts(parts) => parts,
        };
        let mut name = String::new();
        for part in parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Header(header) => match event.headers.get(header) {
                    Some(value) => name.push_str(value),
                    None => return Err(format!("the header `{header}` of the topic is missing")),
                },
            }
        }
        check(&name)?;
        Ok(name.into())
    }
}

/// How the place of a record is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaceKeys {
    pub(crate) topic: TopicName,
    /// The header that names another topic.
    pub(crate) topic_header: Option<String>,
    /// The partition where no header says one.
    pub(crate) partition: Option<i32>,
    /// The header with the partition.
    pub(crate) partition_header: Option<String>,
}

/// The place of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) topic: ByteString,
    pub(crate) partition: Option<i32>,
    /// Whether the event chose its topic or partition, so that another event may go elsewhere.
    pub(crate) is_own: bool,
}

/// The longest name of a topic that Kafka takes.
const LONGEST_TOPIC: usize = 249;

impl PlaceKeys {
    /// Reads `defaultPartitionId` and `partitionIdHeader`, of a component that goes to this topic.
    pub(crate) fn read(
        context: &mut Context,
        topic: TopicName,
        topic_header: Option<String>,
    ) -> Option<Self> {
        let partition = match context.value("defaultPartitionId") {
            Some(_) => Some(context.required_number("defaultPartitionId", 0..=i32::MAX)?),
            None => None,
        };
        Some(Self {
            topic,
            topic_header,
            partition,
            partition_header: context.optional("partitionIdHeader"),
        })
    }

    /// Where the record of an event goes.
    ///
    /// # Errors
    /// What its headers say is no place.
    pub(crate) fn of(&self, event: &Event) -> Result<Place, String> {
        let header = |name: &Option<String>| event.headers.get(name.as_deref()?);
        let named = header(&self.topic_header);
        let topic = match named {
            Some(name) => {
                check(name)?;
                name.clone()
            }
            None => self.topic.of(event)?,
        };
        let own = header(&self.partition_header).map(|text| {
            let number = text.parse().ok().filter(|number| *number >= 0);
            number.ok_or_else(|| format!("Non integer partition id specified: `{text}`"))
        });
        let own = own.transpose()?;
        Ok(Place {
            is_own: own.is_some() || named.is_some() || self.topic.fixed().is_none(),
            partition: own.or(self.partition),
            topic,
        })
    }
}

/// Whether Kafka takes a name.
fn check(name: &str) -> Result<(), String> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let is_name = !name.is_empty() && name.len() <= LONGEST_TOPIC && name.chars().all(is_fine);
    match is_name && !matches!(name, "." | "..") {
        true => Ok(()),
        false => Err(format!("`{name}` is no name of a topic")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(properties: &[(&str, &str)], topic: &str) -> PlaceKeys {
        let mut context = Context::of("a1.sinks.k1", properties);
        let topic = TopicName::read(&mut context, "kafka.topic", topic).unwrap();
        PlaceKeys::read(&mut context, topic, Some("topic".to_owned())).unwrap()
    }

    /// Flume: TestKafkaSink.testStaticTopic, testTopicAndKeyFromHeader,
    /// testReplaceSubStringOfTopicWithHeaders (KK2).
    #[test]
    fn the_topic_is_the_header_or_the_name_with_headers_in_it() {
        let plain = Event::new("x");
        let own = Event::new("x").with_header("topic", "mine");
        let host = Event::new("x").with_header("host", "web1");
        let of = |topic: &str, event: &Event| {
            let place = keys(&[], topic).of(event);
            place.map(|it| (it.topic.to_string(), it.is_own))
        };
        assert_eq!(of("t", &plain), Ok(("t".to_owned(), false)));
        assert_eq!(of("t", &own), Ok(("mine".to_owned(), true)));
        let name = "%{host}-topic";
        assert_eq!(of(name, &host), Ok(("web1-topic".to_owned(), true)));
        assert_eq!(
            of(name, &plain).unwrap_err(),
            "the header `host` of the topic is missing"
        );
        for bad in ["", ".", "a b", "ü", &"x".repeat(250)] {
            let event = Event::new("x").with_header("topic", bad);
            assert!(of("t", &event).is_err(), "{bad}");
        }
    }

    /// Flume: TestPartitions (KC7), and the same of the sink (KK6).
    #[test]
    fn the_partition_is_the_header_or_the_default() {
        let with = |header: Option<&str>, properties: &[(&str, &str)]| {
            let event = Event::new("x");
            let event = match header {
                Some(text) => event.with_header("p", text),
                None => event,
            };
            keys(properties, "t").of(&event).map(|it| it.partition)
        };
        let (header, fixed) = (("partitionIdHeader", "p"), ("defaultPartitionId", "3"));
        assert_eq!(with(Some("7"), &[]), Ok(None));
        assert_eq!(with(Some("7"), &[header]), Ok(Some(7)));
        assert_eq!(with(None, &[header]), Ok(None));
        assert_eq!(with(None, &[header, fixed]), Ok(Some(3)));
        assert_eq!(with(Some("7"), &[header, fixed]), Ok(Some(7)));
        assert_eq!(with(Some("7"), &[fixed]), Ok(Some(3)));
        for bad in ["x", "", "-1", "1.0", "99999999999"] {
            let refused = with(Some(bad), &[header, fixed]).unwrap_err();
            assert!(refused.starts_with("Non integer partition id specified"));
        }
    }

    #[test]
    fn a_topic_with_a_date_is_refused_with_the_way_out() {
        let mut context = Context::of("a1.sinks.k1", &[]);
        assert!(TopicName::read(&mut context, "kafka.topic", "logs-%Y").is_none());
        let found = context.finish();
        assert!(found[0].message.ends_with("do not have here: `%Y`"));
    }
}
