// The lines beside this file, of a client in a web page: `web_page.mjs` passes them on.

export const { heard, say } = globalThis;
