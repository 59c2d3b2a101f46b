"""Parameters are read from the syntax tree of their cell and checked strictly before a run."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.parameters import Days, check, declared, load_values

CELL = '''
"""What the report takes."""
from datetime import date

shop = "harbor"  # whose data
as_of: str | None = None  # the last day; the last in the data if left out
since: date = "2017-01-01"
days = 30  # how far back
share = 0.5
margin: float = -1
active = True
codes: list[str] = []  # only these
limits = [10, 20]
count: int | None = None
'''
PARAMETERS = declared(CELL, "report 'inventory'")
DAYS = Days(today=date(2026, 5, 31), latest=date(2017, 12, 30))


def checked(texts=None, **values):
    return check(PARAMETERS, values, texts or {}, DAYS, "report 'inventory'")


def test_declared_types_come_from_annotation_or_default():
    """Every declaration has a kind, and whether it is a list and may be null."""
    kinds = {p.name: (p.kind, p.many, p.optional) for p in PARAMETERS.values()}
    assert kinds == {
        "shop": ("text", False, False),
        "as_of": ("date", False, True),
        "since": ("date", False, False),
        "days": ("integer", False, False),
        "share": ("number", False, False),
        "margin": ("number", False, False),
        "active": ("bool", False, False),
        "codes": ("text", True, False),
        "limits": ("integer", True, False),
        "count": ("integer", False, True),
    }


def test_declared_help_is_the_comment():
    """The comment in the line describes the parameter."""
    assert PARAMETERS["days"].help == "how far back"
    assert PARAMETERS["share"].help == ""


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("since = date.today()", "default of parameter 'since' must be a literal"),
        ("days = 10 if True else 5", "must be a literal"),
        ("a, b = 1, 2", "line 1: 'a, b = (1, 2)' is not a simple assignment"),
        ("days: int", "'days: int' is not a simple assignment"),
        ("print(1)", "is not a simple assignment"),
        ("%load_ext x", "line 1: invalid syntax"),
        ("x = None", "parameter 'x' has an unsupported type"),
        ("x = []", "parameter 'x' has an unsupported type"),
        ("x = {'a': 1}", "parameter 'x' has an unsupported type"),
        ("x: int | str = 1", "parameter 'x' has an unsupported type"),
        ("x: int = 'a'", "parameter 'x' expects a whole number, got 'a' (str)"),
        ("as_of = '2026-02-30'", "parameter 'as_of' expects a day"),
        ("x = 1\nx = 2", "parameter 'x' is declared twice"),
    ],
)
def test_declared_rejects_anything_but_typed_literals(cell, message):
    """An expression or an open type is an error that names the line or the parameter."""
    with pytest.raises(InputError) as caught:
        declared(cell, "report 'inventory'")
    assert message in str(caught.value)
    assert "report 'inventory'" in str(caught.value)


def test_check_returns_all_parameters():
    """Parameters that are not set keep their defaults."""
    assert checked(days=7) == {
        "shop": "harbor",
        "as_of": None,
        "since": "2017-01-01",
        "days": 7,
        "share": 0.5,
        "margin": -1.0,
        "active": True,
        "codes": [],
        "limits": [10, 20],
        "count": None,
    }


def test_check_proposes_the_nearest_name():
    """An unknown name is an error that suggests the nearest one."""
    with pytest.raises(UnknownName) as caught:
        checked(sinse="2017-01-01")
    assert str(caught.value).startswith("There is no parameter 'sinse' for report 'inventory'")
    assert "Did you mean 'since'?" in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("shop", "007", "007"),
        ("shop", "true", "true"),
        ("shop", "null", "null"),
        ("days", "007", 7),
        ("count", "-3", -3),
        ("share", "1", 1.0),
        ("share", ".25", 0.25),
        ("share", "1e-3", 0.001),
        ("active", "false", False),
        ("codes", "A,B", ["A", "B"]),
        ("codes", '["A,B"]', ["A,B"]),
        ("codes", "", []),
        ("limits", "1, 2", [1, 2]),
        ("count", "null", None),
        ("count", "5", 5),
        ("as_of", "null", None),
        ("as_of", "latest", "2017-12-30"),
        ("as_of", "today", "2026-05-31"),
        ("as_of", "yesterday", "2026-05-30"),
        ("since", "2017-02-28", "2017-02-28"),
    ],
)
def test_check_reads_text_by_the_declared_type(name, text, value):
    """Values of `--set` are text, which the declared type converts."""
    result = checked({name: text})[name]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("days", "3.0"),
        ("days", "1e3"),
        ("days", "null"),
        ("days", "1_000"),
        ("share", "nan"),
        ("share", "inf"),
        ("share", "1e999"),
        ("active", "yes"),
        ("active", "1"),
        ("limits", "1,x"),
        ("limits", "[1, 2.5]"),
        ("codes", "[1"),
        ("since", "28.02.2017"),
        ("since", "2017-02-29"),
        ("since", "null"),
        ("since", "tomorrow"),
    ],
)
def test_check_rejects_text_of_another_type(name, text):
    """Text that is not of the declared type is an error that shows it."""
    with pytest.raises(InputError) as caught:
        checked({name: text})
    assert f"parameter {name!r} expects" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shop", 7),
        ("shop", None),
        ("days", True),
        ("days", 3.0),
        ("days", "3"),
        ("share", "0.5"),
        ("share", float("nan")),
        ("active", 1),
        ("codes", "A"),
        ("codes", [1]),
        ("limits", [True]),
        ("since", 20170101),
        ("since", datetime(2017, 1, 1)),
        ("count", True),
        ("codes", None),
    ],
)
def test_check_rejects_values_of_another_type(name, value):
    """Values from a file have their own types and are not converted."""
    with pytest.raises(InputError) as caught:
        checked(**{name: value})
    assert f"parameter {name!r} expects" in str(caught.value)


def test_check_prefers_text_to_values():
    """`--set` overrides the file."""
    assert checked({"days": "7"}, days=90)["days"] == 7


def test_check_without_data_has_no_latest_day():
    """`latest` stays unresolved if it can, and is an error if a day is required."""
    empty = Days(today=date(2026, 5, 31))
    assert check(PARAMETERS, {}, {"as_of": "latest"}, empty, "report")["as_of"] is None
    with pytest.raises(InputError, match="'latest' is not available"):
        check(PARAMETERS, {}, {"since": "latest"}, empty, "report")


def test_load_values_reads_json_and_toml(tmp_path):
    """Both formats give names and typed values, and TOML's dates are days."""
    (tmp_path / "p.json").write_text('{"days": 7, "codes": ["A"]}')
    (tmp_path / "p.toml").write_text('days = 7\nsince = 2017-02-28\ncodes = ["A"]')
    assert checked(**load_values(tmp_path / "p.json"))["codes"] == ["A"]
    assert checked(**load_values(tmp_path / "p.toml"))["since"] == "2017-02-28"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("p.json", "[1]", "expected one value for each name, found a list"),
        ("p.json", "{", "Expecting property name"),
        ("p.toml", "a = ", "Invalid value"),
        ("p.yaml", "a: 1", "a .json or .toml file"),
        ("p.json", None, "No such file"),
    ],
)
def test_load_values_names_the_invalid_file(tmp_path, name, text, message):
    """An unreadable file is an input error with its path."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        load_values(tmp_path / name)
    assert message in str(caught.value)
    assert name in str(caught.value)


RANGED = declared(
    "share = 0.5  # of visitors in B [0 to 1]\ncount = 3  # rows [1 or more]\ndays = 30\n"
    "shares: list[float] = [0.5]  # each [-1 to 1]\nfree = 0.5  # of anything",
    "report 'x'",
)


@pytest.mark.parametrize(
    ("name", "text", "use"),
    [
        ("share", "5", "0 to 1"),
        ("share", "-1", "0 to 1"),
        ("count", "0", "1 or more"),
        ("days", "-5", "1 to 36,500"),
        ("shares", "0.5,2", "-1 to 1"),
    ],
)
def test_check_refuses_numbers_out_of_the_declared_range(name, text, use):
    """The comment declares the range; one sentence names the value and what to use instead."""
    with pytest.raises(InputError, match=rf"parameter '{name}' is \S+\. Use {use}\."):
        check(RANGED, {}, {name: text}, DAYS, "report 'x'")


def test_check_accepts_the_limits_and_numbers_without_a_range():
    """Both limits are included."""
    texts = {"share": "1", "count": "1", "shares": "-1,1", "free": "-7"}
    assert check(RANGED, {}, texts, DAYS, "report 'x'")["free"] == -7


def test_declared_default_is_in_its_range():
    """A notebook that contradicts itself is reported before any run."""
    with pytest.raises(InputError, match="Use 0 to 1"):
        declared("share = 5  # [0 to 1]", "report 'x'")
