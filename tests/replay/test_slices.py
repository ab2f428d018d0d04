"""Event time: lengths, slices, and reading a sorted file piece by piece."""

import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import ACCOUNTS
from stillwatch.replaying.known_accounts import KnownAccounts
from stillwatch.replaying.slices import DAY_US, TimeSorted, microseconds, sort_by_time, spans

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [("15m", HOUR // 4), ("1h", HOUR), ("6h", 6 * HOUR), ("1d", DAY_US), ("4w", 28 * DAY_US)],
)
def test_lengths(text, expected):
    assert microseconds(text, "--every") == expected


@pytest.mark.parametrize("text", ["", "h", "0h", "1.5h", "-1h", "1s", "1 h", "h1"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(UsageError, match="--every"):
        microseconds(text, "--every")


@given(st.integers(0, 10**15), st.integers(0, 50 * HOUR), st.sampled_from([HOUR // 4, HOUR, DAY_US]))
def test_slices_hold_everything_once(first, length, every):
    found = list(spans(first, first + length, every))
    assert found[0][0] <= first < found[0][1]
    assert found[-1][0] <= first + length < found[-1][1]
    assert all(start % every == 0 and end - start == every for start, end in found)
    assert all(one[1] == two[0] for one, two in itertools.pairwise(found))


def test_reading_by_spans_gives_every_row_once_in_order(tmp_path):
    stamps = [(7 * n * n) % (30 * HOUR) for n in range(40_000)]
    table = pa.table(
        {
            "exchange_id": [f"x{n:05d}" for n in range(len(stamps))],
            "ts": pa.array(stamps, pa.int64()).cast(TIMESTAMP),
        }
    )
    for number, part in enumerate((table.slice(0, 10_000), table.slice(10_000))):
        pq.write_table(part, tmp_path / f"{number}.parquet")
    files = sorted(tmp_path.glob("*.parquet"))
    sort_by_time(files, tmp_path / "sorted", tmp_path / "spill", "200MB")
    reader = TimeSorted(tmp_path / "sorted")
    read = [reader.between(start, end) for start, end in spans(0, max(stamps), HOUR)]
    got = pa.concat_tables(read)
    want = table.sort_by([("ts", "ascending"), ("exchange_id", "ascending")])
    assert got.column("exchange_id").to_pylist() == want.column("exchange_id").to_pylist()
    assert len(reader.between(40 * HOUR, 41 * HOUR)) == 0
    assert reader.between(40 * HOUR, 41 * HOUR).column_names == ["exchange_id", "ts"]


def test_a_ban_is_not_known_before_it_happened():
    rows = [
        {"account_id": "a", "created_at": 0, "banned_at": 5 * HOUR},
        {"account_id": "b", "created_at": 3 * HOUR, "banned_at": None},
    ]
    accounts = KnownAccounts(pa.Table.from_pylist(rows, schema=ACCOUNTS.arrow))
    assert accounts.of(["a", "b", "unknown"], 5 * HOUR).column("banned_at").null_count == 2
    assert accounts.of(["a"], 5 * HOUR + 1).column("banned_at").null_count == 0
    assert accounts.of([], HOUR).num_rows == 0
