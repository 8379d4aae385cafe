//! Who says what about a client, and who wins: the house, then the component, then the file, then
//! what holds whatever the file says.

use std::collections::BTreeMap;

use flume_core::context::{Mode, Value, did_you_mean};
use flume_core::{Code, Context, Severity};

use super::kind::{Built, Kind, Pairs};
use super::library::{self, Use};
use super::names::{self, Becomes, Name};
use super::value::{Fit, Flaw};

/// Who says it. The later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// What Java's client does by itself.
    House,
    /// What the component does by itself.
    Component,
    /// The file.
    File,
    /// What holds whatever the file says.
    Fixed,
}

/// A value, and who says it under which name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) rank: Rank,
    pub(super) key: String,
    pub(super) text: String,
}

/// Settings of a client, and the older keys of components that say the same.
const OLD: [(&str, &str); 3] = [
    ("acks", "requiredAcks"),
    ("auto.offset.reset", "readSmallestOffset"),
    ("group.id", "groupId"),
];

/// Settings whose meaning depends on others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// They stand for themselves.
    Plain,
    /// Only with TLS.
    Tls,
    /// Only with SASL.
    Sasl,
}

/// The settings of one client while they are read.
pub(super) struct Reading {
    /// The keys of the file below the prefix.
    pub(super) keys: Context,
    /// Keys of the component that say something for a client, where the file has them.
    pub(super) old: BTreeMap<&'static str, (String, Value)>,
    pub(super) kind: Kind,
    pub(super) built: Built,
    /// What is said, the winner last; by names in which the library's aliases are one.
    said: BTreeMap<String, Vec<Said>>,
    /// What the library is told.
    told: BTreeMap<&'static str, Said>,
}

impl Said {
    /// A part of the value, with its place.
    pub(super) fn part(&self, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..self.clone()
        }
    }
}

impl Part {
    /// To which part a name belongs.
    pub(super) fn of(name: &str) -> Self {
        let begins = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
        if begins(&["ssl.", "enable.ssl."]) {
            Self::Tls
        } else if begins(&["sasl.", "enable.sasl."]) {
            Self::Sasl
        } else {
            Self::Plain
        }
    }
}

impl Reading {
    /// Takes the keys of the file.
    pub(super) fn new(context: &mut Context, kind: Kind, built: Built) -> Self {
        context.accept(&format!("{}.<key>", kind.prefix()));
        let mut keys = context.below(kind.prefix());
        keys.accept_all();
        keys.free_form("", names::is_harmless);
        for secret in names::secrets() {
            keys.conceal(secret);
        }
        let of = |old: &str| context.iter().find(|(key, _)| *key == old);
        let old = OLD.iter().filter_map(|(name, old)| {
            let (_, value) = of(old)?;
            Some((*name, (format!("{}.{old}", context.path()), value.clone())))
        });
        let mut reading = Self {
            keys,
            old: old.collect(),
            kind,
            built,
            said: BTreeMap::new(),
            told: BTreeMap::new(),
        };
        let given = reading.keys.iter();
        let given = given.map(|(key, value)| (key.to_owned(), value.text.clone()));
        for (key, text) in given.collect::<Vec<_>>() {
            reading.say(Rank::File, &key, &text);
        }
        reading
    }

    /// Adds what somebody says.
    pub(super) fn say(&mut self, rank: Rank, key: &str, text: &str) {
        let alias = library::find(key, self.kind).and_then(|setting| match setting.use_of {
            Use::Alias(other) => Some(other),
            _ => None,
        });
        let said = Said {
            rank,
            key: key.to_owned(),
            text: text.to_owned(),
        };
        let all = self.said.entry(alias.unwrap_or(key).to_owned());
        let all = all.or_default();
        all.push(said);
        all.sort_by_key(|said| said.rank);
    }

    /// What counts of what is said under a name.
    pub(super) fn said(&self, name: &str) -> Option<&Said> {
        self.said.get(name).and_then(|all| all.last())
    }

    /// The names under which something is said that belong to a part.
    pub(super) fn names_of(&self, part: Part) -> Vec<String> {
        let names = self.said.keys().filter(|name| Part::of(name) == part);
        names.cloned().collect()
    }

    /// What the library is told under a name, if not nothing.
    pub(super) fn told(&self, name: &str) -> Option<&Said> {
        self.told.get(name).filter(|said| !said.text.is_empty())
    }

