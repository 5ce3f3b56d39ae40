// The pages that people see, in Chromium: axe-core checks them on a small phone and on a desktop, in light and in dark.
// Nothing may have to be scrolled sideways, and the keyboard must be enough. `run` beside this file starts it. The
// screenshots are in target/interop/page-*.png.

import axe from 'axe-core';
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

import { logs } from './programs.mjs';
import { start as quickstart } from './servers/quickstart.mjs';

const widths = [320, 900];
const colorSchemes = ['light', 'dark'];

const { resource, issuer } = await quickstart();
// Where the consent page sends the user back to.
const client = createServer((_, answer) => answer.end('back at the client')).listen(0, '127.0.0.1');
await once(client, 'listening');
const callback = `http://127.0.0.1:${client.address().port}/callback`;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM });
const defects = [];
for (const width of widths) {
  for (const colorScheme of colorSchemes) {
    await look(width, colorScheme).catch((error) => defects.push(`${width}-${colorScheme}: ${error}`));
  }
}
await browser.close();
console.log(defects.length ? defects.join('\n') : 'nothing is wrong with the pages');
process.exit(defects.length ? 1 : 0);

/** All pages, as a browser that was never here sees them. */
async function look(width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const seen = `${width}-${colorScheme}`;
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) defects.push(`${seen}: ${message.text()}`);
  });
  const examine = async (name, status, text) => {
    await page.getByText(text).first().waitFor();
    const defect = (why) => defects.push(`${name}-${seen}: ${why}`);
    if (page.answer.status() !== status) defect(`the status is ${page.answer.status()}`);
    for (const { id, help, nodes } of await violations(page)) {
      nodes.forEach(({ html, failureSummary }) => defect(`${id}: ${help}\n  ${html}\n  ${failureSummary}`));
    }
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (beyond > 0) defect(`${beyond} pixels are out of sight`);
    await page.screenshot({ path: join(logs, `page-${name}-${seen}.png`), fullPage: true });
  };
  const open = async (url) => (page.answer = await page.goto(url));

  await open(resource);
  await examine('resource', 401, 'This is the address of an MCP server');
  await open(issuer);
  await examine('authorization-server', 200, 'It takes no passwords');
  await open(`${issuer}/authorize`);
  await examine('error', 400, 'client_id is missing');

  const id = await register();
  await open(asking(id, 'mcp:use weather:read'));
  await examine('log-in', 200, 'Look up the weather');
  assert.equal(await page.getByText('new for').count(), 0);
  await page.getByRole('radio', { name: 'bob' }).check();
  await allow(page);

  await open(asking(id, 'mcp:use weather:read files:write'));
  await examine('step-up', 200, 'new for bob');
  assert.ok(await page.getByRole('radio', { name: 'bob logged in' }).isChecked());
  assert.equal(await page.getByText('new for').count(), 1);
  await allow(page);

  await open(asking(id, 'mcp:use', { acr_values: 'phr', max_age: '600' }));
  await examine('log-in-again', 200, 'With a password and a security key');
  assert.ok(await page.getByRole('radio', { name: 'bob log in again' }).isChecked());
  assert.ok(await page.getByRole('group', { name: 'Log in by' }).getByRole('radio', { name: 'phr' }).isChecked());
  await allow(page);
  await context.close();
}

/** The findings of axe-core about a page. It is evaluated by the debugger, since the pages themselves run no script. */
async function violations(page) {
  await page.evaluate(axe.source);
  const found = await page.evaluate(() => globalThis.axe.run({ resultTypes: ['violations'] }));
  return found.violations;
}

/** By the keyboard: from the top of the page to the button. */
async function allow(page) {
  const button = page.getByRole('button', { name: 'Allow' });
  for (let key = 0; key < 20 && !(await button.evaluate((it) => it === document.activeElement)); key++) {
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
  await page.waitForURL(`${callback}?code=*`);
}

async function register() {
  const metadata = { client_name: 'A client-with-a-name-that-does-not-want-to-be-broken', redirect_uris: [callback] };
  const body = JSON.stringify({ ...metadata, token_endpoint_auth_method: 'none' });
  const answer = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  return (await answer.json()).client_id;
}

/** The URL that a client opens to ask for these scopes. */
function asking(client_id, scope, more = {}) {
  const parameters = {
    response_type: 'code',
    client_id,
    redirect_uri: callback,
    state: 'state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    resource,
    scope,
    ...more,
  };
  return `${issuer}/authorize?${new URLSearchParams(parameters)}`;
}
