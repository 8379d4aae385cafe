// The policy's logic, in Node.js: node --test

import assert from 'node:assert/strict';
import test from 'node:test';
import { interceptor } from './policy.js';
import { column } from './sdk/flume_policy.js';

const bytes = (text) => new TextEncoder().encode(text);
const none = column([]);

test('values get capital letters', () => {
  const properties = [{ key: 'header', value: 'h' }];
  const wanted = interceptor.configure({ properties, seed: 7n });
  assert.deepEqual(wanted, { headers: ['h'], bodies: { tag: 'none' } });
  const batch = { events: 2, headers: [column([bytes('Straße 1'), undefined])], bodies: none, lengths: [] };
  const { verdicts, headers } = interceptor.intercept({ now: 1n, unixMs: 1n }, batch);
  assert.equal(verdicts.length, 0);
  assert.deepEqual(headers, [
    { name: 'h', events: Uint32Array.of(0), values: column([bytes('STRAßE 1')]) },
  ]);
});

test('the header must be named', () => {
  const refused = (problems) => problems[0].tag === 'missing-key';
  assert.throws(() => interceptor.configure({ properties: [], seed: 7n }), refused);
});
