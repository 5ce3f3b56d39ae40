// An MCP Inspector, and the user in front of it, who allows whatever is asked. It is told what the other clients are
// (see ../client.mjs). If the page does not show what the next click needs, the error names it.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort, logs, Program } from '../programs.mjs';

const binary = join(import.meta.dirname, '../node_modules/.bin/mcp-inspector');

export class Inspector {
  /** How often its user was asked. */
  visits = 0;

  static async start(browser, server, resource, revision) {
    const name = `inspector-${server}-${revision}`;
    const url = await serve(name);
    const page = await browser.newPage();
    page.setDefaultTimeout(30_000);
    await page.goto(url);
    return Object.assign(new Inspector(), { name, page, resource, revision });
  }

  async connect() {
    await this.#press('Add Servers');
    await this.page.getByRole('menuitem', { name: 'Add manually' }).click();
    await this.#choose('Transport', 'streamable-http');
    await this.#type('Server ID', 'quickstart');
    await this.#type('URL', this.resource);
    await this.#press('Add');
    await this.#press('Settings');
    await this.#choose('Protocol Era', this.revision);
    await this.#press('Close');
    // The switch itself is not to be seen, only what it is drawn as.
    await this.page.locator('label', { has: this.page.getByRole('switch') }).click();
    await this.#allow();
    const agreed = await this.page.getByText(/^MCP \d/).textContent();
    return agreed.replace('MCP ', '');
  }

  async list() {
    await this.page.getByText('Tools', { exact: true }).click();
    await this.page.getByRole('heading', { name: /^Tools \([1-9]/ }).waitFor();
    return this.page.getByRole('main').getByRole('button').allInnerTexts();
  }

  async call(tool, given = {}) {
    await this.#press(tool);
    for (const [name, value] of Object.entries(given)) await this.#type(name, value);
    await this.#press('Execute Tool');
    // JSON is shown in an editor, other text as it is.
    const result = this.page.locator('.ace_text-layer, main pre').filter({ hasText: /./ });
    const error = this.page.getByRole('alert', { name: 'Tool Error' });
    const stepUp = this.page.getByRole('button', { name: 'Authorize' });
    await result.or(error).or(stepUp).waitFor();
    if (await stepUp.isVisible()) {
      await stepUp.click();
      await this.#allow();
      await this.page.getByText('Retry your action').waitFor();
      await this.#press('Execute Tool');
      await result.or(error).waitFor();
    }
    if (await error.isVisible()) throw new Error(await error.innerText());
    return result.innerText();
  }

  screenshot() {
    return this.page.screenshot({ path: join(logs, `${this.name}.png`) });
  }

  /** The page of the authorization server, and back. */
  async #allow() {
    await this.#press('Allow');
    this.visits += 1;
  }

  #press(name) {
    return this.page.getByRole('button', { name, exact: true }).click();
  }

  #type(name, text) {
    return this.page.getByRole('textbox', { name, exact: true }).fill(text);
  }

  async #choose(name, option) {
    await this.page.getByRole('textbox', { name, exact: true }).click();
    await this.page.getByRole('option', { name: option }).click();
  }
}

/** Starts it, without a server or a token from another time, and returns the URL of its page. */
async function serve(name) {
  const directory = join(logs, name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  const catalog = join(directory, 'mcp.json');
  writeFileSync(catalog, JSON.stringify({ mcpServers: {} }));

  const settings = {
    CLIENT_PORT: await freePort(),
    MCP_SANDBOX_PORT: 0,
    MCP_APP_ORIGIN_PORT: 0,
    MCP_AUTO_OPEN_ENABLED: false,
    MCP_STORAGE_DIR: directory,
    MCP_INSPECTOR_SECRET_STORE: 'memory',
  };
  const environment = Object.entries(settings).map((setting) => setting.join('='));
  const inspector = new Program(name, 'env', ...environment, process.execPath, binary, '--catalog', catalog);
  for (;;) {
    const [url] = (await inspector.line()).match(/http:\S+TOKEN=\S+/) ?? [];
    if (url) return url;
  }
}
