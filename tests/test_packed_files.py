"""A run's files are compressed, read in either form, and grow `data/` by little."""

from __future__ import annotations

from pathlib import Path

import pytest

from d1lab.errors import InputError
from d1lab.packed_files import LEAST_BYTES, is_kept, kept_names, pack, read_packed

ROWS = b"sku,units\n" + b"1082185,12\n" * 1_000


def test_a_file_is_read_by_its_name_packed_or_not(tmp_path: Path):
    """A small one stays as it is; the name stays the same for its readers."""
    large, small = tmp_path / "large.csv", tmp_path / "small.csv"
    large.write_bytes(ROWS)
    small.write_bytes(ROWS[: LEAST_BYTES - 1])
    pack([large, small])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.csv.gz", "small.csv"]
    assert kept_names(tmp_path, ".csv") == ["large.csv", "small.csv"]
    assert is_kept(large)
    assert not is_kept(tmp_path / "other.csv")
    assert read_packed(large) == ROWS
    assert read_packed(small) == ROWS[: LEAST_BYTES - 1]
    with pytest.raises(FileNotFoundError):
        read_packed(tmp_path / "other.csv")


@pytest.mark.parametrize("cut", [slice(-20), slice(4, None)])
def test_a_damaged_file_is_named(tmp_path: Path, cut: slice):
    """Its end is missing, or its beginning."""
    path = tmp_path / "large.csv"
    path.write_bytes(ROWS)
    pack([path])
    packed = tmp_path / "large.csv.gz"
    packed.write_bytes(packed.read_bytes()[cut])
    with pytest.raises(InputError, match=r"large\.csv\.gz is damaged.*Run the report again"):
        read_packed(path)


def test_a_report_and_run_takes_little_space(demo_project: Path):
    """The runs of the smallest shop: plain, their notebooks alone would take twice as much."""
    runs = [path.parent for path in demo_project.glob("data/demo/runs/*/run.json")]
    sizes = [sum(f.stat().st_size for f in run.rglob("*") if f.is_file()) for run in runs]
    assert len(runs) >= 8
    assert sum(sizes) / len(runs) < 60_000
    assert max(sizes) < 150_000
