// D1 with a replica that lags, as a binding: two local databases, and what D1 promises of sessions. A
// session that begins with a bookmark reads a state at least as fresh. A bookmark is the number of
// writes so far, in the same number of digits, as D1's sort. The replica answers whenever it may, so
// a gateway that loses a bookmark is found out.

const WRITES = /^\s*(insert|update|delete|replace|create|drop|alter)\b/i;

export class Lagging {
  constructor(primary, replica) {
    this.primary = primary;
    this.replica = replica;
    this.log = []; // each write: its statements
    this.copied = 0;
    this.between = []; // steps that happen between two calls of the same session
    this.starts = []; // with which each session began
    this.hangs = false; // whether the replica never reaches a bookmark that is ahead of it
    this.heeds = true; // whether sessions heed their bookmark; false is a fault to be found
  }

  withSession(start) {
    this.starts.push(start);
    return new Session(this, start);
  }

  async write(statements) {
    const done = await this.primary.batch(statements.map((each) => bound(this.primary, each)));
    this.log.push(statements);
    return done;
  }

  async copy(count) {
    for (const statements of this.log.slice(this.copied, this.copied + count)) {
      await this.replica.batch(statements.map((each) => bound(this.replica, each)));
      this.copied += 1;
    }
  }

  async take(steps) {
    for (const step of steps) {
      await (typeof step === "number" ? this.copy(step) : this.write(step));
    }
  }
}

const bookmark = (version) => String(version).padStart(16, "0");

const bound = (db, { sql, params }) =>
  params?.length ? db.prepare(sql).bind(...params) : db.prepare(sql);

class Session {
  constructor(lagging, start) {
    this.lagging = lagging;
    this.mark = start;
  }

  prepare(sql) {
    return new Prepared(this, sql, []);
  }

  async batch(statements) {
    if (statements.some(({ sql }) => WRITES.test(sql))) {
      const done = await this.lagging.write(statements);
      this.mark = bookmark(this.lagging.log.length);
      return done.map((each) => served(each, true));
    }
    const [db, isPrimary] = await this.choose();
    const done = await db.batch(statements.map((each) => bound(db, each)));
    return done.map((each) => served(each, isPrimary));
  }

  // Where the next read goes; the session is as fresh as that from then on.
  async choose() {
    const { lagging } = this;
    await lagging.take(lagging.between.shift() ?? []);
    const least = this.mark === "first-unconstrained" ? 0 : Number(this.mark);
    if (this.mark !== "first-primary" && (lagging.copied >= least || !lagging.heeds)) {
      this.mark = bookmark(lagging.copied);
      return [lagging.replica, false];
    }
    if (this.mark !== "first-primary" && lagging.hangs) return new Promise(() => {});
    this.mark = bookmark(lagging.log.length);
    return [lagging.primary, true];
  }

  getBookmark() {
    return this.mark;
  }
}

class Prepared {
  constructor(session, sql, params) {
    Object.assign(this, { session, sql, params });
  }

  bind(...params) {
    return new Prepared(this.session, this.sql, params);
  }

  async raw(how) {
    const [db] = await this.session.choose();
    return bound(db, this).raw(how);
  }

  async run() {
    return (await this.session.batch([this]))[0];
  }
}

const served = (result, isPrimary) => ({
  ...result, meta: { ...result.meta, served_by_region: "WEUR", served_by_primary: isPrimary },
});
