// The example `serve`: an MCP server behind a gate that trusts the given issuer.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort, logs, Program, target } from '../programs.mjs';

/** Starts it, for what the configuration says of its issuer. The resource is the URL that clients are to use. */
export async function gated(name, issuer, { resource, listen, ...settings } = {}) {
  resource ??= `http://127.0.0.1:${await freePort()}/mcp`;
  const write = (change) => configured(name, { resource, issuer, ...settings, ...change });
  const file = write();
  const options = listen ? ['--listen', `127.0.0.1:${listen}`] : [];
  const serve = new Program(name, join(target, 'debug/examples/serve'), file, ...options);
  await serve.line();
  /** It becomes another one while it runs. */
  const change = async (settings) => {
    write(settings);
    await serve.line();
  };
  return { resource, change };
}

/** The file that a gate is made from. */
export function configured(name, settings) {
  const file = join(logs, `${name}.toml`);
  writeFileSync(file, configuration(settings));
  return file;
}

// Short times all over, since it is the real time that is waited for here.

/** How many seconds its issuer is to make tokens good for. */
export const lifetime = 4;

/** The time for which expired tokens are still accepted: SDKs that look at the clock notice the end a second late. */
export const leeway = 2;

/** Waits until every token that was issued until now has expired. */
export const expiry = () => sleep((lifetime + leeway) * 1000 + 500);

/** The gate believes its issuer's word for a second: what that said until now is forgotten. */
export const oblivion = () => sleep(1500);

const byTool = `unlisted = "deny"
every_request = ["mcp:use"]

[scopes.tools]
whoami = {}
delete_file = "files:write"
wipe = { deny = true }`;

// More than a first challenge names, so that it is seen which of the two a client goes by.
const everything = 'scopes_supported = ["mcp:use", "files:write"]';

const configuration = ({
  resource, above = '', issuer, rules = byTool, metadata = everything, sessions = '', holder = '',
}) => `
resource = "${resource}"
${above}

[[issuers]]
leeway_seconds = ${leeway}
${issuer}

[scopes]
${rules}

[metadata]
${metadata}

[sessions]
${sessions}

[holder]
${holder}

[limits]
introspection_active_seconds = 1
introspection_inactive_seconds = 1
unknown_kid_cooldown_seconds = 1
`;
