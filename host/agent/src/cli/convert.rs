//! `convert`: a properties file as TOML, or the other way round.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use flume_core::context::Mode;
use flume_core::{Code, Diagnostic, Severity};

use super::{EXIT_CONFIG, complain, print, unreadable};
use crate::config::{self, Format, SourceFile, convert, render, tree};

/// Writes the file in the other syntax to standard output. Keys, values and the order of
/// components are kept, comments are not. What is wrong with the contents stays as wrong as it is;
/// only a file that cannot be read unambiguously is refused, with 78.
#[derive(Debug, Args)]
pub struct ConvertArgs {
    /// The file: Flume's properties, or TOML if its name ends in `.toml`.
    pub file: PathBuf,
    /// The syntax to write; without it the one that the file does not have.
    #[arg(long, value_enum)]
    pub to: Option<Format>,
}

/// Runs the command.
pub fn run(args: &ConvertArgs) -> ExitCode {
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

/// The file in a syntax, or why it has no single meaning.
fn converted(
    path: String,
    bytes: Vec<u8>,
    to: Format,
) -> Result<String, (Vec<Diagnostic>, SourceFile)> {
    let (file, properties, mut findings) = config::read(path, bytes);
    let text = convert::convert(&properties, to);
    let (_, structure) = tree::build(properties, &[], Mode::Strict);
    findings.extend(
        structure
            .into_iter()
            .filter(|found| found.code == Code::DuplicateKey),
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
        assert_eq!(convert("a.sinks = s\n").unwrap(), "[a.sinks.s]\n");
    }
}
