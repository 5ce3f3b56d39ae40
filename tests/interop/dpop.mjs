// Tokens that are bound to a key of the client (DPoP, RFC 9449), with programs that others wrote: oidc-provider and
// glewlwyd bind them, clients prove that they have the key, and a thief has the token alone. `run` beside this file starts
// it.

import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { randomBytes } from 'node:crypto';
import { createWriteStream, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Client, commands } from './client.mjs';
import { journey, stateless, whoami } from './journey.mjs';
import { freePort, logs } from './programs.mjs';
import { proxy } from './proxy.mjs';
import { expiry, gated, leeway, lifetime, oblivion } from './servers/gated.mjs';
import { Glewlwyd } from './servers/glewlwyd.mjs';
import { front } from './servers/nginx.mjs';
import { asking, Issuer } from './servers/oidc_provider.mjs';
import { start as quickstart } from './servers/quickstart.mjs';
import { gateway } from './servers/typescript.mjs';
import { table } from './table.mjs';
import { attempt, unboundToken } from './thief.mjs';
import { Visit } from './visit.mjs';
import { Witness } from './witness.mjs';

// Of letters and digits: glewlwyd does not decode a secret as it comes in `Authorization: Basic` (RFC 6749 section 2.3.1).
const client_secret = randomBytes(16).toString('hex');
const asked = { ...asking, client_secret };
const machine = { ...asking, client_id: 'machine', client_secret, grant_types: ['client_credentials'] };

const { typescript, page, typescript1, python, rust, oauth4webapi } = commands;
const sdk = { client: 'TypeScript 2', command: typescript, besides: ['{"isBound":true}'] };
const withKey = [
  { ...sdk, revision: '2026-07-28' },
  { ...sdk, revision: '2025-11-25' },
  { client: 'oauth4webapi', revision: '2025-11-25', command: oauth4webapi },
];
// oidc-provider lets no web page register.
const inPage = [{ ...sdk, client: 'TypeScript 2, page', revision: '2026-07-28', command: page }];
// The server behind the gateway has sessions.
const inSessions = withKey.filter(({ revision }) => revision < stateless);
// `givesUp` has the error of such a client in the end, and how often its user is asked before.
const withoutKey = [
  {
    client: 'TypeScript 2, no key', revision: '2026-07-28', command: typescript,
    givesUp: { message: /401 after re-authentication/, visits: 1 },
  },
  {
    client: 'TypeScript 1', revision: '2025-11-25', command: typescript1,
    givesUp: { message: /401 after successful authentication/, visits: 1 },
  },
  {
    client: 'Python 2', revision: '2026-07-28', command: python,
    givesUp: { message: /Server returned an error response/, visits: 2 },
  },
  {
    client: 'rmcp 3', revision: '2026-07-28', command: rust,
    givesUp: { message: /Auth required/, visits: 1 },
  },
];

const servers = {
  'oidc-provider, JWT': { clients: withKey, start: (name) => atGate(name, issued('jwt')) },
  'oidc-provider, opaque, nonces': {
    clients: withKey,
    start: (name) => atGate(name, issued('opaque', true), { about: introspection, hasNonces: true }),
  },
  'oidc-provider, required': {
    clients: [...withKey, ...withoutKey],
    start: (name) => atGate(name, issued('jwt'), { isRequired: true }),
  },
  'glewlwyd, signed introspection': {
    clients: withKey,
    start: (name) => atGlewlwyd(name, { about: `${introspected}\nsigned = true`, isSigned: true, ...lasting }),
  },
  'glewlwyd, introspected, required, nonces': {
    clients: withKey,
    start: (name) => atGlewlwyd(name, { about: introspected, isRequired: true, hasNonces: true, ...exact }),
  },
  'oidc-provider, nginx': { clients: inSessions, start: (name) => behindNginx(name, 'seen_at = "/mcp"') },
  'oidc-provider, nginx, undeclared': { clients: inSessions, start: (name) => behindNginx(name) },
  'quickstart, required, nonces': { clients: inPage, start: atQuickstart },
};

const introspection = `[issuers.introspection]\nclient_id = "gate"\nclient_secret = "${client_secret}"`;

/** A gate for the tokens of an issuer, of which the configuration says more than its URL. */
async function atGate(name, issue, { about = '', hasNonces = false, isRequired = false, ...besides } = {}) {
  const [listen, witness] = [await freePort(), new Witness()];
  const resource = `http://127.0.0.1:${await proxy(listen, { witness })}/mcp`;
  const issuer = await issue(resource);
  const holder = `nonces = ${hasNonces}\ndpop = "${isRequired ? 'required' : 'accepted'}"`;
  await gated(name, `issuer = "${issuer.url}"\n${about}`, { resource, listen, holder });
  return { issuer, resource, witness, hasNonces, isRequired, hasThief: true, ...besides };
}

