// The steps of a client at a gated server. A step throws if its expectation does not hold. Some steps follow an action of
// the server, which is done once for all clients; a server without that action has no such step. Some steps are only for
// certain visits: those of a revision, or with a witness of the traffic.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

/** The first revision without sessions. */
export const stateless = '2026-07-28';

/** The errors of clients after a 403 without a scope: the SDKs of TypeScript and Python, rmcp, the Inspector. */
export const denials = /not open to the caller|Server returned an error response|Insufficient scope|unauthorized/;

export const journey = [
  {
    // From a 401 alone: metadata, registration, the user's consent, a token.
    name: 'log in',
    async take(client, { revision }) {
      assert.equal(await client.connect(), revision);
      assert.equal(client.visits, 1);
    },
  },
  {
    name: 'list',
    async take(client) {
      const tools = await client.list();
      assert.ok(tools.includes('whoami') && tools.includes('delete_file'), tools);
    },
  },
  {
    name: 'call',
    async take(client, { resource }) {
      const { audience, scopes } = await whoami(client);
      assert.deepEqual(audience, [resource]);
      assert.ok(scopes.includes('mcp:use') && !scopes.includes('files:write'), scopes);
    },
  },
  {
    // The values that its revision mirrors in headers: the session it was given, or what is called.
    name: 'headers',
    isFor: ({ witness }) => witness,
    async take(client, { revision, witness }) {
      const { client_id } = await whoami(client);
      const all = witness.served(client_id).map(({ headers }) => headers);
      const inSession = all.filter((headers) => headers['mcp-session-id']);
      const named = all.filter((headers) => headers['mcp-method']);
      if (revision < stateless) {
        // But for the one that begins it.
        assert.equal(inSession.length, all.length - 1);
      } else {
        assert.deepEqual([inSession.length, named.length], [0, all.length]);
        assert.equal(all.at(-1)['mcp-name'], 'whoami');
      }
      const versions = all.map((headers) => headers['mcp-protocol-version']);
      if (revision > '2025-03-26') assert.ok(versions.slice(1).every((version) => version === revision), versions);
    },
  },
  {
    // A 403 asks for a scope, and the client for the user's consent to it.
    name: 'step up',
    async take(client) {
      assert.match(await client.call('delete_file', { path: '/tmp/a' }), /would be gone/);
      assert.equal(client.visits, 2);
      const { scopes } = await whoami(client);
      assert.ok(scopes.includes('mcp:use') && scopes.includes('files:write'), scopes);
    },
  },
  {
    // A 403 for which there is no scope to ask: an error, and the client goes on.
    name: 'denied',
    async take(client) {
      const { visits } = client;
      await assert.rejects(client.call('wipe'), denials);
      await whoami(client);
      assert.equal(client.visits, visits);
    },
  },
  {
    // Several calls at once: all are answered, or none is made.
    name: 'batch',
    isFor: ({ client, revision, takesBatches }) =>
      takesBatches && client === 'TypeScript 1' && revision === '2025-03-26',
    async take(client, { resource }) {
      const answers = await client.batch(['whoami', 'whoami']);
      assert.deepEqual(answers.map((answer) => JSON.parse(answer).audience), [[resource], [resource]]);
      await assert.rejects(client.batch(['whoami', 'wipe']), denials);
    },
  },
  {
    name: 'refresh',
    after: 'expiry',
    take: passesUnasked,
  },
  {
    // A stream to listen on ended with its token, and is open again with the next one.
    name: 'stream',
    isFor: ({ revision, witness }) => revision < stateless && witness,
    async take(client, { witness }) {
      const { client_id } = await whoami(client);
      const streams = () => witness.served(client_id).filter(({ method, isStream }) => method === 'GET' && isStream);
      await until(() => streams().length > 1);
      const [first, next] = streams();
      assert.ok(first.isOver);
      assert.notEqual(first.token, next.token);
    },
  },
  {
    name: 'new key',
    after: 'rotation',
    take: passesUnasked,
  },
  {
    // Revoked tokens are a 401, and the client begins from the start.
    name: 'revoked',
    after: 'revocation',
    async take(client) {
      const { visits } = client;
      await whoami(client);
      assert.equal(client.visits, visits + 1);
    },
  },
  {
    // The server knows its session no more, a 404, and it begins another one.
    name: 'session',
    after: 'amnesia',
    isFor: ({ revision }) => revision < stateless,
    take: passesUnasked,
  },
  {
    // It closes its session, which is then over for every request with its token.
    name: 'leave',
    isFor: ({ revision, witness }) => revision < stateless && witness,
    async take(client, { resource, witness }) {
      const { client_id } = await whoami(client);
      await client.leave();
      const { method, headers } = witness.served(client_id).at(-1);
      assert.equal(method, 'DELETE');
      const { authorization, 'mcp-session-id': session } = headers;
      const again = { authorization, 'mcp-session-id': session, accept: 'text/event-stream' };
      assert.equal((await fetch(resource, { headers: again })).status, 404);
    },
  },
];

/** The steps that need nothing of a server but that it is there. */
export const anywhere = journey.filter(({ after, isFor }) => !after && !isFor);

/** The server's answer about the client, from its token. */
export const whoami = async (client) => JSON.parse(await client.call('whoami'));

async function until(condition) {
  for (const end = Date.now() + 10_000; !condition(); await sleep(20)) assert.ok(Date.now() < end, 'nothing happens');
}

/** Its token is no longer valid, and it gets another one without asking the user. */
async function passesUnasked(client) {
  const { visits } = client;
  await whoami(client);
  assert.equal(client.visits, visits);
}
