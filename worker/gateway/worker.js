// d1lab's gateway as a Worker of its own. Other Workers of the account reach it through a service
// binding, without a signature: `await env.D1LAB.dashboard("shop-db", shop)`.

import { WorkerEntrypoint } from "cloudflare:workers";
import { handle } from "./gateway.js";
import { cached, dashboard, dashboardKey, reportResults, resultKey } from "./results.js";

export default class Gateway extends WorkerEntrypoint {
  fetch(request) {
    return handle(request, this.env);
  }
  async dashboard(name, shop) {
    const { body } = await cached(this.env, dashboardKey(name, shop), () =>
      dashboard(this.database(name), shop));
    return JSON.parse(body);
  }
  async results(name, shop, report) {
    const { body } = await cached(this.env, resultKey(name, shop, report), () =>
      reportResults(this.database(name), shop, report));
    return JSON.parse(body);
  }
  database(name) {
    return this.env[this.env.DATABASES[name]].withSession("first-unconstrained");
  }
}
