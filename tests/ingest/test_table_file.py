"""Tables in files of common formats."""

from __future__ import annotations

import zipfile

import pytest

from d1lab.errors import InputError
from d1lab.ingest.table_file import Dialect, dialect_of, header_of, records

ROWS = [["o", "name"], ["1", "Café; 5"], ["2", "a,b"]]


def read(path):
    found = records(path)
    return [header_of(path, found), *(cells for _, cells in found)]


@pytest.mark.parametrize(
    ("text", "encoding", "dialect"),
    [
        ('o,name\n1,Café; 5\n2,"a,b"\n', "utf-8", Dialect("utf-8-sig", ",")),
        ('o;name\r\n1;"Café; 5"\r\n2;a,b\r\n', "utf-8-sig", Dialect("utf-8-sig", ";")),
        ("o\tname\n1\tCafé; 5\n2\ta,b\n", "utf-16", Dialect("utf-16", "\t")),
        ("o\tname\n1\tCafé; 5\n2\ta,b\n", "utf-16-le", Dialect("utf-16-le", "\t")),
        ("o|name\n1|Café; 5\n2|a,b\n", "cp1252", Dialect("cp1252", "|")),
        ('sep=;\no;name\n1;"Café; 5"\n2;a,b\n', "cp1252", Dialect("cp1252", ";")),
    ],
)
def test_text_is_read_as_it_is_written(tmp_path, text, encoding, dialect):
    """Delimiter and encoding are detected, and the suffix can be in capitals."""
    path = tmp_path / "ORDERS.TXT"
    path.write_bytes(text.encode(encoding))
    assert dialect_of(path) == dialect
    assert read(path) == ROWS


def test_lines_keep_their_numbers(tmp_path):
    """A record with line breaks has the number of its last line, and empty lines count."""
    path = tmp_path / "a.csv"
    path.write_text('o,n\n1,"x\ny"\n\n2,z\n')
    assert [line for line, _ in records(path)] == [1, 3, 5]


def workbook(path, cells: dict[str, str]):
    """A workbook of two sheets as Excel writes it; the second one is called Orders."""
    space = "http://schemas.openxmlformats.org"
    main, office = f"{space}/spreadsheetml/2006/main", f"{space}/officeDocument/2006/relationships"
    kinds = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    empty = f'<worksheet xmlns="{main}"><sheetData/></worksheet>'
    rows: dict[str, str] = {}
    for place, cell in cells.items():
        rows[place[1:]] = rows.get(place[1:], "") + cell.replace("<c", f'<c r="{place}"', 1)
    data = "".join(f'<row r="{number}">{row}</row>' for number, row in rows.items())
    sheets = "".join(
        f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(("A", "Orders"), 1)
    )
    targets = "".join(
        f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/s{i}.xml"/>'
        for i in (1, 2)
    )
    styles = (
        '<numFmts count="0"/><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs>'
    )
    package = f"{space}/package/2006"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types">'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kinds}.sheet.main+xml"/></Types>',
        )
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{sheets}</sheets></workbook>',
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships">{targets}'
            f'<Relationship Id="s" Type="{office}/styles" Target="styles.xml"/></Relationships>',
        )
        file.writestr("xl/styles.xml", f'<styleSheet xmlns="{main}">{styles}</styleSheet>')
        file.writestr("xl/worksheets/s1.xml", empty)
        file.writestr(
            "xl/worksheets/s2.xml", empty.replace("<sheetData/>", f"<sheetData>{data}</sheetData>")
        )
    return path


def text_cell(text: str) -> str:
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


def test_workbook_returns_its_orders(tmp_path):
    """Identifiers have no decimals, days are dates, and the sheet with that name is used."""
    cells = {
        "A1": text_cell("o"),
        "B1": text_cell("t"),
        "C1": text_cell("p"),
        "A2": "<c><v>5123456789012</v></c>",
        "B2": '<c s="1"><v>45717.5</v></c>',
        "C2": "<c><v>10.5</v></c>",
    }
    path = workbook(tmp_path / "orders.xlsx", cells)
    assert read(path) == [["o", "t", "p"], ["5123456789012", "2025-03-01 12:00:00", "10.5"]]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.pdf", b"x", r"ends in \.csv"),
        ("a.csv", b"", "is empty"),
        ("a.xlsx", b"no zip", "is not a readable workbook"),
        ("a.jsonl", b"{", "line 1 is not JSON"),
        ("a.jsonl", b'{"id": 1}\n', "d1lab track FILE"),
    ],
)
def test_file_that_cannot_be_read_says_why(tmp_path, name, data, message):
    """The file is of another kind, is empty, or only has the suffix."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read(path)
