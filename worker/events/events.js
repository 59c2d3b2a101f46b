// d1lab's events Worker, as functions for your own Worker: `track` where a sale happens, `consume`
// in its queue handler, `tidy` in its scheduled handler. docs/guide/workers.md shows the ten lines.
//
// Bindings: DB (the D1 database), EVENTS (a Queue; without it `track` writes to D1 at once).

import { checked } from "./rules.js";
import { chores, foldOnly, isSmall, rejection, statements } from "./writes.js";

export { VERSION } from "./writes.js";
export { checked } from "./rules.js";

const JSON_BYTES = 1_500_000; // of one D1 parameter, which D1 limits to 2 MB
const EVENTS_PER_BATCH = 2_500; // the fold of one batch stays below a second
const MESSAGE_BYTES = 100_000; // Cloudflare limits a message to 128 KB
const PASSING = /overloaded|reset|starting up|network|timeout|transient|internal error|busy|locked/i;

// Records events: {shop, event_id, type: "order", ...} as docs/guide/events.md lists them, or
// {shop, type: "view" | "cart", sku}. Nothing is thrown for an invalid event, so that a checkout
// never fails because of one: it is in `rejected`, with its reason.
export async function track(env, events, now = Date.now()) {
  const { valid, rejected } = sorted([events].flat().map((event) => identified(event, now)), now);
  if (env.EVENTS) await send(env.EVENTS, valid);
  else await write(env.DB, valid);
  return { accepted: valid.length, rejected };
}

// A view or cart without an id or a time gets them here, before the first delivery.
function identified(event, now) {
  if (!event || !isSmall(event)) return event;
  const at = new Date(now).toISOString();
  return { event_id: crypto.randomUUID(), occurred_at: at, ...event };
}

function sorted(events, now) {
  const valid = [], rejected = [];
  for (const body of events) {
    const { event, reason } = checked(body, now);
    if (reason) rejected.push({ reason, body });
    else valid.push(event);
  }
  return { valid, rejected };
}

async function send(queue, events) {
  for (const part of parts(events, MESSAGE_BYTES, EVENTS_PER_BATCH)) await queue.send(part);
}

// Consumes a queue's batch. A message is acknowledged only after D1 has committed its events. What
// is delivered again counts nothing twice. An invalid event goes to d1lab_rejected_events; a message
// that D1 keeps rejecting is retried until the queue moves it to its dead letters.
export async function consume(batch, env, now = Date.now()) {
  const messages = [...batch.messages];
  await settle(env.DB, messages.map((message) => ({ message, ...sorted([message.body].flat(), now) })));
}

async function settle(db, items) {
  try {
    await write(db, items.flatMap((item) => item.valid), items.flatMap((item) => item.rejected));
    for (const { message } of items) message.ack();
  } catch (error) {
    if (items.length > 1 && !PASSING.test(String(error))) {
      const middle = items.length >> 1; // one of them is to blame: find it
      await settle(db, items.slice(0, middle));
      await settle(db, items.slice(middle));
      return;
    }
    console.error(`d1lab events: ${error}`);
    for (const { message } of items) message.retry();
  }
}

// Writes valid events to D1 and folds them, in as few batches as D1's limits allow. Each batch takes
// effect whole or not at all.
export async function write(db, valid, rejected = []) {
  const pieces = [...parts(valid, JSON_BYTES, EVENTS_PER_BATCH)];
  for (const [number, part] of pieces.entries()) {
    const isLast = number === pieces.length - 1;
    const extra = isLast && rejected.length ? [rejection(db, rejected)] : [];
    await db.batch([...statements(db, part), ...extra]);
  }
  if (!pieces.length && rejected.length) await rejection(db, rejected).run();
}

// For the cron: folds what came by another way (`d1lab track`), fills the rates, and forgets old ids.
export async function tidy(env, most = 20) {
  for (let round = 0; round < most; round++) {
    const done = await env.DB.batch(foldOnly(env.DB));
    if (!done.at(-1).meta.changes) break; // no mark moved: everything is in the counters
  }
  await env.DB.batch(chores(env.DB));
}

function* parts(events, bytes, count) {
  let part = [], size = 0;
  for (const event of events) {
    const more = encoder.encode(JSON.stringify(event)).length;
    if (part.length && (size + more > bytes || part.length === count)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(event);
    size += more;
  }
  if (part.length) yield part;
}

const encoder = new TextEncoder();
