// Stands in front of a server and passes everything on, but for what it is told to add or to keep back.

import { once } from 'node:events';
import { createServer, request } from 'node:http';

/**
 * In front of this port, at the other one or at a free one, which it returns. Each request gets the token, if there is
 * one. Kept back are what is at a path for which `hides` is true, and the challenges of 401s. A witness is told of
 * everything.
 */
export async function proxy(inner, { port = 0, token, hides = () => false, hidesChallenges = false, witness }) {
  // As long as anybody here waits: rmcp sends nothing anew on a connection that turns out to be closed.
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    const { method, url: path, rawHeaders } = incoming;
    if (hides(path)) return outgoing.writeHead(404).end();
    const headers = token ? [...rawHeaders, 'authorization', `Bearer ${token}`] : rawHeaders;
    const passed = request({ port: inner, host: '127.0.0.1', method, path, headers, setHost: false }, (answer) => {
      const { statusCode, rawHeaders } = answer;
      witness?.note(incoming, answer);
      outgoing.writeHead(statusCode, hidesChallenges && statusCode === 401 ? [] : rawHeaders);
      outgoing.flushHeaders();
      answer.pipe(outgoing);
    });
    passed.on('error', () => outgoing.destroy());
    outgoing.on('close', () => passed.destroy());
    incoming.pipe(passed);
  });
  server.listen(port, '127.0.0.1').unref();
  await once(server, 'listening');
  return server.address().port;
}
