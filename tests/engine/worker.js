// What the tests' engine runs: d1lab's Workers. A path is /DATABASE/ROUTE; one running engine serves all databases.
// A queue's batch is handed to the consumer here, because the local queue can stop delivering.

import { handle } from "../../worker/gateway/gateway.js";
import { checked, consume, tidy, track } from "../../worker/events/events.js";

const database = (env, name) => env[`D${Number(name.slice(name.indexOf("-") + 1))}`];

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
};

const GATEWAY = ["query", "dashboard", "results", "version"];

export default {
  async fetch(request, env) {
    const [, name, route] = new URL(request.url).pathname.split("/");
    if (GATEWAY.includes(route)) {
      const bound = { DB: database(env, name), DATABASES: { [name]: "DB" }, KV: env.KV };
      return handle(request, { ...bound, READER_SECRET: "reader", WRITER_SECRET: "writer" });
    }
    if (!(route in routes)) return new Response("d1lab's Workers", { status: name ? 404 : 200 });
    try {
      const own = { DB: database(env, name) };
      return Response.json(await routes[route](own, await request.json()));
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};
