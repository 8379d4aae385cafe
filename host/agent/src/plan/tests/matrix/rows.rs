//! The mistakes: what changes in a file, what still runs, and what is said.

use flume_core::Code;

use super::super::SMALL;

/// Two sinks in a group.
const GROUP: &str = "\
a1.sources = r1
a1.channels = c1
a1.sinks = k1 k2
a1.sinkgroups = g1
a1.sources.r1.type = netcat
a1.sources.r1.bind = 127.0.0.1
a1.sources.r1.port = 44444
a1.sources.r1.channels = c1
a1.channels.c1.type = memory
a1.sinks.k1.type = null
a1.sinks.k1.channel = c1
a1.sinks.k2.type = null
a1.sinks.k2.channel = c1
a1.sinkgroups.g1.sinks = k1 k2
a1.sinkgroups.g1.processor.type = load_balance
";

pub(super) const NOTHING: &str = " |  | ";

/// Everything of [`SMALL`].
const ALL: &str = "r1>c1 | c1 | k1<c1";

pub(super) struct Row {
    pub(super) mistake: &'static str,
    pub(super) file: &'static str,
    pub(super) without: &'static [&'static str],
    pub(super) with: &'static [&'static str],
    /// What runs in lenient mode.
    pub(super) runs: &'static str,
    /// What strict mode finds first; `None` if it accepts the file.
    pub(super) strict: Option<Code>,
    /// What lenient mode says about it.
    pub(super) lenient: Code,
}

const fn row(mistake: &'static str, file: &'static str) -> Row {
    Row {
        mistake,
        file,
        without: &[],
        with: &[],
        runs: NOTHING,
        strict: None,
        lenient: Code::Dropped,
    }
}

/// What validation drops.
pub(super) const COMPONENTS: &[Row] = &[
    Row {
        without: &["a1.channels"],
        strict: Some(Code::MissingKey),
        lenient: Code::NothingRuns,
        ..row("no channels list", SMALL)
    },
    Row {
        without: &["a1.channels.c1.type"],
        with: &["a1.channels.c1.capacity = 200"],
        strict: Some(Code::MissingKey),
        lenient: Code::NothingRuns,
        ..row("no valid channel", SMALL)
    },
    Row {
        without: &["a1.channels", "a1.sources", "a1.sources.r1.channels"],
        with: &[
            "a1.channels = c1 c2",
            "a1.channels.c2.capacity = 200",
            "a1.sources = r1 r2",
            "a1.sources.r1.channels = c1 c2",
            "a1.sources.r2.type = netcat",
            "a1.sources.r2.bind = 127.0.0.1",
            "a1.sources.r2.port = 44445",
            "a1.sources.r2.channels = c2",
        ],
        runs: "r1>c1 | c1 | k1<c1",
        strict: Some(Code::MissingKey),
        ..row("channel without type", SMALL)
    },
    Row {
        without: &["a1.sources.r1.channels"],
        runs: " | c1 | k1<c1",
        strict: Some(Code::MissingKey),
        ..row("source without channels", SMALL)
    },
    Row {
        without: &["a1.sources.r1.channels"],
        with: &["a1.sources.r1.channels = c8 c9"],
        runs: " | c1 | k1<c1",
        strict: Some(Code::UnknownChannel),
        ..row("source with no valid channel", SMALL)
    },
    Row {
        without: &["a1.sources.r1.channels"],
        with: &["a1.sources.r1.channels = c1 c9"],
        runs: "r1>c1 | c1 | k1<c1",
        strict: Some(Code::UnknownChannel),
        lenient: Code::UnknownChannel,
        ..row("source with a good and an unknown channel", SMALL)
    },
    Row {
        without: &["a1.sinks.k1.channel"],
        with: &["a1.sinks.k1.channels = c1"],
        strict: Some(Code::MissingKey),
        lenient: Code::UndrainedChannel,
        ..row("sink without channel (wrote channels)", SMALL)
    },
    Row {
        without: &["a1.sinks.k1.channel"],
        with: &["a1.sinks.k1.channel = c9"],
        strict: Some(Code::UnknownChannel),
        lenient: Code::UndrainedChannel,
        ..row("sink with an unknown channel", SMALL)
    },
    Row {
        without: &["a1.sinks.k1.type", "a1.sinks.k1.channel"],
        strict: Some(Code::NotDescribed),
        lenient: Code::UndrainedChannel,
        ..row("sink listed without any property", SMALL)
    },
    Row {
        without: &["a1.sinks.k1.type"],
        strict: Some(Code::MissingKey),
        lenient: Code::UndrainedChannel,
        ..row("sink without type", SMALL)
    },
];

