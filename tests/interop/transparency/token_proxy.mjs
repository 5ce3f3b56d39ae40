// Puts a token on every request, since the conformance suite has none, and changes nothing else.

import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** In front of this port; returns its own. Without a token it only stands there, so that both runs have one. */
export async function tokenProxy(port, token) {
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, rawHeaders } = incoming;
    const headers = token ? [...rawHeaders, 'authorization', `Bearer ${token}`] : rawHeaders;
    const passed = request({ port, host: '127.0.0.1', method, path, headers, setHost: false }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.rawHeaders);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return server.address().port;
}
