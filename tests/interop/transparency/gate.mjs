// A gate whose rules all apply and all hold: everything is judged, every list is filtered, and nothing is refused.

import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { logs } from '../programs.mjs';

const issuer = 'https://issuer.example.com';
const scope = 'mcp:use tool:* resource:read prompt:get';

/** Its configuration file, and a token that opens it. */
export function gate(resource) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [keys, file] = ['transparency.jwks.json', 'transparency.toml'].map((name) => join(logs, name));
  writeFileSync(keys, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: '1', alg: 'ES256' }] }));
  writeFileSync(file, configuration(resource, keys));

  const claims = { iss: issuer, aud: resource, sub: 'suite', exp: Math.floor(Date.now() / 1000) + 3600, scope };
  const parts = [{ typ: 'at+jwt', alg: 'ES256', kid: '1' }, claims];
  const signed = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const signature = sign('sha256', signed, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return { file, token: `${signed}.${signature.toString('base64url')}` };
}

const configuration = (resource, keys) => `
resource = "${resource}"

[[issuers]]
issuer = "${issuer}"
jwks_file = "${keys}"

[scopes]
unlisted = "allow"
every_request = ["mcp:use"]
wildcard_grants = true
listing = "callable"
tools = { "*" = "tool:{name}" }
resources = { "*" = "resource:read" }
prompts = { "*" = "prompt:get" }
`;