// As `basic`, a client hears only of its own tokens: those of others are not active.
const introspected = `${introspection}\nauth = "post"\nwhen = "always"`;

// glewlwyd has no leeway: from its end on, a token is not active. `revoked` shows what that is where responses are signed.
const exact = { duration: lifetime + leeway };
const lasting = { duration: 600, isLasting: true };

const alone = ['machine', 'gate'].map((client_id) => ({ client_id, client_secret }));

function atGlewlwyd(name, { about = '', ...settings } = {}) {
  const issue = (resource) => Glewlwyd.start(`${name}, glewlwyd`, { resource, clients: alone, ...settings });
  return atGate(name, issue, { about: `profile = "rfc9068"\n${about}`, ...settings });
}

/** A gate beside the quickstart, whose authorization server any client can use. */
async function atQuickstart(name) {
  const { issuer } = await quickstart();
  const [listen, witness] = [await freePort(), new Witness()];
  const resource = `http://127.0.0.1:${await proxy(listen, { witness })}/mcp`;
  await gated(name, `issuer = "${issuer}"`, { resource, listen, holder: 'dpop = "required"\nnonces = true' });
  return { resource, witness, hasNonces: true, isRequired: true, isLasting: true };
}

/** nginx cuts a prefix off the path. */
async function behindNginx(name, above) {
  const issuer = await issued('jwt')();
  const [port, listen, witness] = [await freePort(), await freePort(), new Witness()];
  const resource = `https://localhost:${port}/team/mcp`;
  const inner = `http://127.0.0.1:${await proxy(listen, { witness })}`;
  await front(`nginx-${port}`, port, `
    location /team/ { proxy_pass ${inner}/; }
    location /.well-known/oauth-protected-resource/team/ { proxy_pass ${inner}; }`);
  await gateway(name, { resource, listen, above, issuer: `issuer = "${issuer.url}"` });
  return { issuer, resource, witness, isUndeclared: !above };
}

function issued(accessTokenFormat, hasNonces = false) {
  const dPoP = { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true };
  const features = hasNonces ? { dPoP } : {};
  return () => Issuer.start({ algorithms: ['ES256'], accessTokenFormat, features, clients: [asked, machine] });
}

const [logIn, call, stepUp, refresh] = ['log in', 'call', 'step up', 'refresh'].map((name) =>
  journey.find((step) => step.name === name),
);

