//! Findings as text, like a compiler's, and as JSON for machines.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use flume_core::{Diagnostic, Severity, Span};
use serde::Serialize;

use super::SourceFile;
use super::hidden::ShownText;

/// The findings as text, one after the other; with colours if `color`.
pub(crate) fn render(diagnostics: &[Diagnostic], file: &SourceFile, color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    // The output has to be the same on every terminal, so no line is cut.
    let renderer = renderer
        .decor_style(DecorStyle::Ascii)
        .term_width(usize::MAX >> 1);
    let shown = ShownText::new(&file.text, &file.hidden);
    let mut text = String::new();
    for finding in diagnostics {
        text.push_str(&renderer.render(&[group(finding, &file.path, &shown)]));
        text.push_str("\n\n");
    }
    text
}

/// The number of findings of each severity, in one line.
pub(crate) fn summary(diagnostics: &[Diagnostic], file: &SourceFile) -> String {
    let count = |severity: Severity, one: &str| {
        let count = diagnostics
            .iter()
            .filter(|finding| finding.severity == severity)
            .count();
        match count {
            0 => None,
            1 => Some(format!("1 {one}")),
            many => Some(format!("{many} {one}s")),
        }
    };
    let counts = [
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning"),
        count(Severity::Note, "note"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    match counts.as_slice() {
        [] => format!("{}: nothing to report", file.path),
        counts => format!("{}: {}", file.path, counts.join(", ")),
    }
}

/// The findings as a JSON array.
pub(crate) fn json(diagnostics: &[Diagnostic], file: &SourceFile) -> String {
    let findings: Vec<JsonFinding<'_>> = diagnostics
        .iter()
        .map(|finding| JsonFinding::new(finding, file))
        .collect();
    // Strings and numbers always become JSON.
    serde_json::to_string_pretty(&findings).unwrap_or_default()
}

fn group<'f>(finding: &'f Diagnostic, path: &'f str, shown: &'f ShownText) -> Group<'f> {
    let place = |span: Span| range(shown.place(span), &shown.text);
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let group = level
        .primary_title(finding.message.as_str())
        .id(finding.code.id());
    let group = match finding.span {
        Some(span) => {
            let primary = AnnotationKind::Primary.span(place(span));
            let mut snippet = Snippet::source(shown.text.as_str())
                .path(path)
                .annotation(primary.label(finding.label.as_str()));
            for (span, label) in &finding.related {
                let context = AnnotationKind::Context.span(place(*span));
                snippet = snippet.annotation(context.label(label.as_str()));
            }
            group.element(snippet)
        }
        None => group.element(Origin::path(path)),
    };
    match &finding.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// The place as a range within the text, at character boundaries.
fn range(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(span.start);
    let end = text.ceil_char_boundary(span.end.min(text.len()));
    start..end.max(start)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFinding<'f> {
    file: &'f str,
    #[serde(flatten)]
    place: Option<TextRange>,
    code: &'f str,
    severity: &'f str,
    message: &'f str,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'f str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'f>>,
}

#[derive(Serialize)]
struct Related<'f> {
    #[serde(flatten)]
    place: TextRange,
    message: &'f str,
}

/// Lines and columns count from 1, columns in characters; the end is after the last character.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TextRange {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

impl<'f> JsonFinding<'f> {
    fn new(finding: &'f Diagnostic, file: &'f SourceFile) -> Self {
        let related = finding.related.iter().map(|(span, message)| Related {
            place: TextRange::new(*span, &file.text),
            message,
        });
        Self {
            file: &file.path,
            place: finding.span.map(|span| TextRange::new(span, &file.text)),
            code: finding.code.id(),
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            },
            message: &finding.message,
            label: &finding.label,
            help: finding.help.as_deref(),
            related: related.collect(),
        }
    }
}

impl TextRange {
    fn new(span: Span, text: &str) -> Self {
        let range = range(span, text);
        let (line, column) = position(text, range.start);
        let (end_line, end_column) = position(text, range.end);
        Self {
            line,
            column,
            end_line,
            end_column,
        }
    }
}

/// Line and column of a byte, both from 1.
pub(crate) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests;
