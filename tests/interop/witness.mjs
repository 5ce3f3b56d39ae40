// Sees what goes over the wire between clients and their server, and whose it is.

/** What a proxy is to tell it of. */
export class Witness {
  #seen = [];

  /** A request that was answered, but not yet to the end. */
  note({ method, headers }, answer) {
    const token = headers.authorization?.split(' ')[1];
    const seen = { method, headers, token, client: clientOf(token), status: answer.statusCode, isOver: false };
    seen.isStream = answer.headers['content-type']?.startsWith('text/event-stream') ?? false;
    answer.on('close', () => (seen.isOver = true));
    this.#seen.push(seen);
  }

  /** What this client was served until now: not what it was refused. */
  served(client) {
    return this.#seen.filter((seen) => seen.client === client && seen.status < 300);
  }
}

/** Its token is a JWT, or it has none yet. */
const clientOf = (token) => token && JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).client_id;
