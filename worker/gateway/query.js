// POST /DATABASE/query: statements in one D1 batch, in a session that is at least as fresh as its
// bookmark. Results have the form of Cloudflare's REST API. `is_renewed`: no replica reached the
// bookmark in time, or D1 was restored to an earlier state; the primary's bookmark replaces it.

import { readKind } from "./read_only.js";

const WAIT_MS = 15_000; // for a replica to reach the bookmark; then the primary is asked
const MOST_BYTES = 24_000_000; // of a response: a Worker has 128 MB, and holds it several times
const MOST_NAMES = 500;

export class Rejected extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Runs {statements: [[sql, params]], bookmark, write}. Both `bookmark` values of D1 are accepted, too.
export async function query(db, role, { statements, bookmark = "first-primary", write = false }) {
  if (!Array.isArray(statements) || !statements.length || !statements.every(isStatement)) {
    throw new Rejected("statements must be a list of [sql, params]", 400);
  }
  if (write && role !== "writer") throw new Rejected("writing requires the writer's secret", 403);
  if (!write) requireReads(statements);
  const start = write ? "first-primary" : String(bookmark);
  const { results, mark, from } = await inSession(db, start, (session) =>
    write ? writeAll(session, statements) : readAll(session, statements));
  const result = { results, bookmark: mark, is_renewed: from !== start };
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
async function inSession(db, start, work) {
  const run = async (from) => {
    const session = db.withSession(from);
    return { results: await work(session), mark: session.getBookmark(), from };
  };
  if (start === "first-primary") return run(start);
  let timer;
  const late = new Promise((resolve) => { timer = setTimeout(() => resolve(null), WAIT_MS); });
  const found = await Promise.race([run(start), late]).finally(() => clearTimeout(timer));
  return found ?? run("first-primary");
}

const prepared = (db, [sql, params = []]) => {
  const statement = db.prepare(sql);
  return params.length ? statement.bind(...params) : statement;
};

async function writeAll(session, statements) {
  const done = await session.batch(statements.map((each) => prepared(session, each)));
  return done.map(({ results, meta }) => ({
    success: true, meta, results: results?.length ? table(Object.keys(results[0]), results) : null,
  }));
}

const table = (names, rows) => ({
  columns: names, rows: rows.map((row) => names.map((name) => row[name])),
});

// D1's batch gives rows as objects, without columns where there are no rows, and with one of several
// columns of the same name. So the names are read first (LIMIT 0 reads no row), once for each SQL.
const known = new Map();

async function readAll(session, statements) {
  const forms = [];
  for (const each of statements) forms.push(await formOf(session, each));
  const done = await session.batch(
    statements.map(([, params], place) => prepared(session, [forms[place].sql, params])),
  );
  return done.map(({ results, meta }, place) => {
    const { names, keys, text } = forms[place];
    if (results.length && Object.keys(results[0]).length !== keys.length) {
      known.delete(text); // the table got another column meanwhile
      throw new Rejected("the columns changed: storage caused object to be reset. Try again", 503);
    }
    const rows = results.map((row) => keys.map((key) => row[key]));
    return { success: true, meta, results: { columns: names, rows } };
  });
}

async function formOf(session, [text, params]) {
  if (known.has(text)) return known.get(text);
  const form = await readForm(session, text, params);
  if (known.size >= MOST_NAMES) known.delete(known.keys().next().value);
  if (form.isLasting) known.set(text, form);
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
