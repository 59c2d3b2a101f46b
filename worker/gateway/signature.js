// Requests are signed: HMAC-SHA256 over time, nonce, method, path, and body, by one of two secrets.
// The reader's runs statements that only read; the writer's runs all. A copy of a request is valid
// within the time window: it can read again, but it cannot write again (once.js).

export const WINDOW_SECONDS = 60; // for clocks that differ
const encoder = new TextEncoder();

// Returns {role: "reader" | "writer", at, nonce}; null if the signature is neither's, or too old.
export async function signer(request, body, env, now = Date.now()) {
  const url = new URL(request.url);
  const time = request.headers.get("x-d1lab-time") ?? "";
  const nonce = request.headers.get("x-d1lab-nonce") ?? "";
  const given = request.headers.get("x-d1lab-signature") ?? "";
  if (!/^\d{1,12}$/.test(time) || Math.abs(now / 1000 - Number(time)) > WINDOW_SECONDS) return null;
  if (!/^[0-9a-f]{32}$/.test(nonce) || !/^[0-9a-f]{64}$/.test(given)) return null;
  const bytes = Uint8Array.from(given.match(/../g), (pair) => parseInt(pair, 16));
  const head = encoder.encode(`${time}\n${nonce}\n${request.method}\n${url.pathname}${url.search}\n`);
  const data = new Uint8Array(head.length + body.byteLength);
  data.set(head);
  data.set(new Uint8Array(body), head.length);
  const role = await roleOf(env, bytes, data);
  return role && { role, at: Number(time), nonce };
}

async function roleOf({ READER_SECRET, WRITER_SECRET }, bytes, data) {
  if (await isSigned(WRITER_SECRET, bytes, data)) return "writer";
  return await isSigned(READER_SECRET, bytes, data) ? "reader" : null;
}

async function isSigned(secret, bytes, data) {
  if (!secret) return false;
  return crypto.subtle.verify("HMAC", await keyOf(secret), bytes, data); // in constant time
}

const keys = new Map(); // the two secrets, imported once

async function keyOf(secret) {
  if (!keys.has(secret)) {
    const how = { name: "HMAC", hash: "SHA-256" };
    const raw = encoder.encode(secret);
    keys.set(secret, await crypto.subtle.importKey("raw", raw, how, false, ["verify"]));
  }
  return keys.get(secret);
}
