"""Thirteen schemas in the shapes that public SQLite and D1 apps have; all rows are made up."""

from __future__ import annotations

SCHEMAS: dict[str, str] = {
    "a music store, every name in quotes": """
CREATE TABLE [Artist] ([ArtistId] INTEGER NOT NULL PRIMARY KEY, [Name] NVARCHAR(120));
CREATE TABLE [Track] ([TrackId] INTEGER NOT NULL PRIMARY KEY, [ArtistId] INTEGER,
    [UnitPrice] NUMERIC(10,2) NOT NULL, FOREIGN KEY ([ArtistId]) REFERENCES [Artist] ([ArtistId]));
CREATE INDEX [IFK_Track] ON [Track] ([ArtistId]);
INSERT INTO Artist VALUES (1, 'Motörhead'), (7, NULL);
INSERT INTO Track VALUES (1, 1, 0.99), (2, 7, 1), (9, NULL, '1.50');
""",
    "a trading company: spaces, pictures, a table called Order": """
CREATE TABLE "Order" ("Order ID" INTEGER PRIMARY KEY, "Ship Name" TEXT, Freight NUMERIC DEFAULT 0,
    Picture BLOB, "Required Date" DATETIME);
CREATE TABLE "Order Details" ("Order ID" INT NOT NULL, "Product ID" INT NOT NULL, Discount REAL,
    PRIMARY KEY ("Order ID", "Product ID"));
INSERT INTO "Order" VALUES (10248, 'Vins', 32.38, x'89504E470D0A', '1996-08-01'),
    (10249, '', 11, x'', NULL);
INSERT INTO "Order Details" VALUES (10248, 11, 0), (10248, 42, 0.15);
""",
    "timestamps and flags as integers": """
CREATE TABLE `todo` (`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL, `done` integer DEFAULT false,
    `meta` text, `created_at` integer DEFAULT (unixepoch()) NOT NULL);
CREATE UNIQUE INDEX `todo_meta` ON `todo` (`meta`);
INSERT INTO todo (id, done, meta, created_at) VALUES (3, 1, '{"a":[1,2]}', 1767261600),
    (4, 0, NULL, 1767261600123);
""",
    "an ORM's: times in milliseconds, a relation without a key": """
CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "isAdmin" BOOLEAN NOT NULL DEFAULT false,
    "createdAt" DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP, "rank" BIGINT, "raw" JSONB);
CREATE TABLE "_PostToTag" ("A" INTEGER NOT NULL, "B" TEXT NOT NULL);
CREATE UNIQUE INDEX "_PostToTag_AB" ON "_PostToTag" ("A", "B");
INSERT INTO "User" VALUES ('ck1', 1, 1767261600000, 9007199254740993, '{}'),
    ('ck2', 0, '2026-01-01 10:00:00', -9007199254740993, NULL);
INSERT INTO "_PostToTag" VALUES (1, 'x'), (2, 'x');
""",
    "integers beyond 2^53": """
CREATE TABLE big (id INTEGER PRIMARY KEY, n BIGINT, s TEXT, d DECIMAL(20, 0));
INSERT INTO big VALUES (9007199254740993, 9223372036854775807, '9007199254740993', 45035996273704),
    (-9007199254740993, -9223372036854775808, '', NULL);
""",
    "tables without rowid": """
CREATE TABLE kv (space TEXT, k BLOB, v ANY, PRIMARY KEY (space, k)) WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, data BLOB, seen REAL) WITHOUT ROWID;
INSERT INTO kv VALUES ('a', x'00', 1), ('a', x'00FF', 2), ('b', x'74', 3);
INSERT INTO session VALUES ('s1', x'DEADBEEF', 0.1), ('s2', NULL, 1e300);
""",
    "strict tables": """
CREATE TABLE meter (id INTEGER PRIMARY KEY, label TEXT NOT NULL, value REAL, raw BLOB) STRICT;
CREATE TABLE pair (a INT, b TEXT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID;
INSERT INTO meter VALUES (1, 'kWh', 3, x'01'), (2, '', NULL, NULL);
INSERT INTO pair VALUES (1, 'x'), (1, 'y');
""",
    "generated columns": """
CREATE TABLE line (id INTEGER PRIMARY KEY, units INTEGER, price REAL,
    total REAL GENERATED ALWAYS AS (units * price) VIRTUAL,
    label TEXT GENERATED ALWAYS AS ('#' || id) STORED);
CREATE INDEX line_total ON line (total);
INSERT INTO line (id, units, price) VALUES (1, 3, 0.5), (2, 0, 9.75), (3, NULL, 1);
""",
    "full-text search beside its table": """
CREATE TABLE post (id INTEGER PRIMARY KEY, title TEXT, body TEXT);
CREATE VIRTUAL TABLE post_search USING fts5(title, body, content='post', content_rowid='id');
CREATE TRIGGER post_ai AFTER INSERT ON post BEGIN
    INSERT INTO post_search (rowid, title, body) VALUES (new.id, new.title, new.body); END;
INSERT INTO post VALUES (1, 'Hello; world', 'It''s -- not a comment'), (5, 'two', NULL);
""",
    "triggers that write a history": """
CREATE TABLE stock (sku TEXT PRIMARY KEY, units INT CHECK (units >= 0));
CREATE TABLE stock_log (at TEXT DEFAULT '2026-01-01', sku TEXT, before INT, after INT);
CREATE TRIGGER stock_au AFTER UPDATE OF units ON stock WHEN old.units IS NOT new.units BEGIN
    INSERT INTO stock_log (sku, before, after) VALUES (old.sku, old.units, new.units); END;
INSERT INTO stock VALUES ('A', 5), ('B', 0);
UPDATE stock SET units = units + 1;
""",
    "names that are words of SQL, or no words at all": """
CREATE TABLE "select" ("order" INTEGER PRIMARY KEY, "from" TEXT, "a""b" TEXT, "semi;colon" INT,
    "über größe" TEXT, "1st" REAL, "index.name" TEXT);
CREATE TABLE "weird "" name" (x);
INSERT INTO "select" VALUES (1, 'f', 'q', 2, 'ß', 1.5, '.'), (2, NULL, NULL, 3, '日本', NULL, '');
INSERT INTO "weird "" name" VALUES ('x'), (NULL);
""",
    "a web framework's: decimals, fractions of seconds, partial indexes": """
CREATE TABLE "shop_order" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "number" varchar(20)
    NOT NULL UNIQUE, "total" decimal NOT NULL, "paid" bool NOT NULL, "placed" datetime NOT NULL,
    "day" date NULL, "customer_id" bigint NULL REFERENCES "shop_customer" ("id")
    DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "shop_customer" ("id" integer NOT NULL PRIMARY KEY, "email" varchar COLLATE NOCASE);
CREATE INDEX "unpaid" ON "shop_order" ("placed") WHERE NOT "paid";
CREATE INDEX "lower_email" ON "shop_customer" (lower("email"));
INSERT INTO "shop_customer" VALUES (1, 'A@x'), (2, NULL);
INSERT INTO "shop_order" VALUES (1, 'n1', 12.5, 1, '2026-01-01 10:00:00.123456', '2026-01-01', 1),
    (2, 'n2', 7, 0, '2026-01-02 00:00:00', NULL, NULL);
""",
    "columns of every type of value": """
CREATE TABLE setting (name TEXT PRIMARY KEY, value);
CREATE TABLE odd (rowid TEXT, oid INT, _rowid_ BLOB, code TEXT NOT NULL UNIQUE);
INSERT INTO setting VALUES ('i', 5), ('r', 0.25), ('t', 'five'), ('n', NULL),
    ('line', 'two
lines'), ('long', printf('%.2000c', 'x'));
INSERT INTO odd VALUES ('r', 1, x'01', 'a'), (NULL, 2, NULL, 'b');
""",
}
"""By what they show; each table has a name of its own."""
