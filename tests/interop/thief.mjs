// A thief of tokens, by means of oauth4webapi: they have the token of another client, and not its key.

import {
  allowInsecureRequests, clientCredentialsGrantRequest, ClientSecretBasic, customFetch, discoveryRequest, DPoP,
  generateKeyPair, isDPoPNonceError, processClientCredentialsResponse, processDiscoveryResponse,
  protectedResourceRequest, WWWAuthenticateChallengeError,
} from 'oauth4webapi';

const options = { [allowInsecureRequests]: true };

const about = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'interop', version: '0' } };
const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: about });
const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' });

/**
 * The status for the token at the resource, and the error in the challenge of each scheme. The token comes as a bearer
 * token, with a proof by another key, or with a proof that was used.
 */
export async function attempt(resource, { token, hasKey, usedProof }) {
  const again = (url, { headers, ...init }) =>
    fetch(url, { ...init, headers: { ...headers, authorization: `DPoP ${token}`, dpop: usedProof } });
  const how = { ...options };
  if (hasKey) how.DPoP = DPoP({}, await generateKeyPair('ES256'));
  if (usedProof) how[customFetch] = again;
  const once = () => protectedResourceRequest(token, 'POST', new URL(resource), headers, body, how);
  try {
    const { status } = await once().catch((error) => (isDPoPNonceError(error) ? once() : Promise.reject(error)));
    return { status };
  } catch (error) {
    if (!(error instanceof WWWAuthenticateChallengeError)) throw error;
    const errors = error.cause.map(({ scheme, parameters }) => [scheme, parameters.error]);
    return { status: error.status, ...Object.fromEntries(errors) };
  }
}

/** A token of their own, for the resource and bound to no key. */
export async function unboundToken(issuer, resource, { client_id, client_secret }) {
  const url = new URL(issuer);
  const server = await processDiscoveryResponse(url, await discoveryRequest(url, options));
  const asked = [ClientSecretBasic(client_secret), { resource, scope: 'mcp:use' }, options];
  const answer = await clientCredentialsGrantRequest(server, { client_id }, ...asked);
  return (await processClientCredentialsResponse(server, { client_id }, answer)).access_token;
}
