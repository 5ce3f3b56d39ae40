// oauth4webapi and plain requests: a client that has no MCP SDK, and tokens that are bound to its key. It speaks one
// revision, with sessions. One argument more may say, in JSON, which client it is to the authorization server, and have its
// certificate: then its tokens are bound to that; or that they are bound to nothing.

import {
  allowInsecureRequests, authorizationCodeGrantRequest, calculatePKCECodeChallenge, customFetch, discoveryRequest, DPoP,
  dynamicClientRegistrationRequest, generateKeyPair, generateRandomCodeVerifier, isDPoPNonceError, None,
  processAuthorizationCodeResponse, processDiscoveryResponse, processDynamicClientRegistrationResponse,
  processRefreshTokenResponse, processResourceDiscoveryResponse, protectedResourceRequest, refreshTokenGrantRequest,
  TlsClientAuth, validateAuthResponse, WWWAuthenticateChallengeError,
} from 'oauth4webapi';

import { certifiedFetch } from '../certified_fetch.mjs';
import { heard, say } from './lines.mjs';
import { obey } from './user.mjs';

const [revision, resource, callback, known = '{}'] = process.argv.slice(2);
const { client_id, certificate, redirect_uri = callback, isBound = true } = JSON.parse(known);
const url = new URL(resource);
const options = { [allowInsecureRequests]: true };
if (certificate) options[customFetch] = certifiedFetch(certificate);
else if (isBound) options.DPoP = DPoP({}, await generateKeyPair('ES256'));
const scheme = options.DPoP ? 'dpop' : 'bearer';
const authentication = certificate ? TlsClientAuth() : None();
let client = client_id && { client_id, use_mtls_endpoint_aliases: true };
let server, tokens, session;

/** A nonce is kept for the next attempt. */
async function attempt(what) {
  try {
    return await what();
  } catch (error) {
    if (!isDPoPNonceError(error)) throw error;
    return await what();
  }
}

/** Finds the authorization server by the challenge, and registers there if it has not been. */
async function discover(challenge) {
  const metadata = challenge.get('www-authenticate').match(/resource_metadata="([^"]+)"/)[1];
  const { authorization_servers } = await processResourceDiscoveryResponse(url, await fetch(metadata));
  const issuer = new URL(authorization_servers[0]);
  server = await processDiscoveryResponse(issuer, await discoveryRequest(issuer, options));
  if (client) return;
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

/**
 * The challenge may ask for scopes, and for a login. The latter is a matter of OpenID Connect, and oidc-provider demands
 * that its scope is named as well.
 */
async function logIn({ scope = tokens.scope, acr_values, max_age }) {
  if (acr_values || max_age) scope = [...new Set(['openid', ...scope.split(' ')])].join(' ');
  const verifier = generateRandomCodeVerifier();
  const page = new URL(server.authorization_endpoint);
  page.search = new URLSearchParams({
    client_id: client.client_id, response_type: 'code', redirect_uri, resource, scope,
    code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  if (acr_values) page.searchParams.set('acr_values', acr_values);
  if (max_age) page.searchParams.set('max_age', max_age);
  if (options.DPoP) page.searchParams.set('dpop_jkt', await options.DPoP.calculateThumbprint());
  say({ open: page });
  const { landed } = await heard();
  const answer = validateAuthResponse(server, client, new URL(landed));
  tokens = await attempt(async () => {
    const additionalParameters = { resource };
    const asked = [server, client, authentication, answer, redirect_uri, verifier, { ...options, additionalParameters }];
    return processAuthorizationCodeResponse(server, client, await authorizationCodeGrantRequest(...asked));
  });
}

async function refresh() {
  const more = { ...options, additionalParameters: { resource } };
  tokens = await attempt(async () => {
    const asked = [server, client, authentication, tokens.refresh_token, more];
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
    const { parameters } = error.cause.find((challenge) => challenge.scheme === scheme);
    if (/^insufficient_(scope|user_authentication)$/.test(parameters.error)) await logIn(parameters);
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
    await logIn({ scope: headers.get('www-authenticate').match(/ scope="([^"]+)"/)[1] });
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
