// Rules that ask how and when the user logged in (RFC 9470), with programs that others wrote: oidc-provider says it in its
// tokens, a client logs in again as the challenge asks, and MCP's SDKs, which do not know that challenge, must come to an
// end. `run` beside this file starts it.

import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

import { browse } from './browser.mjs';
import { Client, commands } from './client.mjs';
import { journey, whoami } from './journey.mjs';
import { freePort, logs } from './programs.mjs';
import { proxy } from './proxy.mjs';
import { expiry, gated } from './servers/gated.mjs';
import { logIn, overrides } from './servers/logins.mjs';
import { asking, Issuer } from './servers/oidc_provider.mjs';
import { table } from './table.mjs';
import { attempt, unboundToken } from './thief.mjs';
import { Visit } from './visit.mjs';
import { Witness } from './witness.mjs';

const client_secret = randomUUID();
const asked = { ...asking, client_secret };
const machine = { ...asking, client_id: 'machine', client_secret, grant_types: ['client_credentials'] };

const rules = `unlisted = "deny"
every_request = ["mcp:use"]

[scopes.tools]
whoami = {}
wipe = { acr = ["phr", "phrh"], max_age_seconds = 300 }
delete_file = { all = ["files:write"], acr = ["phrh"], max_age_seconds = 60 }`;

const { typescript, typescript1, python, rust, oauth4webapi } = commands;
const bearer = { client: 'oauth4webapi', revision: '2025-11-25', command: oauth4webapi, besides: ['{"isBound":false}'] };
const withKey = { ...bearer, client: 'oauth4webapi, DPoP', besides: [], scheme: 'DPoP' };
// `givesUp` has the error of such a client in the end, how often its user logs in for nothing, and how often it is refused.
const unaware = [
  {
    client: 'TypeScript 2', revision: '2026-07-28', command: typescript,
    givesUp: { message: /401 after re-authentication/, logins: 0, refusals: 2 },
  },
  {
    client: 'TypeScript 1', revision: '2025-11-25', command: typescript1,
    givesUp: { message: /401 after successful authentication/, logins: 0, refusals: 2 },
  },
  {
    client: 'Python 2', revision: '2026-07-28', command: python,
    givesUp: { message: /Server returned an error response/, logins: 1, refusals: 2 },
  },
  {
    // Each time it refreshes its token. Its user, which is ours, logs in again in between.
    client: 'rmcp 3', revision: '2026-07-28', command: rust,
    givesUp: { message: /Auth required/, logins: 1, refusals: 4 },
  },
];

const introspection = `[issuers.introspection]\nclient_id = "gate"\nclient_secret = "${client_secret}"`;

/** A client, with an authorization server and a gate of its own. */
async function start(server, accessTokenFormat, { command, besides = [], ...row }, about = '') {
  const name = `login, ${server}, ${row.client}`;
  const [listen, witness, cookies, pages] = [await freePort(), new Witness(), new Map(), []];
  const resource = `http://127.0.0.1:${await proxy(listen, { witness })}/mcp`;
  const issuer = await Issuer.start({
    algorithms: ['ES256'], accessTokenFormat, clients: [asked, machine], overrides, logIn,
  });
  await gated(`${name}, gate`, `issuer = "${issuer.url}"\n${about}`, { resource, listen, rules });
  const visitor = await Client.start(name, [...command, row.revision], resource, ...besides);
  visitor.browse = (page) => {
    pages.push(new URL(page).searchParams);
    return browse(page, cookies);
  };
  return new Visit({ scheme: 'Bearer', ...row, server, issuer, resource, witness, pages, visitor });
}

const [first, call, refresh] = ['log in', 'call', 'refresh'].map((name) => journey.find((step) => step.name === name));

const insufficient = 'insufficient_user_authentication';
const isAware = ({ givesUp }) => !givesUp;

