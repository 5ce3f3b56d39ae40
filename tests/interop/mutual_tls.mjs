// Tokens that are bound to a client certificate (mutual TLS, RFC 8705), from a client's first 401 on: glewlwyd sees the
// certificate itself and binds tokens to it, nginx ends TLS in front of the gate, oauth4webapi is the client, and a thief
// has the token and another certificate. `run` beside this file starts it.

import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';

import { certifiedFetch } from './certified_fetch.mjs';
import { Client, commands } from './client.mjs';
import { journey, whoami } from './journey.mjs';
import { freePort } from './programs.mjs';
import { proxy } from './proxy.mjs';
import { expiry, gated } from './servers/gated.mjs';
import { Glewlwyd } from './servers/glewlwyd.mjs';
import { authority, certified, certify, front } from './servers/nginx.mjs';
import { table } from './table.mjs';
import { Visit } from './visit.mjs';
import { Witness } from './witness.mjs';

const revision = '2025-11-25';

async function start() {
  const [port, listen, witness] = [await freePort(), await freePort(), new Witness()];
  const resource = `https://localhost:${port}/mcp`;
  const redirect_uri = `http://127.0.0.1:${await freePort()}/callback`;
  const clients = [{
    client_id: 'holder',
    redirect_uri: [redirect_uri],
    authorization_type: ['code', 'refresh_token'],
    tls_client_auth_san_dns: 'holder',
  }];
  const issuer = await Glewlwyd.start('mutual TLS, glewlwyd', { resource, clients, tls: authority });
  await front('mutual-tls-nginx', port, `
    ssl_verify_client optional_no_ca;
    proxy_set_header client-cert $ssl_client_escaped_cert;
    location / { proxy_pass http://127.0.0.1:${await proxy(listen, { witness })}; }`);
  await gated('mutual TLS, gate', `issuer = "${issuer.url}"\nprofile = "rfc9068"`, {
    resource, listen,
    holder: `certificate = { header = "client-cert", format = "nginx_escaped_pem" }\n[peers]\nlisted = ["127.0.0.1"]`,
  });
  const known = { client_id: 'holder', redirect_uri, certificate: holder };
  const command = [...commands.oauth4webapi, revision];
  const visitor = await Client.start('mutual TLS, client', command, resource, JSON.stringify(known));
  visitor.browse = (page) => issuer.browse(page);
  const row = { server: 'glewlwyd, nginx', client: 'oauth4webapi', revision };
  return new Visit({ ...row, resource, witness, visitor });
}

const steps = [
  ...['log in', 'call', 'step up', 'refresh'].map((name) => bound(journey.find((step) => step.name === name))),
  theft('no certificate'),
  theft('another', () => thief),
];

/** The step, in which every token that is served is bound to the certificate of the client. */
function bound({ name, after, take }) {
  return {
    name,
    after,
    async take(client, visit) {
      await take(client, visit);
      const served = visit.witness.all.filter(({ token, status }) => token && status < 300);
      assert.ok(served.length);
      for (const { headers, token } of served) {
        assert.match(headers.authorization, /^Bearer /);
        const { cnf } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
        assert.deepEqual(cnf, { 'x5t#S256': thumbprint });
      }
    },
  };
}

/** The thief has the last token that was served. */
function theft(name, certificate = () => ({})) {
  return {
    name,
    async take(client, { resource, witness }) {
      await whoami(client);
      const { headers } = witness.all.findLast(({ token, status }) => token && status < 300);
      const { authorization, 'content-type': type, 'mcp-session-id': session } = headers;
      const stolen = { authorization, 'content-type': type, 'mcp-session-id': session };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'whoami' } });
      const answer = await certifiedFetch(certificate())(resource, { method: 'POST', headers: stolen, body });
      assert.equal(answer.status, 401);
      assert.match(answer.headers.get('www-authenticate'), /^Bearer error="invalid_token", /);
    },
  };
}

certify();
const [holder, thief] = ['holder', 'thief'].map((name) => certified(name));
const thumbprint = createHash('sha256').update(new X509Certificate(holder.cert).raw).digest('base64url');

const visit = await start();
for (const step of steps) {
  if (step.after) await expiry();
  await visit.take(step);
}
console.log(table(steps, [visit]));
process.exit(visit.hasFailed ? 1 : 0);
