// oidc-provider as the issuer, with its own pages for login and consent.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';

import { freePort } from '../programs.mjs';
import { proxy } from '../proxy.mjs';
import { Witness } from '../witness.mjs';
import { expiry, gated, lifetime, oblivion } from './gated.mjs';

const scope = 'mcp:use files:write';

const keyPairs = {
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  EdDSA: () => generateKeyPairSync('ed25519'),
};

const signingKey = (alg) => {
  const { privateKey } = keyPairs[alg]();
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg };
};

/** The gate, as a client that does nothing but ask about tokens. */
export const asking = { client_id: 'gate', grant_types: [], redirect_uris: [], response_types: [] };

/** Access tokens are JWTs, and the key they are signed with is replaced. A witness is told of all that clients send. */
export async function jwt() {
  const issuer = await Issuer.start({ algorithms: ['ES256', 'EdDSA'], accessTokenFormat: 'jwt' });
  const [listen, witness] = [await freePort(), new Witness()];
  const resource = `http://127.0.0.1:${await proxy(listen, { witness })}/mcp`;
  await gated('oidc-provider-jwt', `issuer = "${issuer.url}"`, { resource, listen });
  const rotation = () => {
    issuer.rotate();
    return expiry();
  };
  return { resource, witness, expiry, rotation };
}

/** Access tokens are opaque, and can be taken back; sessions, too. */
export async function opaque() {
  const { privateKey, publicKey } = keyPairs.ES256();
  const jwks = { keys: [publicKey.export({ format: 'jwk' })] };
  const clients = [{ ...asking, token_endpoint_auth_method: 'private_key_jwt', jwks }];
  const issuer = await Issuer.start({ algorithms: ['RS256'], accessTokenFormat: 'opaque', clients });
  const { resource, change } = await gated('oidc-provider-opaque', `issuer = "${issuer.url}"
[issuers.introspection]
client_id = "gate"
auth = "private_key_jwt"
private_key = '${JSON.stringify(privateKey.export({ format: 'jwk' }))}'`);
  const revocation = async () => {
    await issuer.revoke();
    await oblivion();
  };
  const amnesia = () => change({ sessions: `keys = ["${randomUUID()}"]` });
  return { resource, expiry, revocation, amnesia };
}

/** Clients are held to the scopes that they named when they registered, as oidc-provider does by itself. */
export async function strict() {
  const issuer = await Issuer.start({ algorithms: ['RS256'], accessTokenFormat: 'jwt', isStrict: true });
  return gated('oidc-provider-strict', `issuer = "${issuer.url}"`);
}

export class Issuer {
  // Longer than any client here waits: rmcp does not repeat a request if its connection turns out to be closed.
  #server = createServer({ keepAliveTimeout: 60_000 });
  #cookieKey = randomUUID();
  #idTokenKey = signingKey('RS256');
  #grants = new Set();

  /** May answer for its login page. */
  logIn = (provider, ctx, next) => next();

  /** How often a client was told that its proof lacks a nonce. */
  demandedNonces = 0;

  static async start(settings) {
    const issuer = new Issuer();
    Object.assign(issuer, { clients: [], features: {}, granted: scope, isStrict: false, overrides: {}, ...settings });
    // It names the port, so the port comes first.
    issuer.#server.listen(0, '127.0.0.1').unref();
    await once(issuer.#server, 'listening');
    issuer.url = `http://127.0.0.1:${issuer.#server.address().port}`;
    issuer.rotate();
    return issuer;
  }

  /** Replaces the key by one of the next algorithm; the old one is no longer published. Issued tokens are kept. */
  rotate() {
    this.provider = new Provider(this.url, this.#configuration(signingKey(this.algorithms.shift())));
    this.provider.use((ctx, next) => this.logIn(this.provider, ctx, next));
    this.provider.on('server_error', (ctx, error) => console.error(error));
    this.provider.on('grant.error', (ctx, { error }) => error === 'use_dpop_nonce' && this.demandedNonces++);
    // A token of a machine belongs to no grant.
    this.provider.on('grant.success', ({ oidc: { entities: { Grant } } }) => Grant && this.#grants.add(Grant.jti));
    this.#server.removeAllListeners('request').on('request', this.provider.callback());
  }

  /** Everything that was issued is taken back, what would refresh it included. */
  async revoke() {
    for (const grant of this.#grants) {
      await this.provider.AccessToken.revokeByGrantId(grant);
      await this.provider.RefreshToken.revokeByGrantId(grant);
    }
    this.#grants.clear();
  }

  #configuration(key) {
    const { alg, kid } = key;
    return {
      // One memory for all, which outlives the provider that a rotation replaces.
      adapter: (model) => new MemoryAdapter(model),
      clients: this.clients,
      jwks: { keys: [this.#idTokenKey, key] },
      scopes: ['offline_access', ...scope.split(' ')],
      // SDKs register with the scopes that they need first, and want others later.
      extraClientMetadata: {
        properties: this.isStrict ? [] : ['any_scope'],
        validator: (ctx, key, value, client) => delete client.scope,
      },
      cookies: { keys: [this.#cookieKey] },
      findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
      // Some SDKs refresh for a stream and for a call at the same time. A token that rotates would be used twice then, and
      // the provider would revoke the grant: that is between the two of them, and not about the gate.
      rotateRefreshToken: false,
      ttl: { AccessToken: lifetime, Grant: 600, Interaction: 600, RefreshToken: 600, Session: 600 },
      features: {
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (ctx, client) => client.clientId === 'gate' },
        registration: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: (ctx, resource) => ({
            audience: resource,
            scope: this.granted,
            accessTokenTTL: lifetime,
            accessTokenFormat: this.accessTokenFormat,
            jwt: { sign: { alg, kid } },
          }),
        },
        ...this.features,
      },
      ...this.overrides,
    };
  }
}