const steps = [
  first,
  call,
  {
    name: 'unaware',
    isFor: ({ givesUp }) => givesUp,
    async take(client, { givesUp, witness, pages }) {
      const before = witness.all.length;
      await assert.rejects(client.call('wipe'), givesUp.message);
      const refused = witness.all.slice(before).filter(({ challenges }) => challenges.length);
      const errors = refused.map(({ challenges }) => parameters(challenges[0]).error);
      assert.deepEqual(errors, Array(givesUp.refusals).fill(insufficient));
      assert.equal(client.visits, 1 + givesUp.logins);
      assert.ok(pages.every((page) => !page.has('acr_values') && !page.has('max_age')), 'it asks for a login');
      await whoami(client);
    },
  },
  { ...refresh, isFor: isAware },
  // That was no login: the new token is refused.
  better('login', 'wipe', { acr_values: 'phr phrh', max_age: '300' }),
  // One challenge for both, and one login.
  better('login, scope', 'delete_file', { acr_values: 'phrh', max_age: '60', scope: 'mcp:use files:write' }),
  {
    // The login is fresh still, and the next token has it.
    name: 'refresh, fresh',
    after: 'expiry',
    isFor: isAware,
    async take(client, { witness }) {
      const { visits } = client;
      const { token } = witness.all.at(-1);
      for (const tool of ['wipe', 'delete_file']) assert.match(await client.call(tool, { path: '/tmp/a' }), /would be gone/);
      assert.notEqual(witness.all.at(-1).token, token);
      assert.equal(client.visits, visits);
    },
  },
  {
    // There is no user who could log in.
    name: 'machine',
    isFor: isAware,
    async take(_, { issuer, resource }) {
      const token = await unboundToken(issuer.url, resource, machine);
      assert.deepEqual(await attempt(resource, { token }), { status: 200 });
      const { status, headers } = await wiped(resource, token);
      assert.equal(status, 403);
      assert.doesNotMatch(headers.get('www-authenticate'), /error|scope|acr_values|max_age/);
    },
  },
];

/** The client is refused with a token that is good for other calls, logs in as the challenge says, and is served. */
function better(name, tool, asked) {
  return {
    name,
    isFor: isAware,
    async take(client, { scheme, witness, pages }) {
      const { visits } = client;
      await whoami(client);
      const before = witness.all.length;
      assert.match(await client.call(tool, { path: '/tmp/a' }), /would be gone/);
      const [{ token }, refused, served] = witness.all.slice(before - 1);
      assert.deepEqual([refused.status, served.status], [401, 200]);
      assert.equal(refused.token, token);
      const lines = refused.challenges.map(parameters);
      const [line, other] = scheme === 'DPoP' ? lines.reverse() : lines;
      const { error, acr_values, max_age, scope } = line;
      assert.equal(line.scheme, scheme);
      assert.deepEqual({ error, acr_values, max_age, scope }, { scope: undefined, error: insufficient, ...asked });
      assert.deepEqual([other.error, other.acr_values, other.max_age], [undefined, undefined, undefined]);
      assert.equal(client.visits, visits + 1);
      const page = pages.at(-1);
      assert.deepEqual([page.get('acr_values'), page.get('max_age')], [acr_values, max_age]);
    },
  };
}

/** The parameters of a challenge, and its scheme. */
function parameters(line) {
  const all = [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  return { scheme: line.split(' ')[0], ...Object.fromEntries(all) };
}

function wiped(resource, token) {
  const headers = {
    authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream',
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'wipe' } });
  return fetch(resource, { method: 'POST', headers, body });
}

// oidc-provider prints notices for production use.
const { log } = console;
globalThis.console = new Console({ stdout: createWriteStream(join(logs, 'login-oidc-provider.log')) });

const visits = await Promise.all([
  start('oidc-provider, JWT', 'jwt', bearer),
  start('oidc-provider, JWT', 'jwt', withKey),
  start('oidc-provider, opaque', 'opaque', bearer, introspection),
  ...unaware.map((row) => start('oidc-provider, JWT', 'jwt', row)),
]);
for (const step of steps) {
  if (step.after) await expiry();
  const those = visits.filter((visit) => step.isFor?.(visit) ?? true);
  await Promise.all(those.map((visit) => visit.take(step)));
}
log(table(steps, visits));
process.exit(visits.some((visit) => visit.hasFailed) ? 1 : 0);
