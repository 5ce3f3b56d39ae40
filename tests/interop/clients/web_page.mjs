// The TypeScript SDK in a web page: the program beside this file, but a browser has a say in what it may send to
// another origin, and what it may read from there.

import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { chromium } from 'playwright-core';
import { rolldown } from 'rolldown';

import { heard, say } from './lines.mjs';

const here = import.meta.dirname;
const bundle = await rolldown({
  input: join(here, 'typescript.mjs'),
  platform: 'browser',
  resolve: { alias: { './lines.mjs': join(here, 'lines_of_page.mjs') } },
});
const { output: [{ code: content }] } = await bundle.generate({ codeSplitting: false });

// For the page to have an origin.
const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html>'));
await once(server.listen(0, '127.0.0.1'), 'listening');

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, handleSIGTERM: false });
const page = await browser.newPage();
page.on('console', (message) => console.error(message.text()));
await page.exposeFunction('say', say);
await page.exposeFunction('heard', heard);
await page.goto(`http://127.0.0.1:${server.address().port}`);
await page.evaluate((argv) => (globalThis.process = { argv }), process.argv);
await page.addScriptTag({ type: 'module', content });

// The harness says so more than once: a second end would cut the first short, and the browser leave its files behind.
await new Promise((end) => {
  process.on('SIGTERM', end);
  process.stdin.on('end', end);
});
await browser.close();
process.exit();
