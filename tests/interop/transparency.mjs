// A gate that lets everything pass changes nothing: the conformance suite finds the same of one MCP server with it and
// without it, check by check. `run` beside this file starts it.

import { join } from 'node:path';

import { freePort, logs, Program, target } from './programs.mjs';
import { proxy } from './proxy.mjs';
import { gate } from './transparency/gate.mjs';
import { checks } from './transparency/suite.mjs';

const selections = {
  '2026-07-28': ['--requirements', '2026-07-28'],
  '2025-11-25': ['--suite', 'all', '--spec-version', '2025-11-25'],
  '2025-06-18': ['--suite', 'all', '--spec-version', '2025-06-18'],
  '2025-03-26': ['--suite', 'all', '--spec-version', '2025-03-26'],
};

const [bare, gated] = [await everything('bare'), await everything('gated')];
let isDifferent = false;
for (const [revision, selection] of Object.entries(selections)) {
  const without = await checks(`${revision}-bare`, bare, selection);
  const having = await checks(`${revision}-gated`, gated, selection);
  const succeeded = [...without.values()].filter(({ status }) => status === 'SUCCESS').length;
  if (!succeeded) throw new Error(`the suite does not run: see ${logs}`);
  console.log(`${revision}: ${without.size} checks, of which ${succeeded} succeed without a gate`);
  for (const check of new Set([...without.keys(), ...having.keys()])) {
    const [before, after] = [without.get(check), having.get(check)];
    if (before?.status === after?.status) continue;
    isDifferent = true;
    console.log(`  another result with it: ${check}\n    ${JSON.stringify(before)}\n    ${JSON.stringify(after)}`);
  }
}
process.exit(isDifferent ? 1 : 0);

async function everything(kind) {
  const port = await freePort();
  const { file, token } = kind === 'gated' ? gate(`http://127.0.0.1:${port}/mcp`) : {};
  const binary = join(target, 'debug/examples/interop_everything');
  const server = new Program(`everything-${kind}`, binary, `127.0.0.1:${port}`, ...(file ? [file] : []));
  await server.line();
  return `http://127.0.0.1:${await proxy(port, { token })}/mcp`;
}
