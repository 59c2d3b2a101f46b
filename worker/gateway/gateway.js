// The gateway's routes. A path is /DATABASE/ROUTE; the variable DATABASES says which binding a
// database has. Every request is signed (signature.js).
//
//   POST query      statements, in a session (query.js)
//   GET  dashboard  ?shop=            figures and reports, from the cache (results.js)
//   GET  results    ?shop=&report=    the pushed columns of a report, from the cache
//   GET  version    of the gateway, and what it is bound to

import { query } from "./query.js";
import { Rejected } from "./rejected.js";
import { dashboardOf, isPush, purge, resultsOf } from "./results.js";
import { signer } from "./signature.js";

export const VERSION = "2";

const MOST_BYTES = 10_000_000; // of a request

export async function handle(request, env) {
  try {
    return await answer(request, env);
  } catch (error) {
    const status = error instanceof Rejected ? error.status : statusOf(String(error));
    const errors = [{ code: 7500, message: String(error.message ?? error) }];
    return Response.json({ success: false, errors, result: null }, { status });
  }
}

// An error of the statement is the caller's (400); everything else passes.
const statusOf = (text) => /SQLITE_|too big|too large|not authorized/i.test(text) ? 400 : 503;

async function answer(request, env) {
  const url = new URL(request.url);
  const [, name, route] = url.pathname.split("/").map(decodeURIComponent);
  const body = await request.arrayBuffer();
  if (body.byteLength > MOST_BYTES) throw new Rejected("request too large", 413);
  const by = await signer(request, body, env);
  if (!by) throw new Rejected("the signature is missing, invalid, or older than 60 seconds", 401);
  const db = databaseOf(env, name);
  const shop = url.searchParams.get("shop"), report = url.searchParams.get("report");
  if (request.method === "POST" && route === "query") return queried(env, name, db, by, body);
  if (request.method !== "GET") throw new Rejected("no such route", 404);
  if (route === "version") return described(env, by.role);
  if (!shop) throw new Rejected("the parameter shop is missing", 400);
  if (route === "dashboard") return shown(await dashboardOf(env, name, db, shop));
  if (route === "results" && report) return shown(await resultsOf(env, name, db, shop, report));
  throw new Rejected("no such route", 404);
}

export function databaseOf(env, name) {
  const names = env.DATABASES ?? {};
  const db = Object.hasOwn(names, name) ? env[names[name]] : undefined;
  if (!db) throw new Rejected(`no database ${JSON.stringify(name)} is bound to this gateway`, 404);
  return db;
}

async function queried(env, name, db, by, body) {
  let asked;
  try {
    asked = JSON.parse(new TextDecoder().decode(body));
  } catch {
    throw new Rejected("the body is not JSON", 400);
  }
  const found = await query(db, by, asked ?? {}, env.WAIT_MS);
  if (asked.write && isPush(asked.statements)) await purge(env, name);
  return new Response(found, { headers: { "content-type": "application/json" } });
}

function described(env, role) {
  const result = {
    name: "gateway", version: VERSION, role, databases: Object.keys(env.DATABASES ?? {}),
    has_reader: Boolean(env.READER_SECRET), has_writer: Boolean(env.WRITER_SECRET),
    cache: env.KV ? "KV" : "Cache API",
  };
  return Response.json({ success: true, errors: [], result });
}

const shown = ({ body, from }) => new Response(body, {
  headers: { "content-type": "application/json", "x-d1lab-from": from },
});
