// The official conformance suite against one server, and what came of each of its checks.

import { execFile } from 'node:child_process';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';

import { logs } from '../programs.mjs';

const suite = join(import.meta.dirname, '../node_modules/.bin/conformance');

/** By the scenario and the check; the suite fails where a server lacks something, which is of no interest here. */
export async function checks(name, url, selection) {
  const directory = join(logs, name);
  rmSync(directory, { recursive: true, force: true });
  const run = [suite, 'server', '--url', url, '--output-dir', directory, ...selection];
  await promisify(execFile)(process.execPath, run).catch(() => {});
  const results = new Map();
  for (const file of globSync(join(directory, '*/checks.json'))) {
    // The directory's name is the scenario's, and the time.
    const scenario = basename(dirname(file)).replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT.*$/, '');
    JSON.parse(readFileSync(file)).forEach(({ id, status, errorMessage }, place) => {
      results.set(`${scenario} ${place} ${id}`, { id, status, errorMessage });
    });
  }
  return results;
}
