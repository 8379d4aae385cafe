// Prints to both streams, and then fails at its first order.

import { selector } from './sdk/flume_policy.js';

class Faulty {
  constructor() {
    console.log('said on standard output');
    console.warn('said on standard error');
  }

  order() {
    throw new Error('no order today');
  }
}

export const sinkSelector = selector(Faulty);
