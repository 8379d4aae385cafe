"""Policies for flume-host in Python: between an author's class and the contract.

What componentize-py generates from the contract are records and columns, but an author wants to
work with sinks and events. `selector(T)` and `interceptor(T)` convert between them.

Without the generated modules, in an author's own unit tests, everything here works; only the log
goes to standard error.
"""

import sys
import traceback
from dataclasses import dataclass, field

try:
    from componentize_py_types import Err
    from wit_world.imports import log, types
except ImportError:
    Err = log = types = None

ABSENT = 0x8000_0000
DROP, KEEP, REJECT = 0, 1, 2
ALL_BODY, NO_BODY, BODY_LENGTH = "whole", "none", "length"


class Refused(Exception):
    """In unit tests: the properties are refused. `problems` has (kind, key or text, …)."""

    def __init__(self, problems):
        super().__init__(problems)
        self.problems = problems


class Properties:
    """Keys and values as written, asked for one by one.

    A bad value is noted and the default is used, so that all problems are reported at once. A key
    that was never read is a problem too.
    """

    def __init__(self, pairs):
        self.values = dict(pairs)
        self.asked = set()
        self.problems = []

    def text(self, key, default=None):
        """Text, or the default."""
        self.asked.add(key)
        return self.values.get(key, default)

    def required(self, key):
        """Required text; empty, with a problem noted, if it is missing."""
        value = self.text(key)
        if value is None:
            self.problems.append(("missing", key))
            return ""
        return value

    def number(self, key, default, least, most):
        """A whole number within bounds, or the default."""
        text = self.text(key)
        if text is None:
            return default
        digits = text[1:] if text[:1] in ("+", "-") else text
        if digits.isascii() and digits.isdigit() and least <= int(text) <= most:
            return int(text)
        self.bad(key, f"a number from {least} to {most}")
        return default

    def flag(self, key, default=False):
        """`true` or `false`."""
        text = self.text(key)
        if text is None:
            return default
        if text not in ("true", "false"):
            self.bad(key, "`true` or `false`")
            return default
        return text == "true"

    def bad(self, key, expected):
        """Notes that a value is not valid."""
        self.problems.append(("bad", key, expected))

    def problem(self, words):
        """Notes any other problem: lower case, no full stop."""
        self.problems.append(("other", words))

    def finish(self):
        """Everything that was noted, with the keys that were never read."""
        strangers = [("unknown", key) for key in self.values if key not in self.asked]
        return self.problems + strangers


@dataclass
class Sink:
    """One sink of the group. Properties that are not asked for are ignored."""

    name: str
    kind: str
    properties: Properties


@dataclass
class Setup:
    """What a policy is made from. An interceptor has no sinks."""

    properties: Properties
    sinks: list
    seed: int


@dataclass
class Standing:
    """The state of a sink: everything reported about it so far."""

    in_flight: int = 0
    #: Batches delivered so far, and events in them.
    batches: int = 0
    events: int = 0
    #: Failures since the last delivery.
    failures: int = 0
    #: When it last failed; meaningful where `failures` is not 0.
    failed_at: int = 0
    #: Nanoseconds for a batch, the mean of the last news.
    latency: int = 0

    def hear(self, news):
        """Adds what happened since the last call."""
        failed_last = news.failures and (
            not news.batches or news.failed_at >= news.delivered_at
        )
        self.in_flight = news.in_flight
        self.batches += news.batches
        self.events += news.events
        if news.batches:
            self.latency = news.latency // news.batches
            self.failures = 0
        if news.failures:
            self.failed_at = news.failed_at
        if failed_last:
            self.failures += news.failures


@dataclass
class Ask:
    """The question: in which order?"""

    #: Nanoseconds on a clock that never goes back, and milliseconds since 1970.
    now: int
    unix_ms: int
    #: The states of the sinks, by number.
    sinks: list
    #: Events in the channel.
    depth: int
    #: The events about to be routed, with the headers that the class attribute `headers` lists.
    events: "Batch"


class Event:
    """One event of a batch."""

    __slots__ = ("batch", "place")

    def __init__(self, batch, place):
        self.batch, self.place = batch, place

    def header(self, name):
        """A header, or None; only requested headers are present."""
        value = self.batch.row(self.batch.headers.get(name), self.place)
        return None if value is None else value.decode()

    @property
    def body(self):
        """The requested part of the body."""
        return self.batch.row(self.batch.bodies, self.place) or b""

    @property
    def body_length(self):
        """The length of the whole body."""
        lengths = self.batch.lengths
        return lengths[self.place] if lengths else len(self.body)

    def set_header(self, name, value):
        """Sets a header."""
        self.batch.header_edits.setdefault(name, {})[self.place] = value.encode()

    def remove_header(self, name):
        """Removes a header, if it is there."""
        self.batch.header_edits.setdefault(name, {})[self.place] = None

    def set_body(self, body):
        """Replaces the body."""
        self.batch.body_edits[self.place] = bytes(body)

    def drop(self):
        """Drops the event."""
        self.batch.verdicts[self.place] = DROP

    def reject(self):
        """Says that the event cannot be handled: it goes where the configuration says."""
        self.batch.verdicts[self.place] = REJECT


@dataclass
class Batch:
    """Some events, with the parts that the policy asked for: `for event in batch`."""

    count: int
    #: A pair of bytes and ends for each name; see the contract's `column`.
    headers: dict
    bodies: tuple = (b"", ())
    lengths: list = ()
    header_edits: dict = field(default_factory=dict)
    body_edits: dict = field(default_factory=dict)
    verdicts: dict = field(default_factory=dict)

    def __len__(self):
        return self.count

    def __iter__(self):
        return (Event(self, place) for place in range(self.count))

    @staticmethod
    def row(column, place):
        """A row of a column, or None."""
        if column is None or place >= len(column[1]) or column[1][place] & ABSENT:
            return None
        start = column[1][place - 1] & ~ABSENT if place else 0
        return column[0][start : column[1][place]]


