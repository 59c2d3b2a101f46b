// A signed request writes once. Its time and nonce are inserted in the same D1 batch as what it
// writes, so a copy that somebody sends again fails as a whole. A row is of use for as long as its
// signature is valid; the next write deletes it.

import { Rejected } from "./rejected.js";
import { WINDOW_SECONDS } from "./signature.js";

const MAKE = `
  CREATE TABLE IF NOT EXISTS d1lab_requests (
    at INTEGER NOT NULL, nonce TEXT NOT NULL, PRIMARY KEY (at, nonce)) WITHOUT ROWID`;
const FORGET = `DELETE FROM d1lab_requests WHERE at < unixepoch() - ${2 * WINDOW_SECONDS}`;
const NOTE = "INSERT INTO d1lab_requests (at, nonce) VALUES (?1, ?2)";
const OWN = 2; // statements of ours at the end of a batch

// Runs prepared statements in one batch; returns their results, and the rows that this cost.
export async function writeOnce(session, statements, { at, nonce }) {
  const own = [session.prepare(NOTE).bind(at, nonce), session.prepare(FORGET)];
  const done = await batch(session, [...statements, ...own]);
  const metas = done.splice(-OWN).map(({ meta }) => meta);
  const sum = (name) => metas.reduce((total, meta) => total + (meta[name] ?? 0), 0);
  return { done, cost: { rows_read: sum("rows_read"), rows_written: sum("rows_written") } };
}

async function batch(session, statements) {
  try {
    return await session.batch(statements);
  } catch (error) {
    const text = String(error);
    if (/UNIQUE constraint failed: d1lab_requests/i.test(text)) {
      throw new Rejected("this request was carried out before, and takes effect once", 409);
    }
    if (!/no such table: (main\.)?d1lab_requests/i.test(text)) throw error;
    await session.prepare(MAKE).run(); // the first write of a database; nothing took effect yet
    return session.batch(statements);
  }
}
