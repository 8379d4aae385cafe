'use strict';
// A sender: numbered events, singly (`--batch 0`) or in batches, with at most `--window` calls
// unanswered. At the end it prints one JSON line: how many events were answered OK, how many
// otherwise, and the first error. `--doc TEXT` changes the protocol text, and so the hash, to one
// that no peer knows.

const net = require('net');
const avro = require('avsc');
const { protocol, options, TAIL } = require('./protocol');

const given = options({
  port: '0', count: '1', first: '0', batch: '0', window: '1', prefix: 'line', headers: '{}',
  doc: '',
});
const count = Number(given.count);
const first = Number(given.first);
const batch = Number(given.batch);
const headers = JSON.parse(given.headers);
const tally = { ok: 0, refused: 0, error: null };

const service = avro.Service.forProtocol(protocol(given.doc));
const client = service.createClient();
const socket = net.connect(Number(given.port), '127.0.0.1');
socket.setNoDelay(true);
socket.on('error', end);
socket.once('connect', () => {
  client.createChannel(socket, { timeout: 20000 });
  for (let i = 0; i < Number(given.window); i += 1) next();
});

let sent = 0;
let open = 0;
let ended = false;

function event(number) {
  return { headers, body: Buffer.from(`${given.prefix} ${first + number}${TAIL}`) };
}

function next() {
  if (sent >= count) {
    if (open === 0) end(null);
    return;
  }
  const size = batch === 0 ? 1 : Math.min(batch, count - sent);
  const start = sent;
  sent += size;
  open += 1;
  const answered = (err, status) => {
    open -= 1;
    if (err) {
      end(err);
      return;
    }
    if (status === 'OK') tally.ok += size;
    else tally.refused += size;
    next();
  };
  if (batch === 0) client.append(event(start), answered);
  else client.appendBatch(Array.from({ length: size }, (_, i) => event(start + i)), answered);
}

function end(err) {
  if (ended) return;
  ended = true;
  if (err) tally.error = String(err.message || err);
  process.stdout.write(`${JSON.stringify(tally)}\n`, () => process.exit(err ? 1 : 0));
}
