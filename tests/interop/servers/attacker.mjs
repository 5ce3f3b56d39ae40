// An authorization server of an attacker, with the metadata that names it. It notes every request: no client is to send
// one.

import { once } from 'node:events';
import { createServer } from 'node:http';

export class Attacker {
  /** The requests that it received, in order. */
  requests = [];

  static async start() {
    const attacker = new Attacker();
    const server = createServer((request, response) => attacker.#answer(request, response));
    server.listen(0, '127.0.0.1').unref();
    await once(server, 'listening');
    attacker.url = `http://127.0.0.1:${server.address().port}`;
    return attacker;
  }

  /** It goes along with everything, so that a client that comes goes all the way. */
  #answer({ method, url: path }, response) {
    this.requests.push(`${method} ${path}`);
    const { url, resource } = this;
    const code = 'authorization_code';
    const metadata = {
      issuer: url,
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      registration_endpoint: `${url}/register`,
      response_types_supported: ['code'],
      grant_types_supported: [code, 'refresh_token'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none'],
    };
    const [status, body] = path.startsWith('/prm')
      ? [200, { resource, authorization_servers: [url], scopes_supported: ['everything'] }]
      : path.startsWith('/.well-known/')
        ? [200, metadata]
        : path === '/register'
          ? [201, { client_id: 'caught', redirect_uris: ['http://127.0.0.1/callback'] }]
          : [404, {}];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
}
