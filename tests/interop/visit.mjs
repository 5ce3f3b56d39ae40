// One client at one server: a row of the table.

import { Client } from './client.mjs';
import { expected } from './expected.mjs';

export class Visit {
  /** How the steps went, by their names. */
  cells = {};

  static async start(server, { client, revision, command }, started) {
    const visitor = await Client.start(`${server}, ${client}, ${revision}`, [...command, revision], started.resource);
    return new Visit({ ...started, server, client, revision, visitor });
  }

  constructor(row) {
    Object.assign(this, row);
  }

  get hasFailed() {
    return Object.values(this.cells).some(({ mark }) => mark === 'FAIL');
  }

  async take(step) {
    if (this.isOver || (step.isFor && !step.isFor(this))) return;
    const known = expected(this, step.name);
    const failure = await step.take(this.visitor, this).then(() => undefined, (error) => error);
    this.cells[step.name] = outcome(failure, known);
    this.isOver = this.cells[step.name].mark === 'FAIL' || known?.isFinal;
  }
}

/** A known failure is not reported; a known failure that does not happen is. */
function outcome(failure, known) {
  if (known?.message.test(failure?.message)) return { mark: 'known', why: known.issue };
  if (known && !failure) return { mark: 'FAIL', why: `it works now: take ${known.issue} out of expected.mjs` };
  return failure ? { mark: 'FAIL', why: failure.message } : { mark: 'ok' };
}
