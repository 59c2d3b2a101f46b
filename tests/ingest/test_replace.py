"""An order in a file replaces the stored one unless that is newer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1UnavailableError, InputError
from d1lab.ingest import replace
from d1lab.ingest.events import track
from tests.support.examples import examples
from tests.support.exports import FIRST, MORE, load, sums, write_export

PAIRS = ["order_id=o", "sku=s", "quantity=q", "list_price=p", "occurred_at=t"]


def test_line_removed_from_the_order_is_deleted(db, tmp_path):
    """A product was removed from the order; a later file has nothing new."""
    path = tmp_path / "export.csv"
    load(db, write_export(path, FIRST, MORE))
    result = load(db, write_export(path, FIRST))
    assert (result.written, result.known, result.removed) == (0, 1, 1)
    assert sums(db) == (1, 1, 10)
    assert load(db, path)[7:9] == (0, 1)


def test_order_that_is_open_again_has_no_refund(db, tmp_path):
    """It is canceled in one export, open in the next, and voided in the one after that."""
    path = tmp_path / "export.csv"
    load(db, write_export(path, FIRST | {"Cancelled at": "2026-05-02 10:00:00 +0200"}))
    assert sums(db, "refund") == (1, 1, 10)
    load(db, write_export(path, FIRST))
    assert sums(db, "refund") == (0, 0, 0)
    result = load(db, write_export(path, FIRST | {"Financial Status": "voided"}))
    assert (result.removed, result.no_sale) == (1, {"voided": 1})
    assert sums(db) == (0, 0, 0)


def test_older_file_changes_nothing_of_a_newer_order(db, tmp_path):
    """A file is as old as its newest order, or as the given time of the export."""
    path = tmp_path / "export.csv"
    other = FIRST | {"Name": "#2", "Id": "502", "Created at": "2026-05-09 10:00:00 +0200"}
    load(db, write_export(path, FIRST, MORE, other))
    older = write_export(path, FIRST | {"Lineitem price": "7.00"})
    result = load(db, older)
    assert (result.older, result.written) == (1, 0)
    assert sums(db) == (2, 3, 30)
    result = load(db, older, exported_at="2026-05-10T10:00:00Z")
    assert (result.older, result.written, result.removed) == (0, 1, 1)
    assert sums(db) == (2, 2, 17)
    with pytest.raises(InputError, match="--exported-at 'soon'"):
        load(db, older, exported_at="soon")


@pytest.mark.parametrize("spelling", ["501.0", "", "501"])
def test_ids_written_differently_are_one_order(db, tmp_path, spelling):
    """IDs are the order's name, or a number with decimals, before and after the ID itself."""
    path = tmp_path / "export.csv"
    for id_ in (spelling, "501", spelling):
        load(db, write_export(path, FIRST | {"Id": id_}))
        assert sums(db) == (1, 1, 10)


def test_orders_of_one_name_with_own_ids_are_two(db, tmp_path):
    """A shop restarted its numbers, and a later file with names only cannot distinguish them."""
    path = tmp_path / "export.csv"
    result = load(db, write_export(path, FIRST, MORE, FIRST | {"Id": "777"}))
    assert result.rejected == ()
    rows = db.query("SELECT order_id, count(*) FROM order_events GROUP BY 1 ORDER BY 1").rows
    assert rows == [("501", 2), ("777", 1)]
    with pytest.raises(InputError, match="2 orders of shop 'harbor' are named '#1'"):
        load(db, write_export(path, FIRST | {"Id": ""}))


@pytest.mark.parametrize("order_id", ["501", "gid://shopify/Order/501", "#1"])
def test_order_that_the_app_tracked_is_the_one_in_the_file(db, tmp_path, event, order_id):
    """Later events of the app are kept until there is a newer export."""
    track(db, [event(1, order_id=order_id, occurred_at="2026-05-01T07:30:00Z")])
    path = write_export(tmp_path / "export.csv", FIRST)
    assert load(db, path).removed == 1
    assert sums(db) == (1, 1, 10)
    track(db, [event(2, order_id="501", type="refund", occurred_at="2026-05-04T10:00:00Z")])
    assert load(db, path).older == 1
    assert sums(db, "refund") == (1, 2, 18)


def test_map_of_single_lines_adds_to_orders(db, tmp_path):
    """With `whole_orders = false`, a file has the lines of a day, identified by their product."""
    toml = tmp_path / "map.toml"
    toml.write_text("whole_orders = false\n")
    for lines in ("1,A,1,10,2026-05-01", "1,B,1,5,2026-05-02", "1,A,2,10,2026-05-01"):
        path = tmp_path / "lines.csv"
        path.write_text(f"o,s,q,p,t\n{lines}\n")
        load(db, path, PAIRS, toml)
    assert sums(db) == (1, 3, 25)


