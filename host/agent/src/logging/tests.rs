//! Lines as they leave: events are logged through the layer, and what comes out is read.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::info_span;

use super::*;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the log says in this format while the work is done.
fn said(format: Format, work: impl FnOnce()) -> String {
    let kept = Kept::default();
    let queue = LineQueue::start(kept.clone(), |_| String::new()).unwrap();
    let log = Log { format, queue };
    flume_components::said::hear_all();
    let subscriber = tracing_subscriber::registry().with(log.clone());
    tracing::subscriber::with_default(subscriber, work);
    assert!(log.queue.flush(Duration::from_secs(20)));
    String::from_utf8(kept.0.lock().clone()).unwrap()
}

/// A sink, a policy and an error, all hostile.
fn hostile() {
    let span = info_span!("component", agent = "a1", component = "k1");
    let _entered = span.enter();
    let error = io::Error::other("no\n<3>ERROR forged\u{1b}[31m\u{2028}");
    tracing::warn!(%error, attempts = 3, ok = false, "sink failed");
    tracing::info!(text = "say \"é\"\n", message = "twice", "policy says");
    tracing::info!(
        component = "other",
        level = 1,
        "Event: {}",
        "row\n00000010 row\u{1b}"
    );
}

/// The lines without their times.
fn timeless(text: &str) -> Vec<&str> {
    text.lines()
        .map(|line| match line.split_once("Z ") {
            Some((time, rest)) if time.starts_with("20") => rest,
            _ => line,
        })
        .collect()
}

#[test]
fn a_line_of_text_is_one_line_whatever_it_says() {
    let text = said(Format::Text { colours: false }, hostile);
    assert_eq!(
        timeless(&text),
        [
            concat!(
                r" WARN sink failed error=no\n<3>ERROR forged\u{1b}[31m\u{2028} attempts=3 ok=false",
                r#" agent="a1" component="k1""#
            ),
            concat!(
                r#" INFO policy says text="say \"é\"\n" message_="twice""#,
                r#" agent="a1" component="k1""#
            ),
            " INFO Event: row",
            r#"00000010 row\u{1b} component="other" level_=1 agent="a1""#,
        ]
    );
}

#[test]
fn colours_are_ours_alone() {
    let text = said(Format::Text { colours: true }, || {
        tracing::error!(name = "\u{1b}[0m", "words");
    });
    let (_, rest) = text.split_once(" ").unwrap();
    assert_eq!(
        rest,
        "\u{1b}[31mERROR\u{1b}[0m words \u{1b}[3mname\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"\\u{1b}[0m\"\n"
    );
}

#[test]
fn each_line_for_the_journal_has_its_priority_and_no_time() {
    let text = said(Format::Journal, || {
        tracing::error!("one");
        tracing::warn!("two");
        tracing::info!("three\nrows");
        tracing::debug!("four");
    });
    let expected = "<3>ERROR one\n<4>WARN two\n<6>INFO three\n<6>rows\n<7>DEBUG four\n";
    assert_eq!(text, expected);
    assert_eq!(
        Format::Journal.drawing("a\n\nb\u{1b}\n"),
        "<4>a\n<4>b\\u{1b}\n"
    );
}

#[test]
fn json_lines_have_no_key_twice() {
    let text = said(Format::Json, hostile);
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| {
            let keys: Vec<String> = keys(line);
            let distinct: BTreeSet<&String> = keys.iter().collect();
            assert_eq!(distinct.len(), keys.len(), "{line}");
            serde_json::from_str(line).unwrap()
        })
        .collect();
    let [failed, says, event] = &lines[..] else {
        panic!("{text}");
    };
    assert_eq!(failed["level"], "WARN");
    assert_eq!(failed["agent"], "a1");
    assert_eq!(failed["component"], "k1");
    assert_eq!(failed["attempts"], 3);
    assert_eq!(failed["ok"], false);
    assert_eq!(failed["error"], "no\n<3>ERROR forged\u{1b}[31m\u{2028}");
    assert_eq!(says["text"], "say \"é\"\n");
    assert_eq!(event["component"], "other");
    assert_eq!(event["level"], "INFO");
    assert_eq!(event["message"], "Event: row\n00000010 row\u{1b}");
}

/// The keys of a flat object, each as often as it is written.
fn keys(line: &str) -> Vec<String> {
    struct Keys(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            from.deserialize_map(Reads)
        }
    }
    struct Reads;
    impl<'de> serde::de::Visitor<'de> for Reads {
        type Value = Keys;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
            let mut keys = Vec::new();
            while let Some((key, _)) = map.next_entry::<String, serde_json::Value>()? {
                keys.push(key);
            }
            Ok(Keys(keys))
        }
    }
    serde_json::from_str::<Keys>(line).unwrap().0
}

/// A journal's name is inherited by programs whose standard error goes elsewhere.
#[test]
fn the_journal_is_the_file_that_it_names() {
    use std::os::unix::fs::MetadataExt;
    let (file, other) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let is = file.metadata().unwrap();
    let name = format!("{}:{}", is.dev(), is.ino());
    assert!(is_stream(&name, &file));
    assert!(!is_stream(&name, &other));
    assert!(!is_stream("", &file));
}