/// What is dropped when components are made.
pub(super) const LOADING: &[Row] = &[
    Row {
        without: &["a1.sources.r1.bind"],
        runs: " | c1 | k1<c1",
        strict: Some(Code::MissingKey),
        ..row("source required key missing", SMALL)
    },
    Row {
        without: &["a1.sources.r1.type"],
        with: &["a1.sources.r1.type = netcta"],
        strict: Some(Code::UnknownType),
        lenient: Code::NothingRuns,
        ..row("unknown source type", SMALL)
    },
    Row {
        without: &["a1.sinks.k1.type"],
        with: &["a1.sinks.k1.type = nul"],
        strict: Some(Code::UnknownType),
        lenient: Code::NothingRuns,
        ..row("unknown sink type", SMALL)
    },
    Row {
        without: &["a1.channels.c1.type"],
        with: &["a1.channels.c1.type = memry"],
        strict: Some(Code::UnknownType),
        lenient: Code::NothingRuns,
        ..row("unknown channel type", SMALL)
    },
    Row {
        with: &[
            "a1.sources.r1.interceptors = i1",
            "a1.sources.r1.interceptors.i1.type = tmestamp",
        ],
        runs: " | c1 | k1<c1",
        strict: Some(Code::UnknownType),
        ..row("bad interceptor type", SMALL)
    },
    Row {
        with: &["a1.sources.r1.interceptors = i1"],
        runs: " | c1 | k1<c1",
        strict: Some(Code::MissingKey),
        ..row("interceptor without type", SMALL)
    },
    Row {
        with: &["a1.channels.c1.capacity = 10"],
        strict: Some(Code::OutOfRange),
        lenient: Code::NothingRuns,
        ..row("capacity=10 alone", SMALL)
    },
    Row {
        with: &["a1.channels.c1.capacity = abc"],
        runs: "r1>c1 | c1 | k1<c1",
        strict: Some(Code::BadValue),
        lenient: Code::BadValue,
        ..row("capacity=abc", SMALL)
    },
    Row {
        without: &["a1.sources.r1.port"],
        with: &["a1.sources.r1.port = abc"],
        runs: " | c1 | k1<c1",
        strict: Some(Code::BadValue),
        ..row("port=abc", SMALL)
    },
];

const TYPE: &[&str] = &["a1.sinkgroups.g1.processor.type"];

