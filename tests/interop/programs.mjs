// Programs of others, started and stopped. They end with the harness, however that ends.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export const root = join(import.meta.dirname, '../..');
export const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');

/** The other output of each program, to explain a cell of the table. */
export const logs = join(target, 'interop');
mkdirSync(logs, { recursive: true });

const running = new Set();
process.on('exit', () => running.forEach((program) => program.kill()));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** A program that one speaks to in lines. */
export class Program {
  constructor(name, command, ...args) {
    this.name = name;
    const log = createWriteStream(join(logs, `${name}.log`));
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.process.on('error', (error) => log.write(String(error)));
    this.process.stderr.pipe(log);
    running.add(this.process);
    this.process.on('exit', () => running.delete(this.process));
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  async line() {
    const patience = AbortSignal.timeout(60_000);
    const tired = once(patience, 'abort').then(() => ({ value: undefined, why: 'says nothing' }));
    const { value, why } = await Promise.race([this.lines.next(), tired]);
    if (value === undefined) throw new Error(`${this.name} ${why ?? 'has ended'}: see ${logs}`);
    return value;
  }

  say(line) {
    this.process.stdin.write(`${line}\n`);
  }

  stop() {
    this.process.kill();
  }
}

/** For a program that does not say when it listens. */
export async function listening(port) {
  for (const until = Date.now() + 30_000; Date.now() < until; await sleep(20)) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(() => true, () => false);
    socket.destroy();
    if (isOpen) return;
  }
  throw new Error(`no program listens at ${port}: see ${logs}`);
}

const given = new Set();

/** A port below those that the system gives to connections and servers: none of them takes it before it is used. */
export async function freePort() {
  for (;;) {
    const port = randomInt(20_000, 32_000);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer().listen(port, '127.0.0.1');
    if (!(await once(server, 'listening').then(() => true, () => false))) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
