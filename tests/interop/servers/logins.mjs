// oidc-provider whose users log in with a password or with a key, as the request asks (RFC 9470), and whose access tokens
// say which it was.

import { interactionPolicy } from 'oidc-provider';

const methods = { pwd: ['pwd'], phr: ['swk'], phrh: ['hwk', 'user'] };

/** By itself, it takes `acr_values` as a wish: a user who is logged in already would not be asked again. */
function policy() {
  const policy = interactionPolicy.base();
  const isUnmet = ({ oidc: { params, acr } }) => Boolean(params.acr_values && !params.acr_values.split(' ').includes(acr));
  policy.get('login').checks.add(new interactionPolicy.Check('acr_values', 'another login is required', isUnmet));
  return policy;
}

/** The part of its configuration that this needs. */
export const overrides = {
  acrValues: Object.keys(methods),
  interactions: { policy: policy() },
  // A token that is refreshed has the old login.
  extraTokenClaims({ oidc: { entities: { AuthorizationCode, RefreshToken } } }) {
    const { acr, amr, authTime } = AuthorizationCode ?? RefreshToken ?? {};
    return { acr, amr, auth_time: authTime };
  },
};

/**
 * Answers for its login page: the user logs in as the request asks. If it asks for nothing, that was with a password, and an
 * hour ago.
 */
export async function logIn(provider, { method, path, req, res }, next) {
  if (method !== 'POST' || !path.startsWith('/interaction/')) return next();
  const { prompt, params } = await provider.interactionDetails(req, res);
  if (prompt.name !== 'login') return next();
  const acr = params.acr_values?.split(' ')[0] ?? 'pwd';
  const ts = Math.floor(Date.now() / 1000) - (params.max_age === undefined ? 3600 : 0);
  const login = { accountId: 'alice', acr, amr: methods[acr], ts };
  return provider.interactionFinished(req, res, { login }, { mergeWithLastSubmission: false });
}