pub(super) const GROUPS: &[Row] = &[
    Row {
        with: &["a1.sinks.k2.batchSize = 0"],
        strict: Some(Code::OutOfRange),
        lenient: Code::NothingRuns,
        ..row("two sinks in a group, one fails configure", GROUP)
    },
    Row {
        without: &["a1.sinks.k2.channel"],
        strict: Some(Code::MissingKey),
        lenient: Code::UndrainedChannel,
        ..row("load_balance left with one valid sink", GROUP)
    },
    Row {
        without: &["a1.sinkgroups.g1.sinks"],
        strict: Some(Code::MissingKey),
        lenient: Code::NothingRuns,
        ..row("group without sinks key", GROUP)
    },
    Row {
        without: TYPE,
        strict: Some(Code::MissingKey),
        lenient: Code::UndrainedChannel,
        ..row("no processor.type", GROUP)
    },
    Row {
        without: TYPE,
        with: &["a1.sinkgroups.g1.processor.type = failovr"],
        strict: Some(Code::UnknownType),
        lenient: Code::UndrainedChannel,
        ..row("unknown processor.type", GROUP)
    },
    Row {
        without: TYPE,
        with: &["a1.sinkgroups.g1.processor.type = default"],
        strict: Some(Code::GroupSize),
        lenient: Code::UndrainedChannel,
        ..row("processor.type = default with two sinks", GROUP)
    },
    Row {
        with: &["a1.sinkgroups.g1.processor.selector = com.example.Mine"],
        strict: Some(Code::Unsupported),
        lenient: Code::Unsupported,
        ..row("custom selector class not found", GROUP)
    },
    Row {
        with: &["a1.sinkgroups.g1.processor.selector.maxTimeOut = abc"],
        strict: Some(Code::BadValue),
        lenient: Code::UndrainedChannel,
        ..row("selector.maxTimeOut=abc", GROUP)
    },
    Row {
        without: TYPE,
        with: &["a1.sinkgroups.g1.processor.type = org.apache.flume.sink.FailoverSinkProcessor"],
        runs: "r1>c1 | c1 | g1(k1<c1 k2<c1)",
        ..row("processor type given as class name", GROUP)
    },
    Row {
        without: &["a1.sinks", "a1.sinkgroups"],
        with: &[
            "a1.sinks = k1 k2 k3",
            "a1.sinks.k3.type = null",
            "a1.sinks.k3.channel = c1",
            "a1.sinkgroups = g1 g2 g3",
            "a1.sinkgroups.g2.sinks = k2 k3",
            "a1.sinkgroups.g2.processor.type = failover",
            "a1.sinkgroups.g3.sinks = k1",
            "a1.sinkgroups.g3.processor.type = failover",
        ],
        runs: "r1>c1 | c1 | g1(k1<c1 k2<c1) g2(k3<c1)",
        strict: Some(Code::GroupedTwice),
        lenient: Code::GroupedTwice,
        ..row("sink used in two groups", GROUP)
    },
    Row {
        without: &[
            "a1.sinks",
            "a1.sinkgroups",
            "a1.sinkgroups.g1.sinks",
            "a1.sinkgroups.g1.processor.type",
        ],
        with: &[
            "a1.sinks = k1 k2 k3",
            "a1.sinks.k3.type = null",
            "a1.sinks.k3.channel = c1",
            "a1.sinkgroups = k3",
            "a1.sinkgroups.k3.sinks = k1 k2",
            "a1.sinkgroups.k3.processor.type = load_balance",
        ],
        runs: "r1>c1 | c1 | k3(k1<c1 k2<c1)",
        strict: Some(Code::NameClash),
        lenient: Code::NameClash,
        ..row("standalone sink with the name of a group", GROUP)
    },
    Row {
        without: TYPE,
        with: &[
            "a1.sinkgroups.g1.processor.type = failover",
            "a1.sinkgroups.g1.processor.priority.k1 = 5",
            "a1.sinkgroups.g1.processor.priority.k2 = 5",
        ],
        runs: "r1>c1 | c1 | g1(k1<c1 k2<c1)",
        lenient: Code::EqualPriorities,
        ..row("two failover sinks with equal priority", GROUP)
    },
];

pub(super) const STRUCTURE: &[Row] = &[
    Row {
        with: &["a1.chanels.c1.x = y"],
        runs: "r1>c1 | c1 | k1<c1",
        strict: Some(Code::InvalidKey),
        lenient: Code::InvalidKey,
        ..row("typo in a kind", SMALL)
    },
    Row {
        without: &["a1.sinks", "a1.sinks.k1.type", "a1.sinks.k1.channel"],
        runs: "r1>c1 | c1 | ",
        lenient: Code::UndrainedChannel,
        ..row("sources only", SMALL)
    },
    Row {
        without: &[
            "a1.sources",
            "a1.sources.r1.type",
            "a1.sources.r1.bind",
            "a1.sources.r1.port",
            "a1.sources.r1.channels",
        ],
        runs: " | c1 | k1<c1",
        lenient: Code::UnfilledChannel,
        ..row("sinks only", SMALL)
    },
    Row {
        without: &["a1.channels"],
        with: &["a1.channels = c1 c2", "a1.channels.c2.type = memory"],
        runs: "r1>c1 | c1 | k1<c1",
        lenient: Code::UnusedChannel,
        ..row("channel not connected to anything", SMALL)
    },
];

