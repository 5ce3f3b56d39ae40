// MCP's conformance suite has scenarios in which it plays a protected server, and watches a client. Here they are
// turned round: a client that others wrote, the TypeScript SDK's, meets our gate in the same situation. `run` beside
// this file starts it.
//
// Left out are those that all clients of interop.mjs go through anyway (metadata-default, scope-from-www-authenticate,
// scope-step-up, token-endpoint-auth-none, iss-supported), and those that are between a client and its authorization
// server alone (the other iss-*, metadata-issuer-mismatch, token-endpoint-auth-post, offline-access-not-supported,
// enterprise-managed-authorization, wif-jwt-bearer). The others are of servers that ours is not: it has its metadata
// nowhere else (metadata-var3), and is no authorization server (2025-03-26-oauth-endpoint-fallback). For DPoP there is
// dpop.mjs. 2025-03-26-oauth-metadata-backcompat fails: the gate can send clients on to its issuer's metadata, but that is
// another origin, and the SDKs here stay where they are.
//
// The last ones are not of the suite: every SDK calls tools whose names would send it to another server.

import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

import { Client, commands } from './client.mjs';
import { anywhere, denials, whoami } from './journey.mjs';
import { freePort, logs } from './programs.mjs';
import { proxy } from './proxy.mjs';
import { Attacker } from './servers/attacker.mjs';
import { start as authlib } from './servers/authlib.mjs';
import { expiry, gated } from './servers/gated.mjs';
import { Issuer } from './servers/oidc_provider.mjs';

const revision = '2026-07-28';
const command = [...commands.typescript, revision];

const client_secret = randomUUID();
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

// Clients as an authorization server knows them: an application with any port of its own machine, and a machine.
const native = {
  application_type: 'native',
  redirect_uris: ['http://127.0.0.1/callback'],
  grant_types: ['authorization_code', 'refresh_token'],
};
const registered = { ...native, client_id: 'registered', client_secret };
const published = { ...native, client_id: 'https://client.example.com/mcp.json', token_endpoint_auth_method: 'none' };
const machine = { client_id: 'machine', redirect_uris: [], response_types: [], grant_types: ['client_credentials'] };
const secretive = { ...machine, client_secret };
const signing = {
  ...machine,
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: [publicKey.export({ format: 'jwk' })] },
};
// And as they know themselves.
const secret = { clientId: machine.client_id, clientSecret: client_secret };
const key = { clientId: machine.client_id, algorithm: 'ES256', privateKey: privateKey.export({ format: 'jwk' }) };

// The path where clients look for the metadata first, and how often they did.
const nested = '/.well-known/oauth-protected-resource/mcp';
let searches = 0;

// A scope follows the name of each tool.
const byName = `unlisted = "deny"
every_request = ["mcp:use"]

[scopes.tools]
whoami = {}
"*" = "tool:{name}"`;

const scenarios = {
  // The challenge gets lost on the way, and with it what it says of scopes: the metadata has others.
  'metadata-var1, scope-from-scopes-supported': {
    between: { hidesChallenges: true },
    async take(client) {
      await client.connect();
      const { scopes } = await whoami(client);
      assert.deepEqual(scopes.toSorted(), ['files:write', 'mcp:use']);
    },
  },
  // And the metadata is at the root only.
  'metadata-var2': {
    between: { hidesChallenges: true, hides: (path) => path === nested && ++searches },
    async take(client) {
      await client.connect();
      await whoami(client);
      assert.ok(searches);
    },
  },
  'resource-mismatch': {
    host: 'localhost',
    async take(client) {
      await assert.rejects(client.connect(), /resource .* does not match/);
      assert.equal(client.visits, 0);
    },
  },
  'basic-cimd': {
    issuer: {
      features: { clientIdMetadataDocument: { enabled: true, ack: 'draft-02' } },
      overrides: { fetch: async () => Response.json(published) },
    },
    callers: 'allowed_hosts = ["client.example.com"]',
    known: { clientMetadataUrl: published.client_id },
    async take(client, visit) {
      await travel(client, visit);
      assert.equal((await whoami(client)).client_id, published.client_id);
    },
  },
  'pre-registration, token-endpoint-auth-basic': {
    issuer: { clients: [registered], features: { registration: { enabled: false } } },
    callers: 'allowed = ["registered"]',
    known: { information: registered },
    take: travel,
  },
  'client-credentials-basic': {
    issuer: { clients: [secretive] },
    known: { secret },
    take: travelAlone,
  },
  'client-credentials-jwt': {
    issuer: { clients: [signing] },
    known: { key },
    take: travelAlone,
  },
  // The scope is never granted, however often the client asks for it.
  'scope-retry-limit': {
    issuer: { clients: [secretive], granted: 'mcp:use' },
    known: { secret },
    async take(client) {
      await client.connect();
      await assert.rejects(client.call('delete_file', { path: '/tmp/a' }), /retry limit/);
      await whoami(client);
    },
  },
  // No scope is named. Authlib rejects the introspection of a token without a scope as malformed.
  'scope-omitted-when-undefined': {
    start: (name) => authlib(name, { rules: 'unlisted = "allow"', metadata: '', isAsked: false }),
    async take(client) {
      await client.connect();
      assert.deepEqual((await whoami(client)).scopes, []);
    },
  },
  // There is a refresh token only for those who ask for one.
  'offline-access-scope': {
    issuer: { overrides: { issueRefreshToken: undefined } },
    async take(client) {
      await client.connect();
      await expiry();
      await whoami(client);
      assert.equal(client.visits, 1);
    },
  },
  // The metadata changes to another authorization server, which does not know the client.
  'authorization-server-migration': {
    async take(client, { change }) {
      await client.connect();
      const { issuer } = await whoami(client);
      await change({ issuer: await issuing() });
      assert.notEqual((await whoami(client)).issuer, issuer);
      assert.equal(client.visits, 2);
    },
  },
  // In a challenge a scope follows the name of a tool, and that looks like a parameter of the challenge.
  ...Object.fromEntries([
    ['TypeScript 2', [...commands.typescript, '2026-07-28']],
    ['TypeScript 2 in a session', [...commands.typescript, '2025-11-25']],
    ['TypeScript 1', [...commands.typescript1, '2025-11-25']],
    ['Python 2', [...commands.python, '2026-07-28']],
    ['Python 2 in a session', [...commands.python, '2025-11-25']],
    ['rmcp 3', [...commands.rust, '2026-07-28']],
    ['rmcp 3 in a session', [...commands.rust, '2025-11-25']],
  ].map(([sdk, command]) => [`hostile names of ${sdk}`, { command, rules: byName, take: isNotSteered }])),
};

