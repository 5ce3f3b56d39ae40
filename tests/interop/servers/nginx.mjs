// nginx in front of the gate: it ends TLS, has the server below a path, and sends another `Host`. The URLs that clients
// get are still right, because they come from the configuration.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

import { freePort, listening, logs, Program } from '../programs.mjs';
import { gated } from './gated.mjs';
import { asking, Issuer } from './oidc_provider.mjs';

let isCertified = false;

const at = (name) => join(logs, name);

export async function start() {
  const [port, inner] = [await freePort(), await freePort()];
  await front('nginx', port, `
    location /team/ { proxy_pass http://127.0.0.1:${inner}; }
    location /.well-known/oauth-protected-resource/team/ { proxy_pass http://127.0.0.1:${inner}; }`);

  const gate = { ...asking, client_secret: randomUUID() };
  const issuer = await Issuer.start({ algorithms: ['ES256'], accessTokenFormat: 'opaque', clients: [gate] });
  const resource = `https://localhost:${port}/team/mcp`;
  await gated('nginx-serve', `issuer = "${issuer.url}"
[issuers.introspection]
client_id = "gate"
client_secret = "${gate.client_secret}"`, { resource, listen: inner });
  return { resource };
}

/** Starts nginx for `https://localhost` at this port, with these locations. */
export async function front(name, port, locations) {
  certify();
  const file = at(`${name}.conf`);
  writeFileSync(file, configuration(name, port, locations));
  new Program(name, 'nginx', '-p', logs, '-e', at(`${name}.log`), '-c', file);
  await listening(port);
}

const openssl = (...given) => execFileSync('openssl', given, { stdio: 'pipe' });
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

/** A certificate that its own key has signed, and that key. */
export function selfSigned(name, subject) {
  const [cert, keyFile] = [at(`${name}.pem`), at(`${name}.key`)];
  openssl('req', '-x509', ...key, '-subj', subject, '-keyout', keyFile, '-out', cert);
  return { cert: readFileSync(cert), key: readFileSync(keyFile) };
}

/** The files of an authority of our own, and of a server for `localhost` that it has certified. */
export const authority = { authority: at('authority.pem'), key: at('leaf.key'), certificate: at('leaf.pem') };

/** Makes them, and lets everything that is started from here on trust the authority. */
export function certify() {
  if (isCertified) return;
  isCertified = true;
  const file = authority.authority;
  openssl('req', '-x509', ...key, '-subj', '/CN=interop', '-keyout', at('authority.key'), '-out', file);
  certified('localhost', 'leaf');
  Object.assign(process.env, { NODE_EXTRA_CA_CERTS: file, SSL_CERT_FILE: file });
  setDefaultCACertificates([...getCACertificates(), readFileSync(file, 'utf8')]);
}

/** A certificate of the authority for this name, and its key. */
export function certified(name, file = name) {
  const [cert, keyFile] = [at(`${file}.pem`), at(`${file}.key`)];
  openssl(
    'req', '-x509', ...key, '-subj', `/CN=${name}`, '-keyout', keyFile, '-out', cert,
    '-CA', authority.authority, '-CAkey', at('authority.key'),
    '-addext', `subjectAltName=DNS:${name}`, '-addext', 'basicConstraints=critical,CA:FALSE',
  );
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(keyFile, 'utf8') };
}

const configuration = (name, port, locations) => `
daemon off;
pid ${name}.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${name}-body;
  proxy_temp_path ${name}-proxy;
  fastcgi_temp_path ${name}-fastcgi;
  uwsgi_temp_path ${name}-uwsgi;
  scgi_temp_path ${name}-scgi;
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate leaf.pem;
    ssl_certificate_key leaf.key;
    ${locations}
  }
}
`;
