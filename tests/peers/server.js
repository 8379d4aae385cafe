'use strict';
// A collector: every event that it accepts is written to a file, as one JSON line, before it is
// answered, so that a kill loses no acknowledged event. A line that a kill truncated was never
// answered, and the next start removes it. Without `--out` it keeps no events.
//
// It reads commands from standard input, one per line, and confirms each with `done <command>`:
//   answer OK | FAILED | UNKNOWN   what appends are answered from now on (only OK stores)
//   delay <ms>                     how long each answer waits from now on

const fs = require('fs');
const net = require('net');
const readline = require('readline');
const avro = require('avsc');
const { protocol, options } = require('./protocol');

const given = options({ port: '0', out: '' });
const out = given.out ? reopened(given.out) : null;
let status = 'OK';
let delay = 0;
let calls = 0;

function reopened(path) {
  const file = fs.openSync(path, 'a');
  fs.ftruncateSync(file, fs.readFileSync(path).lastIndexOf('\n') + 1);
  return file;
}

function take(call, events, reply) {
  calls += 1;
  const said = status;
  if (said === 'OK' && out !== null) {
    const lines = events.map((event) =>
      JSON.stringify({
        call,
        number: calls,
        headers: event.headers,
        hex: event.body.toString('hex'),
      }) + '\n');
    fs.writeFileSync(out, lines.join(''));
  } else if (said !== 'OK') {
    process.stdout.write(`refused ${events.length}\n`);
  }
  if (delay > 0) {
    setTimeout(() => reply(null, said), delay);
  } else {
    reply(null, said);
  }
}

const service = avro.Service.forProtocol(protocol());
const server = service
  .createServer()
  .onAppend((event, reply) => take('append', [event], reply))
  .onAppendBatch((events, reply) => take('appendBatch', events, reply));

net
  .createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', (err) => process.stdout.write(`connection lost: ${err.message}\n`));
    process.stdout.write('connected\n');
    const channel = server.createChannel(socket);
    channel.on('error', (err) => process.stdout.write(`channel error: ${err.message}\n`));
  })
  .listen(Number(given.port), '127.0.0.1', () => process.stdout.write('listening\n'));

readline.createInterface({ input: process.stdin }).on('line', (order) => {
  const [verb, value] = order.split(' ');
  if (verb === 'answer') status = value;
  else if (verb === 'delay') delay = Number(value);
  else throw new Error(`unknown order ${order}`);
  process.stdout.write(`done ${order}\n`);
});
