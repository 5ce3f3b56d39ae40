// A server of the TypeScript SDK, version 1, with a gate in front of it as a gateway. It differs from rmcp's in that it
// takes batches, and answers in events.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

import { stateless } from '../journey.mjs';
import { freePort, Program, target } from '../programs.mjs';
import { proxy } from '../proxy.mjs';
import { Witness } from '../witness.mjs';
import { configured, expiry } from './gated.mjs';
import { Issuer } from './oidc_provider.mjs';

export async function start() {
  const issuer = await Issuer.start({ algorithms: ['ES256'], accessTokenFormat: 'jwt' });
  const [listen, witness] = [await freePort(), new Witness()];
  const resource = `http://127.0.0.1:${await proxy(listen, { witness })}/mcp`;
  await gateway('typescript-gateway', { resource, listen, issuer: `issuer = "${issuer.url}"` });
  return { resource, witness, expiry, speaks: (revision) => revision < stateless, takesBatches: true };
}

/** Starts the gateway, and a server behind it: that of the SDK, or another one. */
export async function gateway(name, { listen, server: answer = serve, ...settings }) {
  const inner = createServer(answer).listen(0, '127.0.0.1').unref();
  await once(inner, 'listening');
  const binary = join(target, 'debug/examples/interop_gateway');
  const [address, server] = [listen, inner.address().port].map((port) => `127.0.0.1:${port}`);
  const program = new Program(name, binary, configured(name, settings), address, `http://${server}`);
  await program.line();
}

const sessions = new Map();

async function serve(request, response) {
  const id = request.headers['mcp-session-id'];
  if (id && !sessions.has(id)) return response.writeHead(404).end();
  const session = id ? sessions.get(id) : await begun();
  await session.handleRequest(request, response);
}

/** A session, which is one once its client says `initialize`. */
async function begun() {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => sessions.set(id, transport),
    onsessionclosed: (id) => sessions.delete(id),
  });
  const server = new McpServer({ name: 'interop', version: '0' });
  const text = (said) => ({ content: [{ type: 'text', text: said }] });
  server.registerTool('whoami', {}, ({ requestInfo }) => text(requestInfo.headers['x-principal']));
  server.registerTool('delete_file', {}, () => text('It would be gone.'));
  server.registerTool('wipe', {}, () => text('Everything would be gone.'));
  await server.connect(transport);
  return transport;
}
