// The policy's logic, in Node.js: node --test

import assert from 'node:assert/strict';
import test from 'node:test';
import { sinkSelector } from './policy.js';

const sink = (name, properties = []) => ({ name, kind: 'null', properties });
const news = (sink, inFlight, failures = 0) => (
  { sink, inFlight, batches: 0, events: 0n, latency: 0n, deliveredAt: 0n, failures, failedAt: 1n }
);
const at = { now: 1n, unixMs: 1n };
const load = { depth: 0n, events: 0, headers: [] };

test('the least busy sink comes first', () => {
  const sinks = [sink('k1', [{ key: 'cap', value: '1' }]), sink('k2'), sink('k3')];
  sinkSelector.configure({ properties: [], sinks, seed: 7n });
  assert.deepEqual(sinkSelector.order(at, [], load), [0, 1, 2]);
  assert.deepEqual(sinkSelector.order(at, [news(1, 0, 1)], load), [0, 2, 1]);
  assert.deepEqual(sinkSelector.order(at, [news(0, 1), news(1, 1), news(2, 2)], load), [1, 2, 0]);
});

test('unknown keys are refused', () => {
  const setup = { properties: [{ key: 'cpa', value: '1' }], sinks: [], seed: 7n };
  const refused = (problems) => problems[0].tag === 'unknown-key' && problems[0].val === 'cpa';
  assert.throws(() => sinkSelector.configure(setup), refused);
});
