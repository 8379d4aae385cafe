// Orders sinks by batches in flight, then by failures. A sink with `cap` batches comes last.

import { selector } from './sdk/flume_policy.js';

export class LeastBusy {
  constructor({ sinks }) {
    this.caps = sinks.map((sink) => sink.properties.number('cap', 0, 0, 1_000_000));
    console.info(`least-busy has ${sinks.length} sinks`);
  }

  order({ sinks }) {
    const ranks = sinks.map((sink, number) => {
      const cap = this.caps[number];
      return [Number(cap > 0 && sink.inFlight >= cap), sink.inFlight, sink.failures, number];
    });
    const least = (a, b) => a.map((x, at) => x - b[at]).find((difference) => difference) ?? 0;
    return ranks.sort(least).map((rank) => rank.at(-1));
  }
}

export const sinkSelector = selector(LeastBusy);
