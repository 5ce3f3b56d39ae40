// The user of a TypeScript SDK: follows the harness (see ../client.mjs), stores what the SDK asks it to store, and opens
// its pages.

import { heard, say } from './lines.mjs';

/** The object that the SDKs call a provider. */
export class User {
  constructor(redirectUrl) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = {
      client_name: 'interop',
      redirect_uris: [redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  /** Attempts it; and once more when the page is dealt with that the SDK may ask for. */
  async attempt(what, finish) {
    try {
      return await what();
    } catch (error) {
      if (!this.page) throw error;
      say({ open: this.page });
      this.page = undefined;
      const { landed } = await heard();
      await finish(new URL(landed).searchParams);
      return await what();
    }
  }

  redirectToAuthorization(page) {
    this.page = page;
  }

  clientInformation() {
    return this.information;
  }

  saveClientInformation(information) {
    this.information = information;
  }

  tokens() {
    return this.kept;
  }

  saveTokens(tokens) {
    this.kept = tokens;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  invalidateCredentials(which) {
    if (which === 'tokens' || which === 'all') this.kept = undefined;
    if (which === 'client' || which === 'all') this.information = undefined;
  }
}

/** Until the harness hangs up. */
export async function obey(commands) {
  for (let command; (command = await heard()); ) {
    try {
      say({ done: (await commands[command.do](command)) ?? null });
    } catch (error) {
      say({ failed: String(error) });
    }
  }
  process.exit();
}
