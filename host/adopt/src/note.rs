//! The note of an adoption: how far it has come. It is replaced as a whole, and safe when it is
//! there.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::refusal::Refusal;
use crate::steps;

/// The name of the note, in the directory of the checkpoint.
pub(crate) const NAME: &str = "adopting-by-flume-host";
/// Bytes of a note, of which each log has a line.
const MOST_NOTE: u64 = 4 << 20;
const FIRST_LINE: &str = "flume-host is adopting a file channel of Apache Flume; leave this file";

/// How far an adoption has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// Some of the events may be in our log, from this sequence on.
    Begun { channel: String, sequence: u64 },
    /// All of them are. Files of Flume, the logs of these numbers, may be moved.
    Safe { aside: String, logs: BTreeSet<u32> },
}

impl Note {
    pub(crate) fn path(directory: &Path) -> PathBuf {
        directory.join(NAME)
    }

    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Refusal> {
        let path = Self::path(directory);
        match fs::metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Ok(about) if about.len() <= MOST_NOTE => {}
            Ok(_) => return Err(strange(path, "it is too large")),
            Err(error) => return Err(Refusal::io(&path)(error)),
        }
        let text = fs::read_to_string(&path).map_err(Refusal::io(&path))?;
        let parsed = Self::parse(&text);
        parsed
            .map(Some)
            .ok_or_else(|| strange(path, "a line of it is missing or wrong"))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut next = |name: &str| lines.next()?.strip_prefix(name);
        next(FIRST_LINE)?;
        let note = match next("state ")? {
            "begun" => Self::Begun {
                channel: next("channel ")?.to_owned(),
                sequence: next("sequence ")?.parse().ok()?,
            },
            "safe" => {
                let aside = next("aside ")?.to_owned();
                let is_name = !aside.is_empty() && !aside.contains('/') && aside != "..";
                let numbers = next("logs")?.split_whitespace().map(str::parse);
                Self::Safe {
                    aside: is_name.then_some(aside)?,
                    logs: numbers.collect::<Result<_, _>>().ok()?,
                }
            }
            _ => return None,
        };
        next("end")?;
        Some(note)
    }

    fn text(&self) -> String {
        let lines = match self {
            Self::Begun { channel, sequence } => {
                format!("state begun\nchannel {channel}\nsequence {sequence}")
            }
            Self::Safe { aside, logs } => {
                let logs: String = logs.iter().map(|log| format!(" {log}")).collect();
                format!("state safe\naside {aside}\nlogs{logs}")
            }
        };
        format!("{FIRST_LINE}\n{lines}\nend\n")
    }

    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        let draft = directory.join(format!("{NAME}.tmp"));
        steps::write(&draft, &self.text())?;
        steps::rename(&draft, &Self::path(directory))?;
        steps::sync(directory)
    }
}

fn strange(note: PathBuf, why: &str) -> Refusal {
    let why = why.to_owned();
    Refusal::Note { note, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> [Note; 3] {
        [
            Note::Begun {
                channel: "ab12".to_owned(),
                sequence: 7,
            },
            Note::Safe {
                aside: "x-2".to_owned(),
                logs: BTreeSet::from([1, 30]),
            },
            Note::Safe {
                aside: "x".to_owned(),
                logs: BTreeSet::new(),
            },
        ]
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Note::read(directory.path()).unwrap(), None);
        for note in notes() {
            note.write(directory.path()).unwrap();
            assert_eq!(Note::read(directory.path()).unwrap(), Some(note));
        }
    }

    #[test]
    fn a_part_of_a_note_is_refused() {
        for note in notes() {
            let text = note.text();
            for end in 0..text.len() - 1 {
                assert_eq!(
                    Note::parse(text.get(..end).unwrap()),
                    None,
                    "{end} of {text}"
                );
            }
        }
    }

    #[test]
    fn a_note_does_not_lead_out_of_its_directory() {
        for aside in ["..", "a/b", ""] {
            let note = Note::Safe {
                aside: aside.to_owned(),
                logs: BTreeSet::new(),
            };
            assert_eq!(Note::parse(&note.text()), None);
        }
    }
}
