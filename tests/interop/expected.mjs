// The steps that are known to fail, with the issue for each. If one succeeds, `run` fails and says so.

const failures = [
  {
    client: 'TypeScript 1',
    step: 'step up',
    message: /Server returned 403 after trying upscoping/,
    issue: 'https://github.com/modelcontextprotocol/typescript-sdk/issues/2255',
  },
  ...['TypeScript 1', 'TypeScript 2'].map((client) => ({
    client,
    step: 'session',
    message: /There is no such session/,
    issue: 'https://github.com/modelcontextprotocol/typescript-sdk/issues/1708',
  })),
  {
    client: 'Python 2',
    step: 'session',
    message: /There is no such session/,
    issue: 'https://github.com/modelcontextprotocol/python-sdk/issues/3556',
  },
  {
    server: 'oidc-provider, strict',
    step: 'step up',
    message: /requested scope is not allowed|missing code/,
    // It holds clients to the scopes that they registered with, which are those of the first 401.
    issue: 'https://github.com/modelcontextprotocol/python-sdk/pull/2301',
    isFinal: true,
  },
];

/** The failure that is expected of this client there at this step, if any. */
export const expected = ({ server, client }, step) => {
  const fits = (known) => (known.server ?? server) === server && (known.client ?? client) === client;
  return failures.find((known) => known.step === step && fits(known));
};
