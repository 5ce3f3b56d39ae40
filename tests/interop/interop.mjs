// Servers and clients that others wrote, each with each, around our gate: `run` beside this file starts it.
//
// A client is a file and a line here (its command is in client.mjs); what it has to do is in client.mjs. A server is a function that starts it, and
// returns its URL and its deeds (see journey.mjs).

import { Console } from 'node:console';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';

import { commands } from './client.mjs';
import { journey } from './journey.mjs';
import { logs } from './programs.mjs';
import { start as authlib } from './servers/authlib.mjs';
import { start as nginx } from './servers/nginx.mjs';
import { start as quickstart } from './servers/quickstart.mjs';
import { jwt, opaque, strict } from './servers/oidc_provider.mjs';
import { start as typescriptServer } from './servers/typescript.mjs';
import { table } from './table.mjs';
import { Visit } from './visit.mjs';

const servers = {
  'quickstart': quickstart,
  'oidc-provider, JWT': jwt,
  'oidc-provider, opaque': opaque,
  'oidc-provider, strict': strict,
  'oidc-provider, nginx': nginx,
  'Authlib': authlib,
  'TypeScript server': typescriptServer,
};

const { typescript, page, typescript1, python, rust } = commands;
const clients = [
  { client: 'TypeScript 2', revision: '2026-07-28', command: typescript },
  { client: 'TypeScript 2', revision: '2025-11-25', command: typescript },
  // The other authorization servers let no web page register.
  { client: 'TypeScript 2, page', revision: '2026-07-28', command: page, only: 'quickstart' },
  { client: 'TypeScript 2, page', revision: '2025-11-25', command: page, only: 'quickstart' },
  { client: 'TypeScript 1', revision: '2025-11-25', command: typescript1 },
  { client: 'TypeScript 1', revision: '2025-03-26', command: typescript1 },
  { client: 'Python 2', revision: '2026-07-28', command: python },
  { client: 'Python 2', revision: '2025-11-25', command: python },
  { client: 'rmcp 3', revision: '2026-07-28', command: rust },
  { client: 'rmcp 3', revision: '2025-11-25', command: rust },
  { client: 'rmcp 3', revision: '2025-06-18', command: rust },
  { client: 'rmcp 3', revision: '2025-03-26', command: rust },
];

// oidc-provider prints notices for production use.
const { log } = console;
globalThis.console = new Console({ stdout: createWriteStream(join(logs, 'oidc-provider.log')) });

// One server after the other, or two cores are busy with nothing but starting clients.
const rows = [];
for (const [server, start] of Object.entries(servers)) rows.push(...(await visitors(server, await start())));
log(table(journey, rows));
process.exit(rows.some((visit) => visit.hasFailed) ? 1 : 0);

/** All clients whose revision it speaks at one server, at once and step by step. */
async function visitors(server, started) {
  const isWelcome = ({ revision, only = server }) => only === server && (started.speaks?.(revision) ?? true);
  const welcome = clients.filter(isWelcome);
  const visits = await Promise.all(welcome.map((client) => Visit.start(server, client, started)));
  for (const step of journey) {
    if (step.after && !started[step.after]) continue;
    await started[step.after]?.();
    await Promise.all(visits.map((visit) => visit.take(step)));
  }
  for (const visit of visits) visit.visitor.program.stop();
  return visits;
}
