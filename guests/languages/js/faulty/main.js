// The entry point for componentize-js: the policy, with the host's log. The policy's own file does
// not depend on the host, so that Node.js can test it.

import { write } from 'flume:policy/log@0.1.0';
import { log } from './sdk/flume_policy.js';

log(write);

export { sinkSelector } from './policy.js';
