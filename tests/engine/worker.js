// What the tests' engine runs: d1lab's Workers. A path is /DATABASE/ROUTE; one running engine serves all databases.
// A queue's batch is handed to the consumer here, because the local queue can stop delivering.
// The gateway has KV for /DATABASE.kv, and a replica that lags after a `lag` of the database.

import { handle } from "../../worker/gateway/gateway.js";
import { checked, consume, tidy, track } from "../../worker/events/events.js";
import { Lagging } from "./lagging.js";

const database = (env, name) => env[`D${parseInt(name.slice(name.indexOf("-") + 1), 10)}`];
const laggings = new Map(); // by the name of the primary

function batchOf(bodies) {
  const acked = [], retried = [];
  const messages = bodies.map((body, place) => ({
    body, ack: () => acked.push(place), retry: () => retried.push(place),
  }));
  return { messages, acked, retried };
}

// A database that adds up what D1 bills.
const metered = (db, meter) => ({
  prepare: (sql) => db.prepare(sql),
  async batch(statements) {
    const done = await db.batch(statements);
    for (const { meta } of done) {
      meter.read += meta.rows_read;
      meter.written += meta.rows_written;
    }
    return done;
  },
});

const routes = {
  async deliver(env, { messages }) {
    const batch = batchOf(messages), meter = { read: 0, written: 0 };
    await consume(batch, { DB: metered(env.DB, meter) });
    return { acked: batch.acked, retried: batch.retried, ...meter };
  },
  async deliver_all(env, { deliveries }) { // one after the other, as one consumer
    const began = Date.now();
    for (const messages of deliveries) await consume(batchOf(messages), env);
    return { ms: Date.now() - began };
  },
  track: (env, { events }) => track(env, events),
  async queue(env, { events }) { // what `track` sends
    const sent = [];
    const told = await track({ ...env, EVENTS: { send: (body) => sent.push(body) } }, events);
    return { ...told, sent };
  },
  async tidy(env) { await tidy(env); return {}; },
  checked: (env, { events }) => events.map((event) => checked(event)),
  // begins a replica, in another database
  lag(env, { replica }) {
    laggings.set(env.NAME, new Lagging(env.DB, database(env.ALL, replica)));
    return {};
  },
  // what happens to the two at once, what between the next reads of a session, and flags
  async steps(env, { now = [], between = [], ...flags }) {
    const lagging = laggings.get(env.NAME);
    await lagging.take(now);
    Object.assign(lagging, { between, ...flags });
    const { log, copied, starts } = lagging;
    return { version: log.length, copied, starts: starts.splice(0) };
  },
};

// KV takes one write a second of a key: the second of a pair fails here.
let puts = 0;
const hurried = (kv) => {
  return {
    get: (key) => kv.get(key),
    async put(...what) {
      if (++puts % 2 === 0) throw new Error("KV PUT failed: 429 Too Many Requests");
      return kv.put(...what);
    },
  };
};

function cacheOf(env, name) {
  if (name.endsWith(".hurried")) return hurried(env.KV);
  return name.endsWith(".kv") ? env.KV : undefined;
}

function gatewayOf(env, name) {
  const db = laggings.get(name) ?? database(env, name);
  const bound = { DB: db, DATABASES: { [name]: "DB" }, KV: cacheOf(env, name) };
  const waiting = laggings.has(name) ? { WAIT_MS: 1 } : {};
  return { ...bound, ...waiting, READER_SECRET: "reader", WRITER_SECRET: "writer" };
}

const GATEWAY = ["query", "dashboard", "results", "version"];

export default {
  async fetch(request, env) {
    const [, name, route] = new URL(request.url).pathname.split("/");
    if (GATEWAY.includes(route)) return handle(request, gatewayOf(env, name));
    if (!(route in routes)) return new Response("d1lab's Workers", { status: name ? 404 : 200 });
    try {
      const own = { DB: database(env, name), NAME: name, ALL: env };
      return Response.json(await routes[route](own, await request.json()));
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};
