//! Findings about a configuration: what is wrong, where, and how to correct it. Rendering is
//! elsewhere.

use std::fmt;

/// A place in a configuration file, as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// Whether a finding keeps the agent from running. What Flume runs, runs: a finding that does not
/// change what happens is a warning, and an error is for what will not do what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `run` refuses the file (unless `--lenient` is given).
    Error,
    /// The file runs, but probably not as meant.
    Warning,
    /// Explains what the file means, where that is not obvious.
    Note,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The kind of finding.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line: lower case, no full stop, names in backticks.
    pub message: String,
    /// The place; `None` if something is missing from the file as a whole.
    pub span: Option<Span>,
    /// A word under the caret.
    pub label: String,
    /// How to correct it.
    pub help: Option<String>,
    /// Other places that matter, each with a short label.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A finding of the code's own severity.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            span: None,
            label: String::new(),
            help: None,
            related: Vec::new(),
        }
    }

    /// The same, at a place.
    #[must_use]
    pub fn at(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.span = Some(*span);
        self.label = label.into();
        self
    }

    /// The same, with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, with a related place.
    #[must_use]
    pub fn related(mut self, span: &Span, label: impl Into<String>) -> Self {
        self.related.push((*span, label.into()));
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $severity:ident;)*) => {
        /// The kinds of findings. The identifiers are stable: scripts may match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All kinds.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The stable identifier.
            pub fn id(self) -> &'static str {
                match self { $(Code::$name => $id,)* }
            }

            /// The severity of such a finding.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The text is not a properties file or not TOML.
    Syntax = "syntax", Error;
    /// A key that no component reads: an error if it is near one that is read.
    UnknownKey = "unknown-key", Error;
    /// A key that does not have the shape `agent.kind.name.key`: an error if one was meant.
    InvalidKey = "invalid-key", Error;
    /// The same key twice; the last one counts. A warning if both say the same.
    DuplicateKey = "duplicate-key", Error;
    /// A key without a value.
    EmptyValue = "empty-value", Warning;
    /// A required key is missing.
    MissingKey = "missing-key", Error;
    /// A value that has no meaning for its key.
    BadValue = "bad-value", Error;
    /// A number outside its bounds.
    OutOfRange = "out-of-range", Error;
    /// A `type` that is not known.
    UnknownType = "unknown-type", Error;
    /// A channel that the source does not feed.
    UnknownChannel = "unknown-channel", Error;
    /// Events that a source accepts and does not put anywhere.
    EventsDiscarded = "events-discarded", Warning;
    /// Two sinks of a failover group have the same priority.
    EqualPriorities = "equal-priorities", Warning;
    /// A group with fewer sinks than its processor needs, or more.
    GroupSize = "group-size", Error;
    /// A feature of Flume that this host does not have.
    Unsupported = "unsupported", Error;
    /// A key that is accepted and changes nothing here.
    NoEffect = "no-effect", Note;
    /// An agent named on the command line that the file does not have.
    UnknownAgent = "unknown-agent", Error;
    /// A sink group lists a sink that the agent does not have.
    UnknownSink = "unknown-sink", Error;
    /// A component is listed and has no properties: an error if another name was meant.
    NotDescribed = "not-described", Error;
    /// A component has properties and is not listed, so it does not run: an error unless the list
    /// is a choice.
    NotListed = "not-listed", Error;
    /// A name is in one list twice.
    DuplicateName = "duplicate-name", Warning;
    /// A sink group has the same name as a sink that is not its member.
    NameClash = "name-clash", Error;
    /// A sink is in two groups.
    GroupedTwice = "grouped-twice", Error;
    /// A value uses an environment variable that is not set.
    MissingVariable = "missing-variable", Error;
    /// A value looks as if it used a variable, but interpolation is off.
    NotInterpolated = "not-interpolated", Warning;
    /// A channel that no source fills and no sink drains.
    UnusedChannel = "unused-channel", Warning;
    /// A channel that a source needs and no sink drains: an error if a sink that would is left out.
    UndrainedChannel = "undrained-channel", Warning;
    /// A channel that no source fills.
    UnfilledChannel = "unfilled-channel", Warning;
    /// Events of a source go back to where they came from, without end.
    EventLoop = "event-loop", Error;
    /// A batch is larger than its channel's transaction capacity.
    BatchSize = "batch-size", Warning;
    /// A sink whose open files would hold more uncommitted events than its channel has room for.
    HeldEvents = "held-events", Warning;
    /// Two sources listen on one port.
    SharedPort = "shared-port", Warning;
    /// Sources may have more connections at once than the process may open files here.
    OpenFiles = "open-files", Warning;
    /// Two channels keep their events in one folder.
    SharedFolder = "shared-folder", Error;
    /// A channel answers before its events are safe from a loss of power.
    LateSync = "late-sync", Warning;
    /// A channel has a disk, and keeps events in memory alone while that has room.
    InMemory = "in-memory", Note;
    /// The channels of a failover group hold the same events and are treated as one.
    MirroredChannels = "mirrored-channels", Note;
    /// The sinks of a group drain different channels.
    SeparateChannels = "separate-channels", Warning;
    /// A sink that cannot be the spare of a group, as it is configured.
    Spare = "spare", Error;
    /// What a spare takes is lost if the process is killed.
    VolatileSpare = "volatile-spare", Warning;
    /// Folders by time, and events without one: they can never be written.
    MissingTimestamp = "missing-timestamp", Error;
    /// Files that end after ten events, since one limit was set and not the other.
    SmallFiles = "small-files", Warning;
    /// A file or folder that a component needs and that cannot be opened: an error if it is there.
    UnusableFile = "unusable-file", Warning;
    /// A path without a store, and where it is.
    DefaultStore = "default-store", Warning;
    /// A component that does not run, as in Flume: a warning in lenient mode, else an error.
    Dropped = "dropped", Warning;
    /// The file of a policy cannot be read, or is outside the permitted folder.
    PolicyFile = "policy-file", Error;
    /// The file is not a policy of the required kind.
    PolicyRefused = "policy-refused", Error;
    /// A policy refuses its properties; the message is the policy's own.
    PolicyConfig = "policy-config", Error;
    /// A policy broke the contract when it was tried.
    PolicyViolation = "policy-violation", Error;
    /// The command line gives a policy to a group that does not exist.
    UnknownGroup = "unknown-group", Error;
    /// Nothing of an agent runs, as in Flume (lenient mode).
    NothingRuns = "nothing-runs", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
