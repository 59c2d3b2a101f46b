// d1lab's gateway as a Worker of its own. Other Workers of the account reach it through a service
// binding, without a signature: `await env.D1LAB.dashboard("shop-db", shop)`.

import { WorkerEntrypoint } from "cloudflare:workers";
import { databaseOf, handle } from "./gateway.js";
import { dashboardOf, resultsOf } from "./results.js";

export default class Gateway extends WorkerEntrypoint {
  fetch(request) {
    return handle(request, this.env);
  }
  async dashboard(name, shop) {
    const { body } = await dashboardOf(this.env, name, databaseOf(this.env, name), shop);
    return JSON.parse(body);
  }
  async results(name, shop, report) {
    const { body } = await resultsOf(this.env, name, databaseOf(this.env, name), shop, report);
    return JSON.parse(body);
  }
}
