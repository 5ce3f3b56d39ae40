// A real authorization server, oidc-provider, for tests of token introspection (RFC 7662). An independent
// implementation of the RFC shows whether the gate understands it correctly.
//
//     npm ci --prefix tests/interop
//     tests/interop/node_modules/.bin/node tests/interop/oidc_provider/server.mjs ['{"keys":[…]}']
//
// The argument is the public JWK set of the client `rs-key`; without it there is no such client. When the server
// listens it prints one line of JSON: where its endpoints are, the clients' secrets, and a user's tokens. Nothing
// else goes to stdout. It ends when its stdin does, so that it does not outlive a test that panicked.

import { Console } from 'node:console';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider, { errors } from 'oidc-provider';

const resources = ['https://mcp.example.com/mcp', 'https://other.example.com/mcp'];
const scope = 'mcp:use files:write';
const lifetime = 300; // seconds

// The provider's notices go through console.info, hence to stdout, unless the console is another one.
globalThis.console = new Console(process.stderr);
process.stdin.on('end', () => process.exit()).resume();

// Characters that a client must encode in a form, and before base64 in `Authorization: Basic` (RFC 6749 section
// 2.3.1): `%41` arrives as `A` where that was forgotten. The provider allows only ASCII.
const awkward = () => `p+s s:%41&=/?"\\~${randomUUID()}`;
const secrets = { 'machine': randomUUID(), 'app': randomUUID(), 'rs-basic': awkward(), 'rs-post': awkward() };

// `machine` and `app` get tokens, the others are resource servers, which only introspect.
const clients = [
  { client_id: 'machine', grant_types: ['client_credentials'] },
  { client_id: 'app', grant_types: ['refresh_token'] },
  { client_id: 'rs-basic', grant_types: [] },
  { client_id: 'rs-post', grant_types: [], token_endpoint_auth_method: 'client_secret_post' },
].map((client) => ({ ...client, client_secret: secrets[client.client_id], response_types: [] }));
if (process.argv[2]) {
  const jwks = JSON.parse(process.argv[2]);
  const token_endpoint_auth_method = 'private_key_jwt';
  clients.push({ client_id: 'rs-key', grant_types: [], response_types: [], token_endpoint_auth_method, jwks });
}

// The issuer names the port, so the port comes first.
const server = createServer().listen(0, '127.0.0.1');
await once(server, 'listening');

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const provider = new Provider(`http://127.0.0.1:${server.address().port}`, {
  clients,
  jwks: { keys: [privateKey.export({ format: 'jwk' })] },
  cookies: { keys: [randomUUID()] },
  findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  ttl: { AccessToken: lifetime, ClientCredentials: lifetime, Grant: lifetime, RefreshToken: lifetime },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId.startsWith('rs-') },
    jwtIntrospection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(ctx, resource) {
        if (!resources.includes(resource)) throw new errors.InvalidTarget();
        return { audience: resource, scope, accessTokenFormat: 'opaque', accessTokenTTL: lifetime };
      },
    },
    revocation: { enabled: true, allowedPolicy: (ctx, client, token) => client.clientId === token.clientId },
  },
});
provider.on('server_error', (ctx, error) => console.error(error));

// The tokens that a user would get after a login in the browser.
const sub = 'user-1';
const client = await provider.Client.find('app');
const grant = new provider.Grant({ accountId: sub, clientId: client.clientId });
grant.addResourceScope(resources[0], scope);
const granted = { accountId: sub, client, grantId: await grant.save(), gty: 'authorization_code', scope };
const user = {
  sub,
  access_token: await new provider.AccessToken({ ...granted, aud: resources[0] }).save(),
  refresh_token: await new provider.RefreshToken({ ...granted, resource: resources[0] }).save(),
};

server.on('request', provider.callback());
process.stdout.write(`${JSON.stringify({
  issuer: provider.issuer,
  token_endpoint: provider.urlFor('token'),
  introspection_endpoint: provider.urlFor('introspection'),
  revocation_endpoint: provider.urlFor('revocation'),
  secrets,
  user,
})}\n`);
