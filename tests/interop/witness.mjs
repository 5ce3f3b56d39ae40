// Records the traffic between clients and their server, and to which client it belongs.

/** The record of the traffic that a proxy reports. */
export class Witness {
  #seen = [];

  /** A request that was answered, but not yet to the end. */
  note({ method, headers }, answer) {
    const token = headers.authorization?.split(' ')[1];
    const seen = { method, headers, token, client: clientOf(token), status: answer.statusCode, isOver: false };
    seen.isStream = answer.headers['content-type']?.startsWith('text/event-stream') ?? false;
    seen.challenges = answer.headersDistinct['www-authenticate'] ?? [];
    seen.nonce = answer.headers['dpop-nonce'];
    answer.on('close', () => (seen.isOver = true));
    this.#seen.push(seen);
  }

  /** All requests until now, of any sender. */
  get all() {
    return [...this.#seen];
  }

  /** The requests of this client that were served until now, without those that were refused. */
  served(client) {
    return this.#seen.filter((seen) => seen.client === client && seen.status < 300);
  }
}

/** Its token is a JWT that says so, or it is unknown. */
const clientOf = (token) =>
  token?.includes('.') ? JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).client_id : undefined;
