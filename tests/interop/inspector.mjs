// The MCP Inspector at the quickstart, clicked through in Chromium: the journey of the other clients, with the consent
// page as a user sees it. `run` beside this file starts it. The last screen, also after a failure, is in
// target/interop/inspector-*.png.

import { chromium } from 'playwright-core';

import { Inspector } from './inspector/page.mjs';
import { anywhere } from './journey.mjs';
import { start as quickstart } from './servers/quickstart.mjs';
import { table } from './table.mjs';
import { Visit } from './visit.mjs';

const client = 'Inspector 2';
const server = 'quickstart';

const { resource } = await quickstart();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
const visits = await Promise.all(['2026-07-28', '2025-11-25'].map(clicksThrough));
await browser.close();
console.log(table(anywhere, visits));
process.exit(visits.some((visit) => visit.hasFailed) ? 1 : 0);

async function clicksThrough(revision) {
  const visitor = await Inspector.start(browser, resource, revision);
  const visit = new Visit({ server, client, revision, resource, visitor });
  for (const step of anywhere) await visit.take(step);
  await visitor.screenshot();
  return visit;
}
