// The messages between a client and the harness: one line each, on stdout and stdin.

import { createInterface } from 'node:readline';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Nothing, once the harness hangs up. */
export const heard = async () => {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
};