/** No scope helps, or the name is too long. */
const refusals = new RegExp(`${denials.source}|cannot be read as one JSON-RPC call`);

/** None of the names sends it to the server of an attacker. A `resource_link` in a tool's result can cause such a call. */
async function isNotSteered(client, { resource }) {
  const attacker = await Attacker.start();
  attacker.resource = resource;
  const metadata = `${attacker.url}/prm`;
  await client.connect();
  for (const name of [
    `x,resource_metadata=${metadata},`,
    `resource_metadata=${metadata}?`,
    `x;Resource_Metadata=${metadata}#`,
    `x,error=invalid_token,resource_metadata=${metadata},`,
    `x,scope=everything,resource_metadata=${metadata},`,
    `x",resource_metadata="${metadata}`,
    `x\\",resource_metadata="${metadata}`,
    `x, resource_metadata=${metadata}, `,
    `x,resource_metadata=${metadata},${'x'.repeat(200)}`,
    `x,resource_metadata=${metadata},${'x'.repeat(9000)}`,
  ]) {
    const failure = await client.call(name).then(() => undefined, ({ message }) => message);
    assert.deepEqual(attacker.requests, [], `called ${name}`);
    assert.match(failure, refusals);
  }
  assert.deepEqual((await whoami(client)).audience, [resource]);
  assert.equal(client.visits, 1);
}

async function travel(client, visit) {
  for (const { take } of anywhere) await take(client, visit);
}

/** As a machine, which has no user to ask. */
async function travelAlone(client) {
  await client.connect();
  assert.match(await client.call('delete_file', { path: '/tmp/a' }), /would be gone/);
  assert.equal((await whoami(client)).machine, true);
  assert.equal(client.visits, 0);
}

/** The configuration of a gate for an issuer that has these settings. */
async function issuing(settings, callers = '') {
  const { url } = await Issuer.start({ algorithms: ['ES256'], accessTokenFormat: 'jwt', ...settings });
  return `issuer = "${url}"\n[issuers.clients]\n${callers}`;
}

async function start(name, { host = '127.0.0.1', between = {}, issuer, callers, rules }) {
  const listen = await freePort();
  const port = await proxy(listen, between);
  const resource = `http://${host}:${port}/mcp`;
  const { change } = await gated(name, await issuing(issuer, callers), { resource, listen, rules });
  return { resource: `http://127.0.0.1:${port}/mcp`, change };
}

// oidc-provider prints notices for production use.
const { log } = console;
globalThis.console = new Console({ stdout: createWriteStream(join(logs, 'scenarios.log')) });

let failed = false;
for (const [name, scenario] of Object.entries(scenarios)) {
  const [logged] = name.split(',');
  const started = await (scenario.start ?? start)(logged, scenario);
  const known = scenario.known ? [JSON.stringify(scenario.known)] : [];
  const client = await Client.start(`${logged}, client`, scenario.command ?? command, started.resource, ...known);
  const failure = await scenario.take(client, { revision, ...started }).then(() => undefined, (error) => error);
  log(failure ? `FAIL: ${name}: ${failure.message}` : `ok: ${name}`);
  failed ||= failure;
}
process.exit(failed ? 1 : 0);