def column(values):
    """A column of these values: bytes or None each."""
    ends, length = [], 0
    for value in values:
        length += len(value or b"")
        ends.append(length | (ABSENT if value is None else 0))
    return b"".join(value or b"" for value in values), ends


def selector(policy):
    """The class that the contract requires, around one with `__init__(setup)` and `order(ask)`."""
    if types is not None:
        # Imported now, because a running policy has no files to import from.
        from wit_world.exports import sink_selector

    class SinkSelector:
        # A class attribute, because each call gets a new object.
        @classmethod
        def configure(cls, setup):
            cls.policy = _made(policy, _setup(setup))
            cls.standings = [Standing() for _ in setup.sinks]
            return sink_selector.Needs(list(getattr(policy, "headers", ())))

        @classmethod
        def order(cls, at, feedback, load):
            for news in feedback:
                cls.standings[news.sink].hear(news)
            names = getattr(policy, "headers", ())
            headers = {n: (c.bytes, c.ends) for n, c in zip(names, load.headers)}
            events = Batch(load.events, headers)
            ask = Ask(at.now, at.unix_ms, cls.standings, load.depth, events)
            return cls.policy.order(ask)

    _speak()
    return SinkSelector


def interceptor(policy):
    """The class that the contract wants, around one with `__init__(setup)` and
    `intercept(batch, now)`. What it wants to see stands in its attributes `headers` and `body`:
    `NO_BODY` (unless set), `BODY_LENGTH`, `ALL_BODY`, or a number of bytes.
    """
    if types is not None:
        from wit_world.exports import interceptor as exported

    class Interceptor:
        # A class attribute, because each call gets a new object.
        @classmethod
        def configure(cls, setup):
            cls.policy = _made(policy, _setup(setup))
            cls.headers = list(getattr(cls.policy, "headers", ()))
            wanted = getattr(cls.policy, "body", NO_BODY)
            bodies = {
                NO_BODY: types.BodyProjection_None_,
                BODY_LENGTH: types.BodyProjection_Length,
                ALL_BODY: types.BodyProjection_Whole,
            }.get(wanted, lambda: types.BodyProjection_Prefix(wanted))
            return exported.Projection(cls.headers, bodies())

        @classmethod
        def intercept(cls, at, batch):
            headers = {n: (c.bytes, c.ends) for n, c in zip(cls.headers, batch.headers)}
            bodies = (batch.bodies.bytes, batch.bodies.ends)
            shown = Batch(batch.events, headers, bodies, batch.lengths)
            cls.policy.intercept(shown, at.now)
            return _edits(exported, shown)

    _speak()
    return Interceptor


def info(line):
    """Logs a line for the operator."""
    _write("INFO", line)


def warn(line):
    """Logs a line about something that is not as it should be."""
    _write("WARN", line)


def _write(level, line):
    if log is None:
        print(f"{level}: {line}", file=sys.stderr)
    else:
        log.write(log.Level[level], line)


def _setup(setup):
    def properties(of):
        return Properties((entry.key, entry.value) for entry in of)

    sinks = [
        Sink(sink.name, sink.kind, properties(sink.properties))
        for sink in getattr(setup, "sinks", ())
    ]
    return Setup(properties(setup.properties), sinks, setup.seed)


def _made(policy, setup):
    """The policy, or the problems with its properties."""
    made = policy(setup)
    problems = setup.properties.finish()
    for sink in setup.sinks:
        problems += [("other", _of_sink(sink.name, *p)) for p in sink.properties.problems]
    if not problems:
        return made
    if types is None:
        raise Refused(problems)
    errors = {
        "missing": lambda key: types.ConfigError_MissingKey(key),
        "bad": lambda key, expected: types.ConfigError_BadValue(types.BadValue(key, expected)),
        "unknown": lambda key: types.ConfigError_UnknownKey(key),
        "other": lambda words: types.ConfigError_Other(words),
    }
    raise Err([errors[kind](*rest) for kind, *rest in problems])


def _of_sink(name, kind, key, expected=None):
    if kind == "bad":
        return f"`{key}` of sink `{name}` must be {expected}"
    if kind == "missing":
        return f"sink `{name}` needs the key `{key}`"
    return f"sink `{name}`: {key}"


def _edits(exported, batch):
    def rows(by_place):
        places = sorted(by_place)
        values = column([by_place[place] for place in places])
        every = len(places) == batch.count
        return [] if every else places, types.Column(*values)

    verdicts = bytes()
    if batch.verdicts:
        verdicts = bytes(batch.verdicts.get(place, KEEP) for place in range(batch.count))
    headers = [
        exported.HeaderEdit(name, *rows(edit)) for name, edit in batch.header_edits.items()
    ]
    bodies = exported.BodyEdit(*rows(batch.body_edits)) if batch.body_edits else None
    return exported.Edits(verdicts, headers, bodies)


def _fail(kind, error, trace):
    """Logs what stops the policy. Python's own report would look up lines of the source, and a
    running policy has no files.
    """
    _write("ERROR", f"{kind.__name__}: {error}")
    for frame, line in traceback.walk_tb(trace):
        code = frame.f_code
        _write("ERROR", f"  {code.co_filename}:{line} in {code.co_name}")


class _Printer:
    """Receives the output of `print`, because a policy has no standard output."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        log.print(self.stream, text.encode())
        return len(text)

    def flush(self):
        pass


def _speak():
    if log is not None:
        sys.stdout = _Printer(log.Stream.OUTPUT)
        sys.stderr = _Printer(log.Stream.ERROR)
        sys.excepthook = _fail
