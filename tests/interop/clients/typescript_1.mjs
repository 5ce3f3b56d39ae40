// The TypeScript SDK, version 1. It differs from version 2 in that it asks for the last revision that it knows, so that
// another one has to be put into its mouth, in that its transport takes batches, and in that it wants only the code of
// what comes back from the page.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { obey, User } from './user.mjs';

const [revision, resource, callback] = process.argv.slice(2);
const user = new User(callback);
const client = new Client({ name: 'interop', version: '0' });
let transport;

class Transport extends StreamableHTTPClientTransport {
  send(message, options) {
    if (message.method === 'initialize') message.params.protocolVersion = revision;
    return super.send(message, options);
  }
}

const attempt = (what) => user.attempt(what, (answer) => transport.finishAuth(answer.get('code')));

await obey({
  connect: () =>
    attempt(async () => {
      transport = new Transport(new URL(resource), { authProvider: user });
      await client.connect(transport);
      return transport.protocolVersion;
    }),
  list: () => attempt(async () => (await client.listTools()).tools.map(({ name }) => name)),
  call: ({ tool, arguments: given }) =>
    attempt(async () => (await client.callTool({ name: tool, arguments: given })).content[0].text),
  batch: async ({ tools }) => {
    const ids = tools.map((tool, place) => `${tool} ${place}`);
    const answers = new Map();
    const { onmessage } = transport;
    const answered = new Promise((resolve) => {
      transport.onmessage = (message) => {
        if (!ids.includes(message.id)) return onmessage(message);
        answers.set(message.id, message.result?.content[0].text ?? message.error);
        if (answers.size === ids.length) resolve();
      };
    });
    const called = (name, place) => ({ jsonrpc: '2.0', id: ids[place], method: 'tools/call', params: { name } });
    await transport.send(tools.map(called));
    await answered;
    return ids.map((id) => answers.get(id));
  },
  leave: async () => {
    await transport.terminateSession();
    await client.close();
  },
});
