// A Worker of its own for events: other Workers send to its queue, or call it through a service
// binding (`env.D1LAB.track(events)`). It answers no request from outside.

import { WorkerEntrypoint } from "cloudflare:workers";
import { consume, tidy, track, VERSION } from "./events.js";

export default class Events extends WorkerEntrypoint {
  fetch() {
    return new Response("d1lab events", { status: 404 });
  }
  track(events) {
    return track(this.env, events);
  }
  version() {
    return VERSION;
  }
  async queue(batch) {
    await consume(batch, this.env);
  }
  async scheduled() {
    await tidy(this.env);
  }
}
