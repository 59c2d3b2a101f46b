"""Events are read from files, and unreadable lines are named."""

from __future__ import annotations

import csv

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.ingest.events import track, track_file
from d1lab.ingest.files import FIELDS, read_events


def test_json_lines_keep_their_places(db, event, tmp_path):
    """A line that is not JSON is rejected at its position, and empty lines are skipped."""
    path = tmp_path / "events.jsonl"
    lines = [orjson.dumps(event(1)), b"", b'{"shop": "har', b"[1]", orjson.dumps(event(2))]
    path.write_bytes(b"\n".join(lines) + b"\n\n")
    result = track_file(db, path)
    assert result[:3] == (4, 2, 0)
    assert [event.position for event in result.rejected] == [2, 3]
    assert '{"shop": "har' in result.rejected[0].reason


def test_csv_is_text_with_a_header(db, event, tmp_path):
    """Cells can contain line breaks; a byte order mark is accepted; an empty cell is missing."""
    path = tmp_path / "events.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerow(event(1, product_title="Sock,\nwarm", customer_id=""))
    assert track_file(db, path).written == 1
    assert db.query("SELECT product_title, customer_id, quantity FROM order_events").rows == [
        ("Sock,\nwarm", None, 2)
    ]


def test_csv_row_with_too_many_cells_is_rejected(db, tmp_path):
    """A row longer than the header is not guessed at."""
    path = tmp_path / "events.csv"
    path.write_text("shop,event_id\nharbor,e1,extra\n")
    (event,) = track(db, read_events(path)).rejected
    assert "cell beyond the header" in event.reason


def test_csv_errors_stop_the_reading(tmp_path):
    """A wrong header, another encoding, and an open quote are errors of the whole file."""
    path = tmp_path / "events.csv"
    path.write_text("shop,sky\n")
    with pytest.raises(UnknownName, match="Did you mean 'sku'"):
        list(read_events(path))
    path.write_text("shop,sku,shop\n")
    with pytest.raises(InputError, match="'shop' occurs twice"):
        list(read_events(path))
    path.write_bytes("shop,sku\nhärbor,x\n".encode("latin-1"))
    with pytest.raises(InputError, match="not in UTF-8"):
        list(read_events(path))
    path.write_text('shop,sku\n"harbor"x,y\n')
    with pytest.raises(InputError, match="near line 2"):
        list(read_events(path))


def test_parquet_as_rows_and_as_table(db, event, tmp_path):
    """The rows of a Parquet file are the same events in both ways."""
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([event(1), event(2)]), path)
    assert list(read_events(path)) == [event(1), event(2)]
    assert track_file(db, path).written == 2
    assert track(db, read_events(path)).known == 2


def test_read_events_rejects_other_files(tmp_path):
    """The error names a missing file, an unknown kind, and an invalid Parquet file."""
    with pytest.raises(InputError, match="does not exist"):
        read_events(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"expected a \.jsonl"):
        read_events(tmp_path / "events.xlsx")
    (tmp_path / "false.parquet").write_text("no")
    with pytest.raises(InputError, match="not a valid Parquet file"):
        track_file(None, tmp_path / "false.parquet")
