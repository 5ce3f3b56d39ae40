// Requests on connections with a client certificate, which the `fetch` of Node.js cannot make.

import { once } from 'node:events';
import { request } from 'node:https';

/** A `fetch` with this certificate and its key. It knows what oauth4webapi and the harness need. */
export const certifiedFetch = ({ cert, key }) => async (url, { method, headers, body }) => {
  const sent = request(url, { method, headers: Object.fromEntries(new Headers(headers)), cert, key, agent: false });
  sent.end(body instanceof URLSearchParams ? String(body) : body);
  const [answer] = await once(sent, 'response');
  const { statusCode: status, headersDistinct } = answer;
  const pairs = Object.entries(headersDistinct).flatMap(([name, values]) => values.map((value) => [name, value]));
  const bytes = Buffer.concat(await answer.toArray());
  return new Response(bytes.length ? bytes : null, { status, headers: pairs });
};
