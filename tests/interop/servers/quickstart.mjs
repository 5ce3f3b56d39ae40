// The quickstart, as it is: its gate, and the authorization server that it brings along.

import { join } from 'node:path';

import { freePort, Program, target } from '../programs.mjs';

export async function start() {
  const [listen, issuer] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const binary = join(target, 'debug/quickstart');
  const quickstart = new Program('quickstart', binary, '--listen', listen, '--issuer', issuer);
  while (!(await quickstart.line()).includes('Ctrl-C'));
  return { resource: `http://${listen}/mcp`, issuer: `http://${issuer}` };
}
