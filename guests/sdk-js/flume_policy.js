// Policies for flume-host in JavaScript: between an author's class and the contract.
//
// componentize-js passes in the contract's records and columns, but an author wants to work with
// sinks and events. `selector(T)` and `interceptor(T)` convert between them. Only what is exported
// from here is meant for authors. The log is passed in by `log`, so that the same file also runs in
// an author's own tests, under Node.js.

const ABSENT = 0x8000_0000;
const [DROP, KEEP, REJECT] = [0, 1, 2];
const encoder = new TextEncoder();
const decoder = new TextDecoder();

let write = (level, line) => globalThis.console?.error(`${level}: ${line}`);

/** Sets the log: `log(write)` with the `write` of `flume:policy/log@0.1.0`. */
export function log(writer) {
  write = writer;
  const line = (level) => (...words) => write(level, words.map(String).join(' '));
  globalThis.console = {
    debug: line('debug'), log: line('info'), info: line('info'), warn: line('warn'),
    error: line('error'),
  };
}

/**
 * Keys and values as they were written, asked for one by one. A bad value is noted and the default
 * is used, so that all problems are reported at once; a key that was never read is a problem too.
 */
export class Properties {
  constructor(pairs) {
    this.values = new Map(pairs);
    this.asked = new Set();
    this.problems = [];
  }

  /** Text, or the default. */
  text(key, fallback) {
    this.asked.add(key);
    return this.values.get(key) ?? fallback;
  }

  /** Required text; empty, with a problem noted, if it is missing. */
  required(key) {
    const value = this.text(key);
    if (value === undefined) this.problems.push({ tag: 'missing-key', val: key });
    return value ?? '';
  }

  /** A whole number within bounds, or the default. */
  number(key, fallback, least, most) {
    const text = this.text(key);
    if (text === undefined) return fallback;
    const number = Number(text);
    if (/^[+-]?[0-9]+$/.test(text) && least <= number && number <= most) return number;
    this.bad(key, `a number from ${least} to ${most}`);
    return fallback;
  }

  /** `true` or `false`. */
  flag(key, fallback = false) {
    const text = this.text(key);
    if (text === undefined) return fallback;
    if (text !== 'true' && text !== 'false') this.bad(key, '`true` or `false`');
    return text === 'true';
  }

  /** Notes that a value is not valid. */
  bad(key, expected) {
    this.problems.push({ tag: 'bad-value', val: { key, expected } });
  }

  /** Notes any other problem: lower case, no full stop. */
  problem(words) {
    this.problems.push({ tag: 'other', val: words });
  }

  /** Everything that was noted, with the keys that were never read. */
  finish() {
    const strangers = [...this.values.keys()].filter((key) => !this.asked.has(key));
    return [...this.problems, ...strangers.map((val) => ({ tag: 'unknown-key', val }))];
  }
}

/** The state of a sink: everything reported about it so far. Times are BigInt nanoseconds. */
export class Standing {
  /** Batches in flight now. */
  inFlight = 0;
  /** Batches delivered so far, and events in them. */
  batches = 0;
  events = 0n;
  /** Failures since the last delivery, and when it last failed (if that is not 0). */
  failures = 0;
  failedAt = 0n;
  /** Nanoseconds for a batch, the mean of the last news. */
  latency = 0n;

  /** Adds what happened since the last call. */
  hear(news) {
    const failedLast =
      news.failures > 0 && (news.batches === 0 || news.failedAt >= news.deliveredAt);
    this.inFlight = news.inFlight;
    this.batches += news.batches;
    this.events += news.events;
    if (news.batches > 0) {
      this.latency = news.latency / BigInt(news.batches);
      this.failures = 0;
    }
    if (news.failures > 0) this.failedAt = news.failedAt;
    if (failedLast) this.failures += news.failures;
  }
}

/** One event of a batch. */
class Event {
  constructor(batch, place) {
    this.batch = batch;
    this.place = place;
  }

  /** A header, or undefined; only requested headers are present. */
  header(name) {
    const value = row(this.batch.headers.get(name), this.place);
    return value && decoder.decode(value);
  }

  /** The requested part of the body, as bytes. */
  get body() {
    return row(this.batch.bodies, this.place) ?? new Uint8Array();
  }

  /** The length of the whole body. */
  get bodyLength() {
    return this.batch.lengths[this.place] ?? this.body.length;
  }

  /** Sets a header. */
  setHeader(name, value) {
    this.batch.editHeader(name, this.place, encoder.encode(value));
  }

  /** Removes a header, if it is there. */
  removeHeader(name) {
    this.batch.editHeader(name, this.place, undefined);
  }

  /** Replaces the body: text or bytes. */
  setBody(body) {
    const bytes = typeof body === 'string' ? encoder.encode(body) : body;
    this.batch.bodyEdits.set(this.place, bytes);
  }

  /** Drops the event. */
  drop() {
    this.batch.verdicts.set(this.place, DROP);
  }

  /** Says that the event cannot be handled: it goes where the configuration says. */
  reject() {
    this.batch.verdicts.set(this.place, REJECT);
  }
}