/// What does not change what happens.
pub(super) const HARMLESS: &[Row] = &[
    Row {
        with: &["a1.sources.r1.port = 44444"],
        runs: ALL,
        lenient: Code::DuplicateKey,
        ..row("the same line twice", SMALL)
    },
    Row {
        with: &["a1.sources.r1.port = 44445"],
        runs: ALL,
        strict: Some(Code::DuplicateKey),
        lenient: Code::DuplicateKey,
        ..row("the same key twice with two values", SMALL)
    },
    Row {
        with: &["a1.channels.c1.keep-alive ="],
        runs: ALL,
        lenient: Code::EmptyValue,
        ..row("an empty value where a default is", SMALL)
    },
    Row {
        without: &["a1.sources.r1.bind"],
        with: &["a1.sources.r1.bind ="],
        runs: " | c1 | k1<c1",
        strict: Some(Code::MissingKey),
        lenient: Code::EmptyValue,
        ..row("an empty value where none is", SMALL)
    },
    Row {
        with: &["a1.sinks.spare.type = null", "a1.sinks.spare.channel = c1"],
        runs: ALL,
        lenient: Code::NotListed,
        ..row("described and not listed", SMALL)
    },
    Row {
        without: &["a1.sources"],
        with: &["a1.sources = r1 another"],
        runs: ALL,
        lenient: Code::NotDescribed,
        ..row("listed and not described", SMALL)
    },
    Row {
        without: &["a1.channels", "a1.sources.r1.channels"],
        with: &[
            "a1.channels = c1 spare",
            "a1.sources.r1.channels = c1 spare",
        ],
        runs: ALL,
        lenient: Code::NotDescribed,
        ..row("a channel of a source is not described", SMALL)
    },
    Row {
        without: &["a1.channels", "a1.sources.r1.channels", "a1.sources"],
        with: &[
            "a1.channels = c1 spare",
            "a1.sources = r1 r2",
            "a1.sources.r1.channels = c1",
            "a1.sources.r2.type = seq",
            "a1.sources.r2.channels = spare",
        ],
        runs: ALL,
        strict: Some(Code::Dropped),
        ..row("the only channel of a source is not described", SMALL)
    },
    Row {
        without: &["a1.sources", "a1.channels", "a1.sources.r1.channels"],
        with: &[
            "a1.sources = r1",
            "a1.channels = c1 spare",
            "a1.sources.r1.channels = c1 spare",
            "a1.sources.r1.selector.type = multiplexing",
            "a1.sources.r1.selector.mapping.x = spare",
            "a1.sources.r1.selector.default = c1",
        ],
        runs: " | c1 | k1<c1",
        strict: Some(Code::UnknownChannel),
        ..row("a mapping to a channel that is not described", SMALL)
    },
    Row {
        without: &["a1.sinkgroups.g1.sinks", "a1.sinks"],
        with: &[
            "a1.sinks = k1 k2 spare",
            "a1.sinkgroups.g1.sinks = k1 k2 spare",
        ],
        runs: "r1>c1 | c1 | g1(k1<c1 k2<c1)",
        lenient: Code::NotDescribed,
        ..row("a sink of a group is not described", GROUP)
    },
    Row {
        with: &["a1.channels.c1.threads = 4"],
        runs: ALL,
        lenient: Code::UnknownKey,
        ..row("a key near no other", SMALL)
    },
    Row {
        with: &["a1.channels.c1.transactionCapacty = 50"],
        runs: ALL,
        strict: Some(Code::UnknownKey),
        lenient: Code::UnknownKey,
        ..row("a misspelt key", SMALL)
    },
    Row {
        with: &["log4j.rootLogger = INFO", "prose", "prose = another"],
        runs: ALL,
        lenient: Code::InvalidKey,
        ..row("lines that are no keys of an agent", SMALL)
    },
    Row {
        with: &["sources = r1"],
        runs: ALL,
        strict: Some(Code::InvalidKey),
        lenient: Code::InvalidKey,
        ..row("a list without its agent", SMALL)
    },
    Row {
        with: &["a1.sinks.k1.batchSize = 2000000000"],
        runs: ALL,
        lenient: Code::BatchSize,
        ..row("a batch larger than its channel", SMALL)
    },
];
