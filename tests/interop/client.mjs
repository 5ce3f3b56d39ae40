// A client under test: a program that uses one SDK and says nothing of its own. Its last arguments are the
// revision of MCP to speak, the URL of the MCP server, and the one that pages send the user back to. It is told, in
// lines of JSON on stdin,
//
//     {"do":"connect"}                                       for the revision that was agreed on
//     {"do":"list"}                                          for the names of the tools
//     {"do":"call","tool":"add","arguments":{"a":1,"b":2}}   for the text of the result
//     {"do":"batch","tools":["a","b"]}                       for their texts, where its SDK can
//     {"do":"leave"}                                         when it has said goodbye
//
// and answers each on stdout with `{"done":…}` or `{"failed":"why"}`. Before that it may ask, as often as its SDK
// wants, for `{"open":"https://…"}`, and is told `{"landed":"http://…"}`: where the page sent the user back to.

import { join } from 'node:path';

import { browse } from './browser.mjs';
import { freePort, Program, target } from './programs.mjs';

/** The programs, by their SDKs. */
export const commands = {
  typescript: [process.execPath, join(import.meta.dirname, 'clients/typescript.mjs')],
  page: [process.execPath, join(import.meta.dirname, 'clients/web_page.mjs')],
  typescript1: [process.execPath, join(import.meta.dirname, 'clients/typescript_1.mjs')],
  python: [join(import.meta.dirname, '.venv/bin/python'), join(import.meta.dirname, 'clients/python.py')],
  oauth4webapi: [process.execPath, join(import.meta.dirname, 'clients/oauth4webapi.mjs')],
  rust: [join(target, 'debug/examples/interop_client')],
};

export class Client {
  /** How often its user was asked. */
  visits = 0;

  /** From a page to where it sends the user back to. */
  browse = browse;

  static async start(name, command, resource, ...besides) {
    // No program listens there: the harness passes on what would arrive.
    const callback = `http://127.0.0.1:${await freePort()}/callback`;
    return new Client(new Program(name, ...command, resource, callback, ...besides));
  }

  constructor(program) {
    this.program = program;
  }

  connect() {
    return this.#obey({ do: 'connect' });
  }

  list() {
    return this.#obey({ do: 'list' });
  }

  call(tool, given = {}) {
    return this.#obey({ do: 'call', tool, arguments: given });
  }

  batch(tools) {
    return this.#obey({ do: 'batch', tools });
  }

  leave() {
    return this.#obey({ do: 'leave' });
  }

  async #obey(command) {
    this.program.say(JSON.stringify(command));
    for (;;) {
      const { open, done, failed } = JSON.parse(await this.program.line());
      if (failed) throw new Error(failed);
      if (!open) return done;
      this.visits += 1;
      this.program.say(JSON.stringify({ landed: await this.browse(open) }));
    }
  }
}
