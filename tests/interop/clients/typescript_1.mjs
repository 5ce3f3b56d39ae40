// The TypeScript SDK, version 1. It differs from version 2 in that it knows one revision alone, and takes only the
// code of what comes back from the page.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { obey, User } from './user.mjs';

const [, resource, callback] = process.argv.slice(2);
const user = new User(callback);
const client = new Client({ name: 'interop', version: '0' });
let transport;

const attempt = (what) => user.attempt(what, (answer) => transport.finishAuth(answer.get('code')));

await obey({
  connect: () =>
    attempt(async () => {
      transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: user });
      await client.connect(transport);
      return transport.protocolVersion;
    }),
  list: () => attempt(async () => (await client.listTools()).tools.map(({ name }) => name)),
  call: ({ tool, arguments: given }) =>
    attempt(async () => (await client.callTool({ name: tool, arguments: given })).content[0].text),
  leave: async () => {
    await transport.terminateSession();
    await client.close();
  },
});
