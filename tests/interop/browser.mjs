// A browser and the user in front of it, who logs in and allows whatever is asked.

/**
 * From an authorization server's page to where that sends the user back, which is not opened. The user is still logged in
 * there if the browser has the cookies of the last time.
 */
export async function browse(page, cookies = new Map()) {
  let url = new URL(page);
  const callback = url.searchParams.get('redirect_uri');
  let form;
  for (let hop = 0; hop < 20; hop++) {
    const headers = { cookie: [...cookies].map((cookie) => cookie.join('=')).join('; ') };
    const method = form ? 'POST' : 'GET';
    const answer = await fetch(url, { method, headers, body: form, redirect: 'manual' });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
      cookies.set(name, value);
    }
    const location = answer.headers.get('location');
    if (location) {
      url = new URL(location, url);
      form = undefined;
      if (url.href.startsWith(callback)) return url.href;
    } else {
      const html = await answer.text();
      const [, action] = html.match(/<form[^>]* action="([^"]*)"/) ?? [];
      if (action === undefined) throw new Error(`${answer.status} and no form at ${url}: ${html}`);
      url = new URL(unescaped(action), url);
      form = new URLSearchParams(filledIn(html));
    }
  }
  throw new Error(`${page} leads nowhere: at last to ${url}`);
}

/** The fields of the form: what it has, what a user types, and its first button. */
function* filledIn(html) {
  const chosen = new Set();
  for (const [input] of html.matchAll(/<input[^>]*>/g)) {
    const [type, name] = [attribute(input, 'type'), attribute(input, 'name')];
    if (type === 'radio' && chosen.has(name)) continue;
    chosen.add(name);
    yield [name, attribute(input, 'value') ?? 'alice'];
  }
  const [button] = html.match(/<button[^>]* name="[^>]*>/) ?? [];
  if (button) yield [attribute(button, 'name'), attribute(button, 'value')];
}

const attribute = (element, name) => {
  const [, value] = element.match(new RegExp(` ${name}="([^"]*)"`)) ?? [];
  return value && unescaped(value);
};

const unescaped = (text) =>
  text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
