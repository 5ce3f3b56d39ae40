// Authlib as the issuer, in a server of ours around it. Access tokens keep to RFC 9068, and the gate asks about each
// of them, so that they can be taken back.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { freePort, listening, Program } from '../programs.mjs';
import { expiry, gated, lifetime, oblivion } from './gated.mjs';

const here = join(import.meta.dirname, '..');
const command = [join(here, '.venv/bin/python'), join(here, 'authlib/server.py')];

export async function start(name = 'authlib', { isAsked = true, ...judging } = {}) {
  const [port, secret] = [await freePort(), randomUUID()];
  const [url, resource] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${await freePort()}/mcp`];
  new Program(name, ...command, port, resource, secret, lifetime);
  await listening(port);

  const issuer = `issuer = "${url}"\nprofile = "rfc9068"`;
  await gated(`${name}-serve`, isAsked ? `${issuer}
[issuers.introspection]
when = "always"
client_id = "gate"
auth = "post"
client_secret = "${secret}"` : issuer, { resource, ...judging });
  const revocation = async () => {
    await fetch(`${url}/tokens`, { method: 'DELETE' });
    await oblivion();
  };
  return { resource, expiry, revocation };
}
