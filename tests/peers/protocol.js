'use strict';
// Shared by all avsc scripts here: Flume's protocol, without its `doc` text, so that its hash
// (30da5405...) differs from the one that Java agents send (86aadae2...).

const STATUS = { type: 'enum', name: 'Status', symbols: ['OK', 'FAILED', 'UNKNOWN'] };
const EVENT = {
  type: 'record',
  name: 'AvroFlumeEvent',
  fields: [
    { name: 'headers', type: { type: 'map', values: 'string' } },
    { name: 'body', type: 'bytes' },
  ],
};

// What follows the number in every numbered body: characters of two and three bytes.
const TAIL = ' žluťoučký 日本';

/** The protocol; a `doc` gives it a text, and so a hash, that no peer can know beforehand. */
function protocol(doc) {
  return {
    protocol: 'AvroSourceProtocol',
    namespace: 'org.apache.flume.source.avro',
    ...(doc ? { doc } : {}),
    types: [STATUS, EVENT],
    messages: {
      append: { request: [{ name: 'event', type: 'AvroFlumeEvent' }], response: 'Status' },
      appendBatch: {
        request: [{ name: 'events', type: { type: 'array', items: 'AvroFlumeEvent' } }],
        response: 'Status',
      },
    },
  };
}

/** `--name value` pairs of the command line, over the given defaults. */
function options(defaults) {
  const given = { ...defaults };
  const words = process.argv.slice(2);
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i].replace(/^--/, '');
    if (!(name in defaults) || i + 1 >= words.length) {
      process.stderr.write(`unknown or incomplete option ${words[i]}\n`);
      process.exit(64);
    }
    given[name] = words[i + 1];
  }
  return given;
}

module.exports = { protocol, options, TAIL };
