// What a client goes through at a gated server, step by step. A step throws where that is not what happens. Some come
// after a deed of the server, which is done once for all clients; where a server has no such deed, it has no such step.

import assert from 'node:assert/strict';

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
      await assert.rejects(client.call('wipe'));
      await whoami(client);
      assert.equal(client.visits, visits);
    },
  },
  {
    name: 'refresh',
    after: 'expiry',
    take: passesUnasked,
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
];

/** What the server knows of the client, from its token. */
export const whoami = async (client) => JSON.parse(await client.call('whoami'));

/** The token it had is good no more; it has another one, and has not asked the user for it. */
async function passesUnasked(client) {
  const { visits } = client;
  await whoami(client);
  assert.equal(client.visits, visits);
}
