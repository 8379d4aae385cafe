//! `convert`: a properties file as TOML, or the other way round.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flume_components::{Resolver, Services};
use flume_core::context::Mode;
use flume_core::shell::{EXIT_CONFIG, complain, print, unreadable};
use flume_core::{Code, Diagnostic, Severity};

use crate::config::{self, Format, SourceFile, convert, render, tree};
use crate::secrets;

/// Writes the file in the other syntax to standard output. Keys, values and the order of components
/// are kept; comments are not. Mistakes in the contents are kept as they are; only a file that
/// cannot be read unambiguously is refused, with 78.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The file: Flume's properties, or TOML if its name ends in `.toml`.
    pub file: PathBuf,
    /// The syntax to write. Default: the one that the file does not have.
    #[arg(long, value_enum)]
    pub to: Option<Format>,
}

/// Runs the command.
pub(crate) fn run(args: &ConvertArgs) -> ExitCode {
    let bytes = match std::fs::read(&args.file) {
        Ok(bytes) => bytes,
        Err(error) => return unreadable(&args.file, &error),
    };
    let path = args.file.display().to_string();
    let to = args.to.unwrap_or(match Format::of(&path) {
        Format::Properties => Format::Toml,
        Format::Toml => Format::Properties,
    });
    match converted(path, bytes, to) {
        Ok(text) => {
            print(&text);
            ExitCode::SUCCESS
        }
        Err((findings, file)) => {
            complain(&render::render(&findings, &file, false));
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// The file in this syntax, or why it is ambiguous.
fn converted(
    path: String,
    bytes: Vec<u8>,
    to: Format,
) -> Result<String, (Vec<Diagnostic>, SourceFile)> {
    let (mut file, properties, mut findings) = config::read(path, bytes);
    // The values are written, all of them; the findings go to a terminal or a log.
    let services = Services::system(Resolver::default());
    secrets::hide(&mut file, &properties, &services, false);
    let text = convert::convert(&properties, to);
    let (_, structure) = tree::build(properties, &[], Mode::Strict);
    findings.extend(
        structure
            .into_iter()
            // Twice the same is not ambiguous.
            .filter(|found| found.code == Code::DuplicateKey)
            .filter(|found| found.severity == Severity::Error),
    );
    match findings
        .iter()
        .any(|found| found.severity == Severity::Error)
    {
        true => Err((findings, file)),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_meanings_is_refused() {
        let convert = |text: &str| converted("f".to_owned(), text.into(), Format::Toml);
        let (findings, _) = convert("a.sinks = s\na.sinks = t\n").unwrap_err();
        assert_eq!(findings[0].code, Code::DuplicateKey);
        let (findings, _) = convert("a.sinks = \\u12\n").unwrap_err();
        assert_eq!(findings[0].code, Code::Syntax);
        for text in ["a.sinks = s\n", "a.sinks = s\na.sinks = s\n"] {
            assert_eq!(convert(text).unwrap(), "[a.sinks.s]\n");
        }
    }

    #[test]
    fn values_are_written_and_not_shown_in_findings() {
        let keys = "a.sinks.k.type = avro\na.sinks.k.truststore-password = hunter2\n";
        let convert = |text: &str| converted("f".to_owned(), text.into(), Format::Toml);
        assert!(convert(keys).unwrap().contains("hunter2"));
        let doubled = format!("{keys}a.sinks.k.truststore-password = hunter3\n");
        let (findings, file) = convert(&doubled).unwrap_err();
        let shown = render::render(&findings, &file, false);
        assert!(shown.contains("password = ***"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