def test_order_split_over_two_files_is_complete(db, tmp_path):
    """The second file continues in the middle of an order."""
    whole = FIRST | {"Subtotal": "20.00"}
    other = FIRST | {"Name": "#2", "Id": "502"}
    first = write_export(tmp_path / "orders_export_1.csv", other, whole)
    second = write_export(tmp_path / "orders_export_2.csv", MORE)
    result = load(db, [first, second])
    assert (result.lines, result.orders, result.rejected) == (3, 2, ())
    assert sums(db) == (2, 3, 30)


def test_order_split_over_two_files_is_complete_in_any_order(db, tmp_path):
    """If files are loaded separately, lines of the other file are added and not counted twice."""
    whole = FIRST | {"Subtotal": "20.00"}
    other = FIRST | {"Name": "#2", "Id": "502"}
    last = FIRST | {"Name": "#3", "Id": "503", "Lineitem price": "x"}
    write_export(tmp_path / "orders_export_1.csv", other, whole)
    write_export(tmp_path / "orders_export_2.csv", MORE, last)
    write_export(tmp_path / "another.csv", last)
    results = [load(db, tmp_path / f"orders_export_{part}.csv") for part in (2, 1, 2)]
    assert [(result.lines, result.orders) for result in results] == [(2, 1), (2, 2), (2, 1)]
    assert [line.line for result in results for line in result.rejected] == [3, 3]
    assert sums(db) == (2, 3, 30)


def test_order_split_over_numbered_files_is_complete(db, tmp_path):
    """The parts of an export have consecutive numbers and can be loaded in any order."""
    (tmp_path / "orders-1.csv").write_text(
        "o,s,q,p,t\n1,A,1,10,2026-05-01\n2,A,1,10,2026-05-01\n2,B,1,5,2026-05-01\n"
    )
    (tmp_path / "orders-2.csv").write_text(
        "o,s,q,p,t\n2,C,1,2,2026-05-01\n3,A,1,10,2026-05-02\n4,A,1,10,2026-05-02\n"
    )
    (tmp_path / "orders-3.csv").write_text("o,s,q,p,t\n4,B,1,5,2026-05-02\n")
    for part in (2, 1, 3, 2, 1):
        assert load(db, tmp_path / f"orders-{part}.csv", PAIRS).rejected == ()
    assert sums(db) == (4, 7, 52)
    ((lines,),) = db.query("SELECT count(*) FROM order_events WHERE order_id = '2'").rows
    assert lines == 3


@pytest.mark.parametrize("names", [("orders-1", "orders-2"), ("2026-05", "2026-06"), ("a", "b")])
def test_order_that_two_files_have_is_not_added_up(db, tmp_path, names):
    """Parts do not repeat lines; files of days, months, or other names are complete exports."""
    own = "1,A,1,10,2026-05-01" if names[0] == "orders-1" else "1,B,1,10,2026-05-01"
    (tmp_path / f"{names[0]}.csv").write_text("o,s,q,p,t\n1,A,1,10,2026-05-01\n")
    (tmp_path / f"{names[1]}.csv").write_text(f"o,s,q,p,t\n{own}\n2,A,1,10,2026-05-02\n")
    for name in names:
        load(db, tmp_path / f"{name}.csv", PAIRS)
    assert sums(db) == (2, 2, 20)


def test_order_with_a_rejected_line_loses_nothing(db, tmp_path):
    """The rejected line is unknown, so the stored lines of the order are kept."""
    path = tmp_path / "orders.csv"
    path.write_text("o,s,q,p,t\n1,A,1,10,2026-05-01\n1,B,1,5,2026-05-01\n1,C,1,2,2026-05-01\n")
    load(db, path, PAIRS)
    path.write_text("o,s,q,p,t\n1,A,3,10,2026-05-01\n1,B,some,5,2026-05-01\n")
    assert [line.line for line in load(db, path, PAIRS).rejected] == [3]
    assert sums(db) == (1, 5, 37)


