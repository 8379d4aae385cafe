//! The logger sink: each event as a line of the log, in Flume's words.
//!
//! Flume takes one event in a transaction. Nothing here can fail, so a larger batch gives the same
//! lines in the same order with fewer transactions. Only a process that is killed between the lines
//! and the commit could log more than one event again; but then a memory channel is gone as well.
//!
//! Headers are shown as they are, except for control characters: an event must not forge log lines.
//! A line that the log has no room for is dropped and counted there; the event counts as delivered.

use std::fmt::Write;

use async_trait::async_trait;
use flume_core::{Context, Event, EventDeliveryError, JavaMap, Recipe, Sink, printable};

use crate::services::Services;

/// The name to write, then Flume's class.
pub const NAMES: &[&str] = &["logger", "org.apache.flume.sink.LoggerSink"];

/// Bytes in one row of a dump.
const COLUMNS: usize = 16;

/// Events in one transaction.
const BATCH_SIZE: usize = 100;

/// Logs events.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggerSink {
    max_bytes: usize,
}

/// Reads `maxBytesToLog` (16).
pub fn configure(context: &mut Context, _: &Services) -> Option<Recipe<dyn Sink>> {
    let max_bytes = context.number_or_default("maxBytesToLog", 16, 0..=1 << 30);
    let sink = LoggerSink { max_bytes };
    Some(Recipe::<dyn Sink>::new(sink, |sink| Box::new(sink.clone())))
}

#[async_trait]
impl Sink for LoggerSink {
    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn deliver(&mut self, batch: &[Event]) -> Result<(), EventDeliveryError> {
        if tracing::enabled!(tracing::Level::INFO) {
            for event in batch {
                tracing::info!("Event: {}", dump(event, self.max_bytes));
            }
        }
        Ok(())
    }
}

/// An event as Flume prints it: headers, and the first bytes of the body in hexadecimal and text.
fn dump(event: &Event, max_bytes: usize) -> String {
    let headers = JavaMap(&event.headers).to_string();
    let mut text = format!("{{ headers:{} body:", printable(&headers));
    let body = event.body.get(..max_bytes).unwrap_or(&event.body);
    for (row, bytes) in body.chunks(COLUMNS).enumerate() {
        if row > 0 {
            push(&mut text, format_args!("\n{:08X}", row * COLUMNS));
        }
        text.push(' ');
        for column in 0..COLUMNS {
            match bytes.get(column) {
                Some(byte) => push(&mut text, format_args!("{byte:02X} ")),
                None => text.push_str("   "),
            }
        }
        text.extend(bytes.iter().map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        }));
    }
    text.push_str(" }");
    text
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    text.write_fmt(more).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::said::Said;
    use crate::source::harness::services;

    /// Flume: TestEventHelper.testPrintable, testNonPrintable (G11).
    #[test]
    fn text_is_visible_and_zeros_are_dots() {
        assert_eq!(
            dump(&Event::new("Some text"), 16),
            "{ headers:{} body: 53 6F 6D 65 20 74 65 78 74                      Some text }"
        );
        assert_eq!(
            dump(&Event::new(vec![0; 5]), 16),
            "{ headers:{} body: 00 00 00 00 00                                  ..... }"
        );
    }

    #[test]
    fn a_body_is_cut_at_the_limit() {
        let event = Event::new("Hello world! this is cut").with_header("k", "v");
        assert_eq!(
            dump(&event.with_header("l", "w"), 16),
            "{ headers:{k=v, l=w} body: 48 65 6C 6C 6F 20 77 6F 72 6C 64 21 20 74 68 69 \
             Hello world! thi }"
        );
    }

    #[test]
    fn further_rows_have_an_offset() {
        assert_eq!(
            dump(&Event::new("0123456789abcdefghi"), 100),
            "{ headers:{} body: 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 0123456789abcdef\n\
             00000010 67 68 69                                        ghi }"
        );
    }

    #[test]
    fn empty_bodies_and_hostile_headers() {
        assert_eq!(dump(&Event::new(""), 16), "{ headers:{} body: }");
        assert_eq!(dump(&Event::new("a"), 0), "{ headers:{} body: }");
        let event = Event::new("").with_header("k", "é\nINFO forged\u{2028}");
        let shown = r"{ headers:{k=é\nINFO forged\u{2028}} body: }";
        assert_eq!(dump(&event, 16), shown);
    }

    /// Flume: TestLoggerSink.testAppend, testAppendWithCustomSize (G11).
    #[tokio::test]
    async fn each_event_is_a_line_of_the_log() {
        let said = Said::listen();
        let mut context = Context::of("a1.sinks.k1", &[("maxBytesToLog", "30")]);
        let mut sink = configure(&mut context, &services()).unwrap().make();
        assert_eq!(context.finish(), []);
        let batch: Vec<Event> = (0..10).map(|n| Event::new(format!("event {n}"))).collect();
        sink.deliver(&batch).await.unwrap();
        let lines = said.lines("Event: ");
        assert_eq!(lines.len(), 10);
        for (n, line) in lines.iter().enumerate() {
            assert!(line.starts_with("INFO ") && line.contains("Event: { headers:{} body: 65 76"));
            assert!(line.ends_with(&format!("event {n} }}")), "{line}");
        }
    }
}
