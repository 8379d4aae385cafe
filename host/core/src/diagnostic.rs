//! Findings about a configuration: what, where, and the remedy. No rendering here.

use std::fmt;

/// A place in a configuration file, as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

/// Whether a finding keeps the agent from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// `run` refuses the file (unless it is told to be lenient).
    Error,
    /// It runs, probably not as meant.
    Warning,
    /// What the file means, where that is not obvious.
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
    /// Where; `None` for what is missing from the file as a whole.
    pub span: Option<Span>,
    /// A word under the caret.
    pub label: String,
    /// How to mend it.
    pub help: Option<String>,
    /// Other places that play a part, with a word each.
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

    /// The same, with another place.
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

            /// How bad such a finding is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The text is not a properties file or not TOML.
    Syntax = "syntax", Error;
    /// A key that no component reads.
    UnknownKey = "unknown-key", Error;
    /// A key that does not have the shape `agent.kind.name.key`.
    InvalidKey = "invalid-key", Error;
    /// The same key twice; the last one counts.
    DuplicateKey = "duplicate-key", Error;
    /// A key without a value.
    EmptyValue = "empty-value", Error;
    /// A key that a component cannot do without.
    MissingKey = "missing-key", Error;
    /// A value that does not mean anything for its key.
    BadValue = "bad-value", Error;
    /// A number outside its bounds.
    OutOfRange = "out-of-range", Error;
    /// A `type` that is not known.
    UnknownType = "unknown-type", Error;
    /// A channel that the source does not feed.
    UnknownChannel = "unknown-channel", Error;
    /// Events that a source accepts and puts nowhere.
    EventsDiscarded = "events-discarded", Warning;
    /// Two sinks of a failover group with one priority.
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
    /// A component is listed and has no properties.
    NotDescribed = "not-described", Error;
    /// A component has properties and is not listed, so it would not run.
    NotListed = "not-listed", Error;
    /// A name stands twice in one list.
    DuplicateName = "duplicate-name", Warning;
    /// A sink group has the name of a sink outside of it.
    NameClash = "name-clash", Error;
    /// A sink stands in two groups.
    GroupedTwice = "grouped-twice", Error;
    /// An environment variable that a value asks for is not set.
    MissingVariable = "missing-variable", Error;
    /// A value looks as if it asked for a variable, and interpolation is off.
    NotInterpolated = "not-interpolated", Warning;
    /// A channel that no source fills and no sink drains.
    UnusedChannel = "unused-channel", Error;
    /// A channel that a source needs and no sink drains.
    UndrainedChannel = "undrained-channel", Warning;
    /// A channel that no source fills.
    UnfilledChannel = "unfilled-channel", Warning;
    /// A batch that is larger than a transaction of its channel.
    BatchSize = "batch-size", Warning;
    /// A sink whose files would hold more events uncommitted than its channel has room for.
    HeldEvents = "held-events", Warning;
    /// Two sources listen on one port.
    SharedPort = "shared-port", Warning;
    /// The channels of a failover group hold the same events and are treated as one.
    MirroredChannels = "mirrored-channels", Note;
    /// The sinks of a group drain different channels.
    SeparateChannels = "separate-channels", Warning;
    /// A component that does not run, as in Flume (lenient mode).
    Dropped = "dropped", Warning;
    /// The file of a policy cannot be read, or may not be.
    PolicyFile = "policy-file", Error;
    /// The file is no policy for its place.
    PolicyRefused = "policy-refused", Error;
    /// A policy refuses its properties in words of its own.
    PolicyConfig = "policy-config", Error;
    /// A policy broke the contract when it was tried out.
    PolicyViolation = "policy-violation", Error;
    /// A policy is given on the command line to a group that is not there.
    UnknownGroup = "unknown-group", Error;
    /// Nothing of an agent runs, as in Flume (lenient mode).
    NothingRuns = "nothing-runs", Error;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