def test_killed_load_leaves_each_order_complete(db, tmp_path, dying, monkeypatch):
    """An order is replaced in one transaction, and the next run does the rest."""
    monkeypatch.setattr("d1lab.ingest.replace.GROUP_ROWS", 2)
    path = tmp_path / "export.csv"
    lines = [
        cells | {"Name": f"#{number}", "Id": str(number)}
        for number in range(1, 5)
        for cells in (FIRST, MORE)
    ]
    load(db, write_export(path, *lines))
    changed = [
        line | {"Lineitem price": "1.00"} for line in lines if line["Lineitem sku"] == "SOCK"
    ]
    write_export(path, *changed)
    with pytest.raises(D1UnavailableError):
        load(dying(db, writes=1), path)
    rows = db.query("SELECT order_id, sum(revenue) FROM order_events GROUP BY 1").rows
    assert {revenue for _, revenue in rows} == {1, 20}
    load(db, path)
    assert sums(db) == (4, 4, 4)


def test_database_without_d1labs_table_says_what_to_do(db, tmp_path):
    """The migrations of the database are older than d1lab."""
    db.execute("DROP TABLE d1lab_orders")
    with pytest.raises(InputError, match="d1lab migrate"):
        load(db, write_export(tmp_path / "export.csv", FIRST))


STATE = st.lists(st.sampled_from(["SOCK", "CAP", "TIE"]), unique=True, max_size=3)
EXPORT = st.dictionaries(st.sampled_from("123"), STATE, min_size=1)


@settings(max_examples=examples(8), deadline=None)
@given(st.data())
def test_any_interleaving_ends_in_the_newest_state_of_each_order(tmp_path_factory, data):
    """Exports can come in any order, repeatedly, and with any form of ID; without lines, an order
    is void.
    """
    exports = data.draw(st.lists(EXPORT, min_size=2, max_size=3))
    turns = data.draw(st.permutations(range(len(exports))))
    turns = [*turns, *data.draw(st.lists(st.sampled_from(turns), max_size=1))]
    folder = tmp_path_factory.mktemp("shop")
    db = SqliteDatabase.create(folder / "d1.sqlite")
    migrate(db)
    for turn in turns:
        lines = []
        for number, skus in exports[turn].items():
            id_ = data.draw(st.sampled_from([number, f"{number}.0", ""]))
            own = {"Name": f"#{number}00", "Id": id_}
            voided = {} if skus else {"Financial Status": "voided"}
            for place, sku in enumerate(skus or ["SOCK"]):
                cells = FIRST | voided if place == 0 else MORE
                lines.append({**cells, **own, "Lineitem sku": sku} | ({"Id": ""} if place else {}))
        path = write_export(folder / "export.csv", *lines)
        load(db, path, exported_at=f"2026-06-0{turn + 1}T00:00:00Z")
    found: dict[str, set[str]] = {}
    sql = "SELECT name, sku FROM d1lab_orders LEFT JOIN order_events USING (shop, order_id)"
    for name, sku in db.query(sql).rows:
        found.setdefault(name[1:2], set()).update({sku} - {None})
    newest = {number: set(skus) for export in exports for number, skus in export.items()}
    assert found == newest
    ((orders,),) = db.query("SELECT count(*) FROM d1lab_orders").rows
    assert orders == len(newest)
    db.close()


def test_dry_run_shows_the_first_orders_as_understood(tmp_path):
    """Five orders are shown in UTC with the amounts paid, without rejected lines."""
    names = [f"#{number}" for number in range(1, 8)]
    lines = [FIRST | {"Name": name, "Id": name[1:]} for name in names]
    lines[1] |= {"Lineitem price": "x"}
    path = write_export(tmp_path / "export.csv", *lines)
    seen = load(None, path).seen
    assert [line.order_id for line in seen] == ["1", "3", "4", "5", "6"]
    assert {line.occurred_at for line in seen} == {"2026-05-01 07:30:00"}
    assert {(line.sku, line.quantity, line.revenue) for line in seen} == {("SOCK", "1", "10.0")}
    assert len({line.customer for line in seen}) <= 1


def test_stored_orders_are_read_once_however_many_are_in_the_file(db, tmp_path, monkeypatch):
    """With more ids than a statement takes, no more rows are read, and everything is known."""
    orders = [FIRST | {"Name": f"#{n}", "Id": str(n)} for n in range(60)]
    path = write_export(tmp_path / "export.csv", *orders)
    load(db, path)
    reads = []
    for at_once in (1_000, 7):
        monkeypatch.setattr(replace, "LOOKUP_IDS", at_once)
        before = db.meter.by_table["order_events"].rows_read
        assert load(db, path)[7:9] == (0, 60)
        reads.append(db.meter.by_table["order_events"].rows_read - before)
    assert reads[1] <= reads[0]