const steps = [
  {
    // Its proofs are for the URL that it knows, and the log says what to declare.
    name: 'other URL',
    isFor: ({ isUndeclared }) => isUndeclared,
    async take(client, { gate }) {
      await assert.rejects(client.connect());
      assert.equal(client.visits, 1);
      const log = readFileSync(join(logs, `${gate}.log`), 'utf8').split('\n');
      assert.match(log.find((line) => line.includes('dpop_other_request')), / declare seen_at as \/mcp"/);
    },
  },
  {
    // From the challenge for DPoP alone it finds its way to a token that is bound to no key, and then it gives up.
    name: 'no key',
    isFor: ({ givesUp }) => givesUp,
    async take(client, { givesUp, witness }) {
      await assert.rejects(client.connect(), givesUp.message);
      assert.equal(client.visits, givesUp.visits);
      const { headers, status, challenges } = witness.all.at(-1);
      assert.match(headers.authorization, /^Bearer /);
      assert.deepEqual([status, challenges.length], [401, 1]);
      assert.match(challenges[0], /^DPoP error="invalid_token", /);
    },
  },
  // From a challenge for both schemes, or for DPoP alone.
  bound(logIn, ({ witness, isRequired }) => {
    const { status, challenges } = witness.all.find(({ method }) => method === 'POST');
    const schemes = challenges.map((line) => line.split(' ')[0]);
    assert.deepEqual([status, ...schemes], isRequired ? [401, 'DPoP'] : [401, 'Bearer', 'DPoP']);
  }),
  bound(call),
  {
    // The gate and the authorization server demanded nonces once, and it goes on by itself.
    name: 'nonce',
    isFor: ({ hasNonces }) => hasNonces,
    async take(client, { witness, issuer }) {
      const demands = witness.all.filter(({ challenges }) => /error="use_dpop_nonce"/.test(challenges));
      assert.deepEqual(demands.map(({ status }) => status), [401]);
      const { nonce } = decoded(witness.all.at(-1).headers.dpop, 1);
      assert.ok(nonce && witness.all.some((seen) => seen.nonce === nonce), nonce);
      if (issuer) assert.equal(issuer.demandedNonces, 1);
    },
  },
  bound(stepUp),
  bound(refresh),
  theft('as Bearer', ({ token }) => ({ token }), { bearer: 'invalid_token', dpop: undefined }),
  theft('other key', ({ token }) => ({ token, hasKey: true }), { dpop: 'invalid_token' }),
  theft('replay', ({ token, headers }) => ({ token, usedProof: headers.dpop }), { dpop: 'invalid_dpop_proof' }),
  {
    // A token that is bound to no key is good only where that is not required, and never with a proof.
    name: 'unbound',
    isFor: ({ hasThief, givesUp }) => hasThief && !givesUp,
    async take(_, { issuer, resource, isRequired }) {
      const token = await unboundToken(issuer.url, resource, machine);
      const refused = challenged(isRequired, { dpop: 'invalid_token' });
      assert.deepEqual(await attempt(resource, { token, hasKey: true }), refused);
      const asBearer = isRequired ? refused : { status: 200 };
      assert.deepEqual(await attempt(resource, { token }), asBearer);
    },
  },
  {
    // glewlwyd signs no response for a token that is not active, and the gate accepts no other: it cannot tell.
    name: 'revoked',
    isFor: ({ isSigned }) => isSigned,
    async take(_, { issuer, resource }) {
      const token = await unboundToken(issuer.url, resource, machine);
      assert.deepEqual(await attempt(resource, { token }), { status: 200 });
      await issuer.revoke(token, asked);
      await oblivion();
      assert.deepEqual(await attempt(resource, { token }), { status: 503 });
    },
  },
];

const { log } = console;
globalThis.console = new Console({ stdout: createWriteStream(join(logs, 'dpop-oidc-provider.log')) });

const rows = [];
for (const [server, started] of Object.entries(servers)) rows.push(...(await visitors(server, started)));
log(table(steps, rows));
process.exit(rows.some((visit) => visit.hasFailed) ? 1 : 0);

/** All clients at once, each at a server of its own, step by step. */
async function visitors(server, { start, clients }) {
  const visits = await Promise.all(clients.map(async ({ command, besides = [], ...row }) => {
    const name = `dpop, ${server}, ${row.client}, ${row.revision}`;
    const gate = `${name}, gate`;
    const started = await start(gate);
    const { issuer } = started;
    const visitor = await Client.start(name, [...command, row.revision], started.resource, ...besides);
    if (issuer?.browse) visitor.browse = (page) => issuer.browse(page);
    return new Visit({ ...started, ...row, gate, server, visitor });
  }));
  for (const step of steps) {
    const those = visits.filter((visit) => !visit.isOver && (step.isFor?.(visit) ?? true));
    if (step.after && those.length) await expiry();
    await Promise.all(those.map((visit) => visit.take(step)));
  }
  for (const { visitor } of visits) visitor.program.stop();
  return visits;
}

/** The step, in which every request that is served has a proof of its own, by one key. */
function bound({ name, after, take }, check = () => {}) {
  return {
    name,
    after,
    isFor: ({ isUndeclared, givesUp, isLasting }) => !isUndeclared && !givesUp && !(after && isLasting),
    async take(client, visit) {
      await take(client, visit);
      const served = visit.witness.all.filter(({ token, status }) => token && status < 300);
      assert.ok(served.every(({ headers }) => /^DPoP /i.test(headers.authorization)), 'a token came without a proof');
      const proofs = served.map(({ headers }) => headers.dpop);
      assert.equal(new Set(proofs).size, proofs.length);
      assert.equal(new Set(proofs.map((proof) => JSON.stringify(decoded(proof, 0).jwk))).size, 1);
      check(visit);
    },
  };
}

/** The thief uses something of the last request that was served. */
function theft(name, stolen, errors) {
  return {
    name,
    isFor: ({ hasThief, givesUp }) => hasThief && !givesUp,
    async take(client, { resource, witness, isRequired }) {
      await whoami(client);
      const last = witness.all.findLast(({ token, status }) => token && status < 300);
      assert.deepEqual(await attempt(resource, stolen(last)), challenged(isRequired, errors));
    },
  };
}

/** A 401 whose error is in the challenge of one scheme; if DPoP is required, there is no other. */
function challenged(isRequired, { bearer, dpop }) {
  return isRequired ? { status: 401, dpop: bearer ?? dpop } : { status: 401, bearer, dpop };
}

function decoded(jwt, part) {
  return JSON.parse(Buffer.from(jwt.split('.')[part], 'base64url'));
}
