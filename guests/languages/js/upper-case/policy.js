// Writes the value of the header `header` in capital letters (A to Z).

import { interceptor as exported } from './sdk/flume_policy.js';

export class UpperCase {
  constructor({ properties }) {
    this.header = properties.required('header');
    this.headers = [this.header];
    console.info(`upper-case edits the header ${this.header}`);
  }

  intercept(batch) {
    for (const event of batch) {
      const value = event.header(this.header);
      if (value === undefined) continue;
      event.setHeader(this.header, value.replace(/[a-z]+/g, (small) => small.toUpperCase()));
    }
  }
}

export const interceptor = exported(UpperCase);
