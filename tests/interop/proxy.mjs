// Stands in front of a server and passes everything on, but for what it is told to add or to keep back.

import { once } from 'node:events';
import { createServer, request } from 'node:http';

/**
 * In front of this port, at another one, which it returns. Each request gets the token, if there is
 * one. Kept back are what is at a path for which `hides` is true, and challenges. A witness is told of
 * everything.
 */
export async function proxy(inner, { token, hides = () => false, hidesChallenges = false, witness }) {
  // Longer than any client here waits: rmcp does not repeat a request if its connection turns out to be closed.
  const server = createServer({ keepAliveTimeout: 60_000 }, (incoming, outgoing) => {
    const { method, url: path, rawHeaders } = incoming;
    if (hides(path)) return outgoing.writeHead(404).end();
    const headers = token ? [...rawHeaders, 'authorization', `Bearer ${token}`] : rawHeaders;
    const passed = request({ port: inner, host: '127.0.0.1', method, path, headers, setHost: false }, (answer) => {
      const { statusCode, rawHeaders } = answer;
      witness?.note(incoming, answer);
      outgoing.writeHead(statusCode, hidesChallenges ? withoutChallenges(rawHeaders) : rawHeaders);
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

/** Names and values take turns. */
const withoutChallenges = (headers) =>
  headers.filter((_, place) => headers[place - (place % 2)].toLowerCase() !== 'www-authenticate');
