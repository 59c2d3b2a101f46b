// d1lab's Workers under test. A path is /DATABASE/ROUTE; one running engine serves all databases.
// A queue's batch is handed to the consumer here, because the local queue can stop delivering.

import { checked, consume, tidy, track } from "../../../worker/events/events.js";

const database = (env, name) => env[`D${Number(name.slice(name.indexOf("-") + 1))}`];

function batchOf(bodies) {
  const acked = [], retried = [];
  const messages = bodies.map((body, place) => ({
    body, ack: () => acked.push(place), retry: () => retried.push(place),
  }));
  return { messages, acked, retried };
}

const routes = {
  async deliver(env, { messages }) {
    const batch = batchOf(messages);
    await consume(batch, env);
    return { acked: batch.acked, retried: batch.retried };
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

export default {
  async fetch(request, env) {
    const [, name, route] = new URL(request.url).pathname.split("/");
    if (!(route in routes)) return new Response("d1lab's Workers", { status: name ? 404 : 200 });
    try {
      const own = { DB: database(env, name) };
      return Response.json(await routes[route](own, await request.json()));
    } catch (error) {
      return Response.json({ error: String(error) }, { status: 500 });
    }
  },
};
