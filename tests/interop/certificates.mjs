// Tokens that are bound to a client certificate (mutual TLS, RFC 8705), behind proxies that others wrote: oidc-provider
// binds them, nginx and HAProxy forward the certificate in the three formats that the gate reads, and a thief has the token
// and another certificate. `run` beside this file starts it.

import assert from 'node:assert/strict';
import { Console } from 'node:console';
import { randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort, listening, logs, Program } from './programs.mjs';
import { certify, front, selfSigned } from './servers/nginx.mjs';
import { asking, Issuer } from './servers/oidc_provider.mjs';
import { gateway } from './servers/typescript.mjs';
import { table } from './table.mjs';
import { Visit } from './visit.mjs';

const machine = { ...asking, client_secret: randomUUID(), grant_types: ['client_credentials'] };
const bound = { ...machine, client_id: 'bound', tls_client_certificate_bound_access_tokens: true };
const unbound = { ...machine, client_id: 'unbound' };

// The proxies connect from this address, and nothing else does.
const proxyAddress = '127.0.0.2';

const at = (name) => join(logs, name);

/** How a proxy forwards certificates: the name of its header, its format, and what the header would be for one. */
const der = ({ cert }) => new X509Certificate(cert).raw;
const fingerprint = ({ cert }) => new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase();
const rfc9440 = { header: 'client-cert', format: 'rfc9440', of: (its) => `:${der(its).toString('base64')}:` };
const xfcc = { header: 'x-forwarded-client-cert', format: 'xfcc', of: (its) => `Hash=${fingerprint(its)}` };
const escaped = { header: 'x-ssl-client-cert', format: 'nginx_escaped_pem', of: ({ cert }) => encodeURIComponent(cert) };

const proxies = {
  'nginx': { ...escaped, start: atNginx },
  'HAProxy, RFC 9440': {
    ...rfc9440,
    start: atHaproxy(`
  http-request del-header Client-Cert
  http-request set-header Client-Cert :%[ssl_c_der,base64]: if { ssl_c_used }`),
  },
  // An empty sequence overwrites the header of a client without a certificate.
  'HAProxy, RFC 9440, always': {
    ...rfc9440,
    start: atHaproxy(`
  http-request set-header Client-Cert :%[ssl_c_der,base64]:`),
  },
  'HAProxy, as Envoy': {
    ...xfcc,
    start: atHaproxy(`
  http-request del-header X-Forwarded-Client-Cert
  http-request set-header X-Forwarded-Client-Cert Hash=%[ssl_c_der,sha2(256),hex];Subject=\\"%[ssl_c_s_dn(,0,rfc2253)]\\" if { ssl_c_used }`),
  },
  // It leaves what the client sent, and adds its own to it: a mistake, which lets no forged certificate in.
  'HAProxy, appending': {
    ...xfcc,
    isAppending: true,
    start: atHaproxy(`
  http-request add-header X-Forwarded-Client-Cert Hash=%[ssl_c_der,sha2(256),hex] if { ssl_c_used }`),
  },
};

function atNginx(name, { header, port, inner, issuer }) {
  return front(name, port, `
    ssl_verify_client optional_no_ca;
    proxy_bind ${proxyAddress};
    proxy_set_header ${header} $ssl_client_escaped_cert;
    location /mcp { proxy_pass http://127.0.0.1:${inner}; }
    location /token { proxy_pass ${issuer.url}; }`);
}

function atHaproxy(rules) {
  return async (name, { port, inner, issuer }) => {
    writeFileSync(at(`${name}.cfg`), `
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:${port} ssl crt ${at('leaf-and-key.pem')} ca-file ${at('authority.pem')} verify optional crt-ignore-err all ca-ignore-err all${rules}
  http-request set-header X-Ssl-Client-Cert :%[ssl_c_der,base64]: if { path /token }
  use_backend issuer if { path /token }
  default_backend gate
backend gate
  source ${proxyAddress}
  server gate 127.0.0.1:${inner}
backend issuer
  server issuer ${new URL(issuer.url).host}
`);
    new Program(name, 'haproxy', '-f', at(`${name}.cfg`));
    await listening(port);
  };
}

/** A gate behind a proxy, and a server behind the gate that remembers the headers that reached it. */
async function started(name, proxy) {
  const [port, inner, reached] = [await freePort(), await freePort(), []];
  const mTLS = { enabled: true, certificateBoundAccessTokens: true, getCertificate };
  const clients = [bound, unbound];
  const issuer = await Issuer.start({ algorithms: ['ES256'], accessTokenFormat: 'jwt', features: { mTLS }, clients });
  const resource = `https://localhost:${port}/mcp`;
  const server = ({ headers }, response) => {
    reached.push(headers);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"jsonrpc":"2.0","id":1,"result":{}}');
  };
  const { header, format } = proxy;
  const holder = `certificate = { header = "${header}", format = "${format}" }\n[peers]\nlisted = ["${proxyAddress}"]`;
  await proxy.start(name, { header, port, inner, issuer });
  await gateway(`${name}-gate`, { resource, listen: inner, issuer: `issuer = "${issuer.url}"`, holder, server });
  return { ...proxy, resource, reached, issuer, direct: `http://127.0.0.1:${inner}/mcp`, gate: `${name}-gate` };
}

/** The certificate of a request for a token, as the proxies above forward it to oidc-provider. */
function getCertificate(ctx) {
  const line = ctx.get('x-ssl-client-cert') || undefined;
  return line && new X509Certificate(line.startsWith(':') ? Buffer.from(line, 'base64') : decodeURIComponent(line));
}