/** Some events, with the parts that the policy asked for: `for (const event of batch)`. */
export class Batch {
  headerEdits = new Map();
  bodyEdits = new Map();
  verdicts = new Map();

  /** `headers` maps names to columns; see the contract's `column`. */
  constructor(count, headers, bodies = column([]), lengths = []) {
    Object.assign(this, { count, headers, bodies, lengths });
  }

  *[Symbol.iterator]() {
    for (let place = 0; place < this.count; place++) yield new Event(this, place);
  }

  editHeader(name, place, value) {
    if (!this.headerEdits.has(name)) this.headerEdits.set(name, new Map());
    this.headerEdits.get(name).set(place, value);
  }

  /** The edits, as returned to the host. */
  edits() {
    const verdicts = new Uint8Array(this.verdicts.size > 0 ? this.count : 0).fill(KEEP);
    for (const [place, verdict] of this.verdicts) verdicts[place] = verdict;
    const headers = [...this.headerEdits].map(([name, edits]) => {
      const [events, values] = rows(edits, this.count);
      return { name, events, values };
    });
    const [events, bodies] = rows(this.bodyEdits, this.count);
    return { verdicts, headers, bodies: this.bodyEdits.size > 0 ? { events, bodies } : undefined };
  }
}

/** A column of these values: bytes or undefined each. */
export function column(values) {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + (value?.length ?? 0), 0));
  let end = 0;
  const ends = Uint32Array.from(values, (value) => {
    if (value === undefined) return end + ABSENT;
    bytes.set(value, end);
    return (end += value.length);
  });
  return { bytes, ends };
}

/**
 * The exports that the contract requires, around a class with `constructor(setup)` and
 * `order(ask)`. Its static `headers` lists the headers that it wants to see of the events about to
 * be routed.
 */
export function selector(Policy) {
  const headers = Policy.headers ?? [];
  let policy, sinks;
  return {
    configure: logged((setup) => {
      policy = made(Policy, setup);
      sinks = setup.sinks.map(() => new Standing());
      return { headers };
    }),
    order: logged((at, feedback, load) => {
      for (const news of feedback) sinks[news.sink].hear(news);
      const events = new Batch(load.events, named(headers, load.headers));
      const ask = { now: at.now, unixMs: at.unixMs, sinks, depth: load.depth, events };
      return policy.order(ask);
    }),
  };
}

/**
 * The exports that the contract requires, around a class with `constructor(setup)` and
 * `intercept(batch, now)`. Its fields `headers` and `body` say what it wants to see: `'none'`
 * (unless set), `'length'`, `'whole'`, or a number of bytes.
 */
export function interceptor(Policy) {
  let policy, headers;
  return {
    configure: logged((setup) => {
      policy = made(Policy, setup);
      headers = policy.headers ?? [];
      const wanted = policy.body ?? 'none';
      const bodies = typeof wanted === 'number' ? { tag: 'prefix', val: wanted } : { tag: wanted };
      return { headers, bodies };
    }),
    intercept: logged((at, batch) => {
      const { events, bodies, lengths } = batch;
      const shown = new Batch(events, named(headers, batch.headers), bodies, lengths);
      policy.intercept(shown, at.now);
      return shown.edits();
    }),
  };
}

function made(Policy, setup) {
  const properties = (of) => new Properties(of.map(({ key, value }) => [key, value]));
  const sinks = (setup.sinks ?? []).map((sink) => (
    { name: sink.name, kind: sink.kind, properties: properties(sink.properties) }
  ));
  const shown = { properties: properties(setup.properties), sinks, seed: setup.seed };
  const policy = new Policy(shown);
  const problems = shown.properties.finish();
  for (const { name, properties } of sinks) {
    const words = properties.problems.map((problem) => ofSink(name, problem));
    problems.push(...words.map((val) => ({ tag: 'other', val })));
  }
  if (problems.length > 0) throw problems;
  return policy;
}

function ofSink(name, { tag, val }) {
  if (tag === 'bad-value') return `\`${val.key}\` of sink \`${name}\` must be ${val.expected}`;
  if (tag === 'missing-key') return `sink \`${name}\` needs the key \`${val}\``;
  return `sink \`${name}\`: ${val}`;
}

/** Logs an error before it stops the policy. A thrown list is an answer. */
function logged(call) {
  return (...values) => {
    try {
      return call(...values);
    } catch (error) {
      if (!Array.isArray(error)) write('error', `${error}\n${error?.stack ?? ''}`);
      throw error;
    }
  };
}

function named(names, columns) {
  return new Map(names.map((name, at) => [name, columns[at]]));
}

function row(column, place) {
  if (column === undefined || place >= column.ends.length) return undefined;
  const end = column.ends[place];
  if (end >= ABSENT) return undefined;
  const start = place > 0 ? column.ends[place - 1] % ABSENT : 0;
  return column.bytes.subarray(start, end);
}

function rows(edits, count) {
  const places = [...edits.keys()].sort((a, b) => a - b);
  const values = column(places.map((place) => edits.get(place)));
  return [Uint32Array.from(places.length === count ? [] : places), values];
}
