// The MCP Inspector at the quickstart, clicked through in Chromium: the journey of the other clients, with the consent
// page as a user sees it; at a server that lists a tool that is denied to everyone, which the quickstart does not; and at one
// with a tool that needs a better login. `run` beside this file starts it. The last screen, also after a failure, is in
// target/interop/inspector-*.png.

import assert from 'node:assert/strict';
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
const rules = `unlisted = "deny"
every_request = ["mcp:use"]

[scopes.tools]
wipe = { acr = ["phr"], max_age_seconds = 300 }`;
const { resource: asksForLogin } = await gated('inspector-login', `issuer = "${issuer}"`, { rules });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
// Its user can click on nothing that is not listed.
const listed = anywhere.filter(({ name }) => name !== 'denied');
const unaware = {
  // It refreshes its token, and its user is not asked.
  name: 'unaware',
  async take(visitor) {
    await assert.rejects(visitor.call('wipe'), /Auth challenge: token_expired/);
    assert.equal(visitor.visits, 1);
  },
};
const toldToLogIn = [...anywhere.filter(({ name }) => ['log in', 'list'].includes(name)), unaware];
const visits = [
  ...(await Promise.all(revisions.map((revision) => clicksThrough('quickstart', resource, revision, listed)))),
  ...(await Promise.all([
    ...revisions.map((revision) => clicksThrough('serve', listsAll, revision, anywhere)),
    clicksThrough('login', asksForLogin, '2026-07-28', toldToLogIn),
  ])),
];
await browser.close();
console.log(table([...anywhere, unaware], visits));
process.exit(visits.some((visit) => visit.hasFailed) ? 1 : 0);

async function clicksThrough(server, resource, revision, steps) {
  const visitor = await Inspector.start(browser, server, resource, revision);
  const visit = new Visit({ server, client, revision, resource, visitor });
  for (const step of steps) await visit.take(step);
  await visitor.screenshot();
  return visit;
}