/** Sends a POST on a connection of its own, with this certificate, if any. */
async function post(url, { certificate, headers, body }) {
  const send = url.startsWith('https:') ? secure : plain;
  const ca = readFileSync(at('authority.pem'));
  const sent = send(url, { method: 'POST', headers, agent: false, ca, ...certificate }).end(body);
  const [answer] = await once(sent, 'response');
  const text = (await answer.toArray()).join('');
  return { status: answer.statusCode, challenges: answer.headersDistinct['www-authenticate'] ?? [], text };
}

/** A token that oidc-provider binds to the certificate, if the client is registered so. */
async function token({ resource }, { client_id, client_secret }, certificate) {
  const form = { grant_type: 'client_credentials', resource, scope: 'mcp:use' };
  const { status, text } = await post(new URL('/token', resource).href, {
    certificate,
    body: String(new URLSearchParams(form)),
    headers: {
      authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
  });
  assert.equal(status, 200, text);
  return JSON.parse(text).access_token;
}

const ping = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });

/** Calls the server, and returns the status with the error of the gate. */
async function call({ resource, reached, header }, token, { certificate, forged = [], url = resource } = {}) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  if (forged.length) headers[header] = forged;
  const before = reached.length;
  const { status, challenges } = await post(url, { certificate, headers, body: ping });
  assert.equal(reached.length - before, status === 200 ? 1 : 0);
  for (const headers of reached.slice(before)) assert.equal(headers[header], undefined, 'the header reached the server');
  const error = /^Bearer .*error="([^"]*)"/.exec(challenges[0])?.[1];
  return error ? `${status} ${error}` : status;
}

/** Waits until a program has written this into its log, which may be after its answer. */
async function logged(name, text) {
  for (const until = Date.now() + 10_000; Date.now() < until; await sleep(20)) {
    if (readFileSync(at(`${name}.log`), 'utf8').includes(text)) return;
  }
  assert.fail(`the log of ${name} does not say: ${text}`);
}

const steps = [
  {
    name: 'token',
    async take(_, row) {
      row.tokens = { bound: await token(row, bound, holder), unbound: await token(row, unbound) };
      const { cnf } = JSON.parse(Buffer.from(row.tokens.bound.split('.')[1], 'base64url'));
      assert.deepEqual(cnf, { 'x5t#S256': Buffer.from(fingerprint(holder), 'hex').toString('base64url') });
    },
  },
  {
    name: 'its certificate',
    async take(_, row) {
      // A token that is remembered is no exception.
      for (const _ of [1, 2]) assert.equal(await call(row, row.tokens.bound, { certificate: holder }), 200);
    },
  },
  {
    name: 'another',
    take: async (_, row) =>
      assert.equal(await call(row, row.tokens.bound, { certificate: thief }), '401 invalid_token'),
  },
  {
    name: 'none',
    take: async (_, row) => assert.equal(await call(row, row.tokens.bound), '401 invalid_token'),
  },
  {
    // The thief sends the header of the holder's certificate through the proxy, which must overwrite it.
    name: 'forged',
    async take(_, row) {
      const forged = [row.of(holder)];
      const expected = row.isAppending ? '400 invalid_request' : '401 invalid_token';
      assert.equal(await call(row, row.tokens.bound, { certificate: thief, forged }), expected);
      if (row.isAppending) return;
      assert.equal(await call(row, row.tokens.bound, { forged }), '401 invalid_token');
      assert.equal(await call(row, row.tokens.bound, { certificate: holder, forged: [row.of(thief)] }), 200);
      assert.equal(await call(row, row.tokens.bound, { certificate: holder, forged: ['x', 'y'] }), 200);
    },
  },
  {
    // The thief goes past the proxy: the peer is not listed.
    name: 'past the proxy',
    async take(_, row) {
      const past = { url: row.direct, forged: [row.of(holder)] };
      assert.equal(await call(row, row.tokens.bound, past), '401 invalid_token');
      await logged(row.gate, 'from a peer that is not listed: 127.0.0.1');
    },
  },
  {
    // A token that is bound to nothing needs no certificate, and what is in the header does not matter.
    name: 'unbound',
    async take(_, row) {
      assert.equal(await call(row, row.tokens.unbound), 200);
      assert.equal(await call(row, row.tokens.unbound, { certificate: holder }), 200);
      assert.equal(await call(row, row.tokens.unbound, { url: row.direct, forged: ['x', row.of(thief)] }), 200);
    },
  },
];

certify();
// Written before any HAProxy starts: all of them read it, and they start at the same time.
writeFileSync(at('leaf-and-key.pem'), readFileSync(at('leaf.pem')) + readFileSync(at('leaf.key')));
// A name with what must be escaped in a line of Envoy's format, and one that is made to be read as another certificate.
const holder = selfSigned('holder', '/CN=a";Hash=b, c');
const thief = selfSigned('thief', `/CN=b/description=a";Hash=${fingerprint(holder)};A="`);

const { log } = console;
globalThis.console = new Console({ stdout: createWriteStream(at('certificates-oidc-provider.log')) });

const rows = await Promise.all(Object.entries(proxies).map(async ([server, proxy], place) => {
  const row = new Visit({ ...(await started(`certificates-${place}`, proxy)), server, client: 'Node.js', revision: '' });
  for (const step of steps) await row.take(step);
  return row;
}));
log(table(steps, rows));
process.exit(rows.some((visit) => visit.hasFailed) ? 1 : 0);
