// The TypeScript SDK, version 2. One argument more may say, in JSON, what it need not find out: who it is to the
// authorization server, or that it is a machine, with a `secret` or a `key`; or that its tokens are to be bound to a key.

import {
  Client, ClientCredentialsProvider, DpopSession, PrivateKeyJwtProvider, StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client';

import { obey, User } from './user.mjs';

const [revision, resource, callback, known = '{}'] = process.argv.slice(2);
const user = Object.assign(new User(callback), JSON.parse(known));
const { secret, key, isBound } = user;
if (isBound) {
  const session = await DpopSession.create();
  user.dpop = () => session;
}
const provider = secret ? new ClientCredentialsProvider(secret) : key ? new PrivateKeyJwtProvider(key) : user;
const mode = revision === '2025-11-25' ? 'legacy' : { pin: revision };
const client = new Client({ name: 'interop', version: '0' }, { versionNegotiation: { mode } });
let transport;

const attempt = (what) => user.attempt(what, (answer) => transport.finishAuth(answer));

await obey({
  connect: () =>
    attempt(async () => {
      transport = new StreamableHTTPClientTransport(new URL(resource), { authProvider: provider });
      await client.connect(transport);
      return client.getNegotiatedProtocolVersion();
    }),
  list: () => attempt(async () => (await client.listTools()).tools.map(({ name }) => name)),
  call: ({ tool, arguments: given }) =>
    attempt(async () => (await client.callTool({ name: tool, arguments: given })).content[0].text),
  leave: async () => {
    await transport.terminateSession();
    await client.close();
  },
});
