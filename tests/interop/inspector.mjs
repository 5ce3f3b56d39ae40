// The MCP Inspector at the quickstart, clicked through in Chromium: the journey of the other clients, with the consent
// page as a user sees it; and at a server that lists a tool that is denied to everyone, which the quickstart does not. `run`
// beside this file starts it. The last screen, also after a failure, is in
// target/interop/inspector-*.png.

import { chromium } from 'playwright-core';

import { Inspector } from './inspector/page.mjs';
import { anywhere } from './journey.mjs';
import { gated } from './servers/gated.mjs';
import { start as quickstart } from './servers/quickstart.mjs';
import { table } from './table.mjs';
import { Visit } from './visit.mjs';

const client = 'Inspector 2';
const revisions = ['2026-07-28', '2025-11-25'];

const { resource, issuer } = await quickstart();
const { resource: listsAll } = await gated('inspector-serve', `issuer = "${issuer}"`);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
// Its user can click on nothing that is not listed.
const listed = anywhere.filter(({ name }) => name !== 'denied');
const visits = [
  ...(await Promise.all(revisions.map((revision) => clicksThrough('quickstart', resource, revision, listed)))),
  ...(await Promise.all(revisions.map((revision) => clicksThrough('serve', listsAll, revision, anywhere)))),
];
await browser.close();
console.log(table(anywhere, visits));
process.exit(visits.some((visit) => visit.hasFailed) ? 1 : 0);

async function clicksThrough(server, resource, revision, steps) {
  const visitor = await Inspector.start(browser, server, resource, revision);
  const visit = new Visit({ server, client, revision, resource, visitor });
  for (const step of steps) await visit.take(step);
  await visitor.screenshot();
  return visit;
}