    /// The same as a number.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.told(name)?.text.parse().ok()
    }

    /// Translates what is said under these names, the winner last.
    pub(super) fn translate(&mut self, names: &[String]) {
        let all = names.iter();
        let all = all.filter_map(|name| Some((name.clone(), self.said.get(name)?.clone())));
        let all = all.flat_map(|(name, said)| said.into_iter().map(move |it| (name.clone(), it)));
        let mut all: Vec<(String, Said)> = all.collect();
        all.sort_by_key(|(_, said)| said.rank);
        for (name, said) in all {
            match (
                names::find(&name, self.kind),
                library::find(&name, self.kind),
            ) {
                (Some(java), _) => self.translate_java(java, &said),
                (None, Some(setting)) => match setting.use_of {
                    Use::Passed(_) | Use::Alias(_) => self.tell(setting.name, &said),
                    Use::Ours(_) if said.rank != Rank::File => self.tell(setting.name, &said),
                    Use::Ours(why) => self.refuse(&said, why),
                },
                (None, None) => self.unknown(&said),
            }
        }
    }

    fn translate_java(&mut self, name: &'static Name, said: &Said) {
        match name.becomes {
            Becomes::Setting(setting, how) => match how.convert(&said.text) {
                Err(flaw) => self.flawed(said, flaw),
                Ok(text) if text.is_empty() => {
                    let before = self.told(setting);
                    if before.is_some_and(|before| before.key == said.key) {
                        self.drop_told(setting);
                    }
                }
                Ok(text) => {
                    let text = text.into_owned();
                    self.tell(
                        setting,
                        &Said {
                            text,
                            ..said.clone()
                        },
                    );
                }
            },
            Becomes::Level(codec) => match self.said("compression.type") {
                Some(used) if used.text.eq_ignore_ascii_case(codec) => {
                    self.tell("compression.level", said);
                }
                _ => self.without_effect(said, &format!("`compression.type` is not `{codec}`")),
            },
            Becomes::Part(_) => {}
            Becomes::Classes(classes) if classes.contains(&said.text.as_str()) => {}
            Becomes::Classes(classes) => self.flawed(said, Flaw::NoSuchClass(classes.to_vec())),
            Becomes::Nothing(why) => self.without_effect(said, why),
            Becomes::Missing(why) => {
                let message = format!("`{}` is not done: {why}", self.name(said));
                self.find(
                    Code::NoEffect,
                    Severity::Warning,
                    said,
                    message,
                    "remove the line",
                );
            }
            Becomes::Refused(why) => self.refuse(said, why),
        }
    }

    /// Tells the library a value in its words.
    pub(super) fn tell(&mut self, setting: &'static str, said: &Said) {
        let passed = library::find(setting, self.kind).map(|setting| setting.use_of);
        let fit = match passed {
            Some(Use::Passed(is)) if !said.text.is_empty() => is.check(&said.text),
            _ => {
                let text = said.text.clone();
                let is_less = false;
                Ok(Fit { text, is_less })
            }
        };
        let fit = match fit {
            Ok(fit) => fit,
            Err(flaw) => return self.flawed(said, flaw),
        };
        if fit.is_less {
            let message = format!("`{}` is more than the client takes", self.name(said));
            let help = format!("{} is taken instead", fit.text);
            self.find(Code::OutOfRange, Severity::Warning, said, message, &help);
        }
        let said = Said {
            text: fit.text,
            ..said.clone()
        };
        if let Some(before) = self.told.get(setting).cloned()
            && before.text != said.text
            && before.rank == Rank::File
        {
            self.overruled(&before, &said);
        }
        self.told.insert(setting, said);
    }

    /// What the library is told in the end.
    pub(super) fn pairs(&self) -> Pairs {
        let told = self.told.iter().filter(|(_, said)| !said.text.is_empty());
        Pairs(
            told.map(|(name, said)| ((*name).to_owned(), said.text.clone()))
                .collect(),
        )
    }

    /// Takes back what the library is told.
    pub(super) fn drop_told(&mut self, name: &str) {
        self.told.remove(name);
    }

    fn overruled(&mut self, before: &Said, said: &Said) {
        if said.rank == Rank::File {
            let message = format!(
                "`{}` and `{}` say different things",
                self.name(before),
                said.key
            );
            self.find(
                Code::DuplicateKey,
                Severity::Error,
                said,
                message,
                "remove one of them",
            );
            return;
        }
        let message = format!("`{}` is overruled", self.name(before));
        let help = format!("`{}` holds; remove the line", said.text);
        self.find(Code::NoEffect, Severity::Warning, before, message, &help);
    }

    fn unknown(&mut self, said: &Said) {
        let guess = did_you_mean(&said.key, &names::known(self.kind));
        // One that is near no other changes nothing in Java either.
        let severity = match (&guess, self.keys.mode()) {
            (Some(_), Mode::Strict) => Severity::Error,
            _ => Severity::Warning,
        };
        let message = format!(
            "`{}` does not know the key `{}`",
            self.keys.path(),
            said.key
        );
        let help = guess.unwrap_or_else(|| "remove it; Kafka's clients do not read it".to_owned());
        self.find(Code::UnknownKey, severity, said, message, &help);
    }
}
