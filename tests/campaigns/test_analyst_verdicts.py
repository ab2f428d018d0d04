"""The table of verdicts: what fits is read the same from every format, what does not is named by file and row."""

import csv
import datetime as dt
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.analyst_verdicts import VERDICTS, AnalystVerdict, Opinion, read_verdicts
from stillwatch.exchange.errors import UnreadableInputError

NAMES = st.text(st.characters(blacklist_categories=["C"]), min_size=1, max_size=12).filter(str.strip)
MOMENTS = st.none() | st.datetimes(
    dt.datetime(2015, 1, 1), dt.datetime(2025, 1, 1), timezones=st.just(dt.UTC)
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "group_id": NAMES,
            "account_id": st.none() | NAMES,
            "verdict": st.sampled_from([*Opinion, "Benign", " CONFIRMED "]),
            "by": st.none() | NAMES,
            "at": MOMENTS,
            "note": st.none()
            | st.text(st.characters(blacklist_categories=["C"]) | st.just("\n"), max_size=20),
        }
    ),
    max_size=8,
    unique_by=lambda row: (row["group_id"].strip(), (row["account_id"] or "").strip() or None),
)


def as_csv(rows, separator=",", encoding="utf-8") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    names = [name for name in VERDICTS.names if name != "campaign_id"]
    writer.writerow(names)
    writer.writerows([[_cell(row.get(name)) for name in names] for row in rows])
    return text.getvalue().encode(encoding)


def _cell(value) -> str:
    return value.isoformat() if isinstance(value, dt.datetime) else "" if value is None else str(value)


@given(ROWS, st.sampled_from([",", ";", "\t"]), st.sampled_from(["utf-8", "utf-8-sig"]))
def test_csv_and_parquet_say_the_same(tmp_path_factory, rows, separator, encoding):
    folder = tmp_path_factory.mktemp("table")
    (folder / "a.csv").write_bytes(as_csv(rows, separator, encoding))
    columns = [column for column in VERDICTS if column.name != "campaign_id"]
    schema = pa.schema([(column.name, column.type) for column in columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), folder / "a.parquet")
    expected = [
        AnalystVerdict(
            Opinion(row["verdict"].strip().lower()),
            row["group_id"].strip(),
            (row["account_id"] or "").strip() or None,
            (row["by"] or "").strip() or None,
            row["at"],
            number,
        )
        for number, row in enumerate(rows, start=1)
    ]
    assert read_verdicts(folder / "a.parquet") == expected
    by_line = read_verdicts(folder / "a.csv")
    assert [{**vars(verdict), "row": 0} for verdict in by_line] == [
        {**vars(verdict), "row": 0} for verdict in expected
    ]


def read(folder: Path, text: str | bytes) -> list[AnalystVerdict]:
    file = folder / "verdicts.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_verdicts(file)


def test_rows_are_named_by_the_line_that_they_begin_in(tmp_path):
    text = 'group_id,verdict,note\ng_1,benign,"two\nlines"\n\ng_2,unsure,\n'
    assert [verdict.row for verdict in read(tmp_path, text)] == [2, 5]


def test_the_latest_verdict_counts(tmp_path):
    text = (
        "campaign_id,verdict,at\nc_1,confirmed,2026-03-01\nc_1,benign,2026-03-02T10:00+02:00\nc_1,unsure,\n"
    )
    (verdict,) = read(tmp_path, text)
    assert verdict.opinion is Opinion.BENIGN
    assert verdict.at == dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)
    assert verdict.words == "an analyst found it benign on 2026-03-02"


def test_group_and_account_are_judged_apart(tmp_path):
    text = "group_id,account_id,verdict\nc_1,,confirmed\nc_1,a,benign\n,a,unsure\nc_1,a,benign\n"
    found = read(tmp_path, text)
    assert [(one.group_id, one.account_id) for one in found] == [("c_1", None), ("c_1", "a"), (None, "a")]


def test_columns_of_the_result_tables_may_stay(tmp_path):
    text = "group_id,n_accounts,words,verdict\ng_1,17,whatever,benign\n"
    assert [verdict.group_id for verdict in read(tmp_path, text)] == ["g_1"]


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ("group_id,verdict\nc_1,maybe\n", 2, "'maybe' is no verdict"),
        ("group_id,verdict\nc_1,benign\nc_2,\n", 3, "column verdict: missing"),
        ("group_id,verdict\n,benign\n", 2, "names no group and no account"),
        ("group_id,campaign_id,verdict\nc_1,c_2,benign\n", 2, "'c_1' and campaign_id 'c_2' differ"),
        ("group_id,verdict\nc_1,benign,c_2\n", 2, "more cells than the heading"),
        ("group_id,verdict,at\nc_1,benign,yesterday\n", 2, "column at: not a time"),
        ("group_id,verdict,at\nc_1,benign,2999-01-01\n", 2, "column at: time in the future"),
        ("group_id,verdict\nc_1,benign\nc_1,confirmed\n", 3, "row 2 says benign of the same thing"),
        ("group_id,account,verdict\nc_1,a,benign\n", None, "no column 'account'"),
        ("group_id,account_id\nc_1,a\n", None, "column 'verdict' is missing"),
        ("verdict,by\nbenign,a\n", None, "nothing says what the verdicts are about"),
        ("group_id,verdict,verdict\nc_1,benign,benign\n", None, "column 'verdict' stands there twice"),
        ('group_id,verdict\nc_1,"benign\n', None, "no readable CSV"),
        (b"group_id,verdict\nc_\xff,benign\n", None, "neither Parquet nor text in UTF-8"),
        (b"PAR1 and nothing else", None, "the table cannot be read"),
        ("", None, "column 'verdict' is missing"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path, text, row, words):
    with pytest.raises(UnreadableInputError) as refused:
        read(tmp_path, text)
    error = refused.value
    assert error.file == str(tmp_path / "verdicts.csv")
    assert error.row == row
    assert words in error.what
    assert error.remedy


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UnreadableInputError, match="no such file"):
        read_verdicts(tmp_path / "none.csv")


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content):
    file = tmp_path_factory.mktemp("any") / "table"
    file.write_bytes(content)
    try:
        assert all(verdict.group_id or verdict.account_id for verdict in read_verdicts(file))
    except UnreadableInputError as error:
        assert "What to do" in str(error)
