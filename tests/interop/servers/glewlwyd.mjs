// glewlwyd as the issuer: an authorization server in C, whose tokens are JWTs. Its pages need a browser, so its user asks
// its API for what they do.

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { freePort, listening, logs, Program } from '../programs.mjs';
import { lifetime } from './gated.mjs';

const program = process.env.GLEWLWYD;
if (!program) throw new Error('GLEWLWYD does not say where glewlwyd is: install it');

/** The prefix of what belongs to it. */
const installed = dirname(dirname(program));

const scopes = ['mcp:use', 'files:write'];

const user = { username: 'alice', password: randomUUID(), enabled: true, scope: ['g_profile', ...scopes] };

/** The one that it comes with. */
const administrator = { username: 'admin', password: 'password' };

export class Glewlwyd {
  #administer;

  /**
   * Its tokens are for this resource, for so many seconds. Clients have a secret and no user; or, if it has the files for
   * TLS, a certificate of that authority for the name in `tls_client_auth_san_dns`, to which their tokens are bound.
   */
  static async start(name, { resource, clients, hasNonces, duration = lifetime, tls }) {
    const [server, port] = [new Glewlwyd(), await freePort()];
    server.origin = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
    server.url = `${server.origin}/api/oidc`;
    server.log = join(logs, `${name}.log`);
    // It would append to it.
    rmSync(server.log, { force: true });

    const folder = mkdtempSync(join(tmpdir(), 'glewlwyd-'));
    process.on('exit', () => rmSync(folder, { recursive: true }));
    const [file, database] = ['glewlwyd.conf', 'database'].map((name) => join(folder, name));
    const tables = readFileSync(join(installed, 'share/dbconfig-common/data/glewlwyd/install/sqlite3'), 'utf8');
    new DatabaseSync(database).exec(`begin;\n${tables}\ncommit;`);
    writeFileSync(file, configuration({ port, database, log: server.log, url: server.origin, tls }));
    new Program(`${name}, output`, program, '-c', file);
    await listening(port);

    const administer = await server.#logIn(administrator);
    for (const scope of scopes) await administer('POST', 'scope/', { name: scope, password_required: false });
    await administer('POST', 'user/', user);
    for (const client of clients) await administer('POST', 'client/', { ...alone, ...client });
    const settings = { ...(hasNonces && nonces), ...(tls && certificates) };
    const parameters = { ...protocol(server.url, resource, duration), ...settings };
    await administer('POST', 'mod/plugin/', { module: 'oidc', name: 'oidc', display_name: 'oidc', parameters });
    server.#administer = administer;
    return server;
  }

  /** How often a client was told that its proof lacks a nonce. */
  get demandedNonces() {
    return readFileSync(this.log, 'utf8').match(/Invalid nonce/g)?.length ?? 0;
  }

  /** Revokes a token, of any client, for a client that may introspect it. */
  async revoke(token, { client_id, client_secret }) {
    const body = new URLSearchParams({ token, client_id, client_secret });
    const { status } = await fetch(`${this.url}/revoke`, { method: 'POST', body });
    if (status !== 200) throw new Error(`${status} of a revocation: see ${this.log}`);
  }

  /** From a page to where it sends the user back to, who logs in and allows whatever is asked. */
  async browse(page) {
    const { searchParams: asked } = new URL(await location(page));
    const client = asked.get('client_id');
    const ask = await this.#logIn(user);
    await ask('PUT', `auth/grant/${client}`, { scope: asked.get('scope') });

    // A client that registers without a secret is taken for one that has a secret, until an administrator corrects it.
    const registered = await (await this.#administer('GET', `client/${client}`)).json();
    const isPublic = [registered.token_endpoint_auth_method].flat().includes('none');
    if (isPublic) await this.#administer('PUT', `client/${client}`, { ...registered, confidential: false });
    return location(`${asked.get('callback_url')}&g_continue`, ask.cookie);
  }

  /** A function that sends requests to the API in a session of this user. */
  async #logIn(who) {
    const send = async (cookie, method, path, body) => {
      const url = `${this.origin}/api/${path}`;
      const headers = { cookie, 'content-type': 'application/json' };
      const answer = await fetch(url, { method, headers, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${answer.status} of ${method} ${url}: ${await answer.text()}`);
      return answer;
    };
    const { headers } = await send('', 'POST', 'auth/', who);
    const [cookie] = headers.getSetCookie()[0].split(';');
    return Object.assign((...request) => send(cookie, ...request), { cookie });
  }
}

async function location(page, cookie = '') {
  const answer = await fetch(page, { headers: { cookie }, redirect: 'manual' });
  const location = answer.headers.get('location');
  if (!location) throw new Error(`${answer.status} and no redirect at ${page}: ${await answer.text()}`);
  return location;
}

const alone = {
  enabled: true,
  confidential: true,
  token_endpoint_auth_method: ['client_secret_basic', 'client_secret_post', 'tls_client_auth'],
  authorization_type: ['client_credentials'],
  scope: scopes,
};

const nonces = { 'oauth-dpop-nonce-mandatory': true, 'oauth-dpop-nonce-counter': 3 };

const certificates = { 'client-cert-source': 'TLS', 'client-cert-use-endpoint-aliases': true };

/** The settings of its plugin for OpenID Connect. */
const protocol = (iss, resource, duration) => ({
  iss,
  'jwks-private': JSON.stringify({ keys: [signingKey()] }),
  'jwks-show': true,
  'access-token-duration': duration,
  'refresh-token-duration': 600,
  'code-duration': 60,
  'allow-non-oidc': true,
  'auth-type-code-enabled': true,
  'auth-type-client-enabled': true,
  'auth-type-refresh-enabled': true,
  'pkce-allowed': true,
  'pkce-required': true,
  'introspection-revocation-allowed': true,
  'introspection-revocation-allow-target-client': true,
  'introspection-revocation-auth-scope': [],
  'register-client-allowed': true,
  'register-client-auth-scope': [],
  'resource-allowed': true,
  'resource-scope': Object.fromEntries(scopes.map((scope) => [scope, [resource]])),
  'oauth-dpop-allowed': true,
  'oauth-dpop-iat-duration': 60,
});

function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: 'ES256' };
}

const secured = ({ key, certificate, authority }) => `
use_secure_connection = true
secure_connection_key_file = "${key}"
secure_connection_pem_file = "${certificate}"
secure_connection_ca_file = "${authority}"`;

const configuration = ({ port, database, log, url, tls }) => `
port = ${port}
bind_address = "127.0.0.1"
external_url = "${url}"
login_url = "login.html"
api_prefix = "api"
cookie_secure = 0
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "${installed}/lib/glewlwyd/user"
client_module_path = "${installed}/lib/glewlwyd/client"
user_auth_scheme_module_path = "${installed}/lib/glewlwyd/scheme"
plugin_module_path = "${installed}/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
log_mode = "file"
log_level = "DEBUG"
log_file = "${log}"
database = { type = "sqlite3"; path = "${database}"; };
${tls ? secured(tls) : ''}
`;
