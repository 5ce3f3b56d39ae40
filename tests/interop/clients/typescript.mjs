// The TypeScript SDK, version 2.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { obey, User } from './user.mjs';

const [revision, resource, callback] = process.argv.slice(2);
const user = new User(callback);
const mode = revision === '2025-11-25' ? 'legacy' : { pin: revision };
const client = new Client({ name: 'interop', version: '0' }, { versionNegotiation: { mode } });
let transport;

const attempt = (what) => user.attempt(what, (answer) => transport.finishAuth(answer));

await obey({
  connect: () =>
    attempt(async () => {
      transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: user });
      await client.connect(transport);
      return client.getNegotiatedProtocolVersion();
    }),
  list: () => attempt(async () => (await client.listTools()).tools.map(({ name }) => name)),
  call: ({ tool, arguments: given }) =>
    attempt(async () => (await client.callTool({ name: tool, arguments: given })).content[0].text),
});
