// POST /DATABASE/query: statements in one D1 batch, in a session that is at least as fresh as its
// bookmark. Results have the form of Cloudflare's REST API. `is_renewed`: no replica reached the
// bookmark in time, or D1 was restored to an earlier state; the primary's bookmark replaces it.

import { writeOnce } from "./once.js";
import { readKind } from "./read_only.js";
import { Rejected } from "./rejected.js";

const WAIT_MS = 15_000; // for a replica to reach the bookmark; then the primary is asked
const MOST_BYTES = 24_000_000; // of a response: a Worker has 128 MB, and holds it several times
const MOST_NAMES = 500;

// Runs {statements: [[sql, params]], bookmark, write}. Both `bookmark` values of D1 are accepted, too.
// `by` is who signed the request, and when.
export async function query(db, by, asked, wait = WAIT_MS) {
  const { statements, bookmark = "first-primary", write = false } = asked;
  if (!Array.isArray(statements) || !statements.length || !statements.every(isStatement)) {
    throw new Rejected("statements must be a list of [sql, params]", 400);
  }
  if (write && by.role !== "writer") throw new Rejected("writing requires the writer's secret", 403);
  if (!write) requireReads(statements);
  const start = write ? "first-primary" : String(bookmark);
  const { found, mark, from } = await inSession(db, start, wait, (session) =>
    write ? writeAll(session, statements, by) : readAll(session, statements, formsOf(db)));
  const result = { ...found, bookmark: mark, is_renewed: from !== start };
  const body = JSON.stringify({ success: true, errors: [], result });
  if (body.length > MOST_BYTES) throw new Rejected("result too large for the gateway", 413);
  return body;
}

const isStatement = (each) =>
  Array.isArray(each) && typeof each[0] === "string" && Array.isArray(each[1] ?? []);

function requireReads(statements) {
  for (const [sql] of statements) {
    if (!readKind(sql)) throw new Rejected("only statements that read are allowed here", 403);
  }
}

// A replica that does not reach the bookmark in time is given up for the primary. A write is sent once.
async function inSession(db, start, wait, work) {
  const run = async (from) => {
    const session = db.withSession(from);
    return { found: await work(session), mark: session.getBookmark(), from };
  };
  if (start === "first-primary") return run(start);
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(() => resolve(null), wait); });
  const first = await Promise.race([run(start), late]).finally(() => clearTimeout(timer));
  return first ?? run("first-primary");
}

const prepared = (db, [sql, params = []]) => {
  const statement = db.prepare(sql);
  return params.length ? statement.bind(...params) : statement;
};

async function writeAll(session, statements, by) {
  const sent = statements.map((each) => prepared(session, each));
  const { done, cost } = await writeOnce(session, sent, by);
  const results = done.map(({ results: rows, meta }) => ({
    success: true, meta, results: rows?.length ? table(Object.keys(rows[0]), rows) : null,
  }));
  return { results, cost };
}

const table = (names, rows) => ({
  columns: names, rows: rows.map((row) => names.map((name) => row[name])),
});

// D1's batch gives rows as objects, without columns where there are no rows, and with one of several
// columns of the same name. So the names are read first (LIMIT 0 reads no row), once for each SQL of a
// database.
const known = new WeakMap();

function formsOf(db) {
  if (!known.has(db)) known.set(db, new Map());
  return known.get(db);
}

async function readAll(session, statements, seen) {
  const forms = [];
  for (const each of statements) forms.push(await formOf(session, each, seen));
  const done = await session.batch(
    statements.map(([, params], place) => prepared(session, [forms[place].sql, params])),
  );
  const results = done.map(({ results: found, meta }, place) => {
    const { names, keys, text } = forms[place];
    if (found.length && !isNamed(found[0], keys)) {
      seen.delete(text); // the table has other columns meanwhile
      throw new Rejected("the columns changed: storage caused object to be reset. Try again", 503);
    }
    const rows = found.map((row) => keys.map((key) => row[key]));
    return { success: true, meta, results: { columns: names, rows } };
  });
  return { results };
}

const isNamed = (row, keys) =>
  Object.keys(row).length === keys.length && keys.every((key) => Object.hasOwn(row, key));

// The columns of a PRAGMA do not depend on its argument.
const keyOf = (text) => /^\s*PRAGMA\s+\w+\s*\(/i.exec(text)?.[0] ?? text;

async function formOf(session, [text, params], seen) {
  const key = keyOf(text);
  if (seen.has(key)) return key === text ? seen.get(key) : { ...seen.get(key), sql: text };
  const form = { ...await readForm(session, text, params), text: key };
  if (seen.size >= MOST_NAMES) seen.delete(seen.keys().next().value);
  if (form.isLasting || key !== text) seen.set(key, form);
  return form;
}

async function readForm(session, text, params) {
  const sql = text.replace(/[;\s]+$/, "");
  if (readKind(text) === "other") { // EXPLAIN, PRAGMA: no subquery takes them
    const [names] = await prepared(session, [sql, params]).raw({ columnNames: true });
    return { text, sql, names, keys: names, isLasting: false };
  }
  const isLasting = !/\*/.test(sql.replace(/count\(\*\)/gi, "")); // columns of * can change
  const head = `SELECT * FROM (\n${sql}\n) LIMIT 0`;
  const [found] = await prepared(session, [head, params]).raw({ columnNames: true });
  const numbered = found.map((_, place) => `c${place}`);
  const names = found.map((name) => original(name, found));
  if (new Set(names).size === names.length) {
    return { text, sql, names, keys: names, isLasting };
  }
  const wrapped = `WITH q(${numbered.join(", ")}) AS (\n${sql}\n) SELECT * FROM q`;
  return { text, sql: wrapped, names, keys: numbered, isLasting };
}

// A subquery names the second column `a` "a:1".
function original(name, all) {
  const base = name.replace(/:\d+$/, "");
  return base !== name && all.includes(base) ? base : name;
}
