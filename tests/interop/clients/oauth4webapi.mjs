// oauth4webapi and plain requests: a client that has no MCP SDK, and tokens that are bound to its key. It speaks one
// revision, with sessions.

import {
  allowInsecureRequests, authorizationCodeGrantRequest, calculatePKCECodeChallenge, discoveryRequest, DPoP,
  dynamicClientRegistrationRequest, generateKeyPair, generateRandomCodeVerifier, isDPoPNonceError, None,
  processAuthorizationCodeResponse, processDiscoveryResponse, processDynamicClientRegistrationResponse,
  processRefreshTokenResponse, processResourceDiscoveryResponse, protectedResourceRequest, refreshTokenGrantRequest,
  validateAuthResponse, WWWAuthenticateChallengeError,
} from 'oauth4webapi';

import { heard, say } from './lines.mjs';
import { obey } from './user.mjs';

const [revision, resource, redirect_uri] = process.argv.slice(2);
const url = new URL(resource);
const options = { [allowInsecureRequests]: true, DPoP: DPoP({}, await generateKeyPair('ES256')) };
let server, client, tokens, session;

/** A nonce is kept for the next attempt. */
async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    if (!isDPoPNonceError(error)) throw error;
    return await what();
  }
}

/** Finds the authorization server by the challenge, and registers there. */
async function discover(challenge) {
  const metadata = challenge.get('www-authenticate').match(/resource_metadata="([^"]+)"/)[1];
  const { authorization_servers } = await processResourceDiscoveryResponse(url, await fetch(metadata));
  const issuer = new URL(authorization_servers[0]);
  server = await processDiscoveryResponse(issuer, await discoveryRequest(issuer, options));
  const registration = await dynamicClientRegistrationRequest(server, {
    redirect_uris: [redirect_uri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  }, options);
  // glewlwyd answers with 200, which the library refuses.
  const { ok, body, headers } = registration;
  const created = ok ? new Response(body, { status: 201, headers }) : registration;
  client = await processDynamicClientRegistrationResponse(created);
}

async function logIn(scope) {
  const verifier = generateRandomCodeVerifier();
  const page = new URL(server.authorization_endpoint);
  page.search = new URLSearchParams({
    client_id: client.client_id, response_type: 'code', redirect_uri, resource, scope,
    code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    dpop_jkt: await options.DPoP.calculateThumbprint(),
  });
  say({ open: page });
  const { landed } = await heard();
  const answer = validateAuthResponse(server, client, new URL(landed));
  tokens = await attempt(async () => {
    const additionalParameters = { resource };
    const asked = [server, client, None(), answer, redirect_uri, verifier, { ...options, additionalParameters }];
    return processAuthorizationCodeResponse(server, client, await authorizationCodeGrantRequest(...asked));
  });
}

async function refresh() {
  tokens = await attempt(async () => {
    const asked = [server, client, None(), tokens.refresh_token, { ...options, additionalParameters: { resource } }];
    return processRefreshTokenResponse(server, client, await refreshTokenGrantRequest(...asked));
  });
}

const send = (body) => {
  const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' });
  if (session) headers.set('mcp-session-id', session);
  if (session) headers.set('mcp-protocol-version', revision);
  const text = JSON.stringify({ jsonrpc: '2.0', ...body });
  const { access_token } = tokens;
  return attempt(() => protectedResourceRequest(access_token, 'POST', url, headers, text, options));
};

/** Sends it, and once more with another token if the challenge asks for that. */
async function request(body) {
  try {
    return await send(body);
  } catch (error) {
    if (!(error instanceof WWWAuthenticateChallengeError)) throw error;
    const { parameters } = error.cause.find(({ scheme }) => scheme === 'dpop');
    if (parameters.error === 'insufficient_scope') await logIn(parameters.scope);
    else if (parameters.error === 'invalid_token') await refresh();
    else throw new Error(`${error.status}: ${parameters.error}`);
    return await send(body);
  }
}

let id = 0;

/** The result of a call, which is the answer itself or its only event. */
async function result(method, params) {
  const answer = await request({ id: ++id, method, params });
  session ??= answer.headers.get('mcp-session-id');
  const text = await answer.text();
  const events = [...text.matchAll(/^data: *(\{.*)$/gm)];
  const { result, error } = JSON.parse(events.at(-1)?.[1] ?? text);
  if (error) throw new Error(error.message);
  return result;
}

await obey({
  connect: async () => {
    const { status, headers } = await fetch(url, { method: 'POST', body: '{}' });
    if (status !== 401) throw new Error(`${status} without a token`);
    await discover(headers);
    await logIn(headers.get('www-authenticate').match(/ scope="([^"]+)"/)[1]);
    const about = { protocolVersion: revision, capabilities: {}, clientInfo: { name: 'interop', version: '0' } };
    const { protocolVersion } = await result('initialize', about);
    await request({ method: 'notifications/initialized' });
    return protocolVersion;
  },
  list: async () => (await result('tools/list', {})).tools.map(({ name }) => name),
  call: async ({ tool, arguments: given }) => {
    return (await result('tools/call', { name: tool, arguments: given })).content[0].text;
  },
});
