"""What a step's SQL may use gives the same on DuckDB and on Spark; anything else is refused by name."""

import datetime as dt
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.accounts.profiles import account_steps
from stillwatch.campaigns.cells import cells_step, settings_step
from stillwatch.campaigns.results import BUSY_STEP, FLAGGED_STEP
from stillwatch.campaigns.shown import shown_steps
from stillwatch.campaigns.steps import sample_steps, usage_steps
from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.errors import EngineFailedError
from stillwatch.engines.spark_dialect import SPACES, to_spark
from stillwatch.engines.step import SqlStep
from stillwatch.links.attributes import attribute_steps
from stillwatch.signals.signatures import FIELDS, skeletons_step
from stillwatch.signals.steps import signal_steps
from tests.engines.comparing import differences
from tests.engines.every_engine import GAPS, open_spark, why_no_spark

ALL_STEPS = [
    *(skeletons_step(field) for field in FIELDS),
    *attribute_steps(),
    *signal_steps(),
    *account_steps(),
    *usage_steps(),
    *sample_steps(),
    cells_step("cells", "templates"),
    settings_step(),
    *shown_steps(),
    FLAGGED_STEP,
    BUSY_STEP,
]
MOMENTS = [
    dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC),
    dt.datetime(1582, 10, 4, 5, 6, tzinfo=dt.UTC),
    dt.datetime(2026, 3, 29, 1, 30, tzinfo=dt.UTC),
    dt.datetime(2026, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    None,
]
NUMBERS = pa.table(
    {
        "g": pa.array([1, 1, 1, 2, 2, None, None, 3], pa.int32()),
        "i": pa.array([5, None, -3, 7, 2, 0, 1, None], pa.int64()),
        "f": pa.array([0.5, -1.5, None, 2.25, -0.0, 1e15, 3.0, None], pa.float64()),
        "s": pa.array([0.1, 0.5, None, 0.75, 0.5, 1.0, 0.0, 0.2], pa.float32()),
        "u": pa.array([2**64 - 1, 2**63, 0, None, 1, 2**63 - 1, 2**63 + 1, 5], pa.uint64()),
        "b": pa.array([True, None, False, True, True, None, False, False]),
        "t": pa.array([*MOMENTS, MOMENTS[0], None, MOMENTS[2]], pa.timestamp("us", "UTC")),
        "w": pa.array(["b", "a", None, "ä", "", "Z", "𝄞", "\uffee"], pa.string()),
        "r": pa.array([b"\xff", b"\x00", None, b"", b"\x7f", b"\x80", b"\xff\x00", b"a"], pa.binary()),
    }
)
QUERIES = [
    """
    SELECT g, COUNT(*) AS n, COUNT(i) AS k, COUNT(DISTINCT i) AS d, SUM(i) AS x, AVG(f) AS m, AVG(s) AS o,
        CAST(SUM(i) AS BIGINT) AS whole, MIN(u) AS u0, MAX(u) AS u1, COUNT(DISTINCT u) AS us, MIN(w) AS w0,
        MAX(w) AS w1, MIN(r) AS r0, MAX(r) AS r1, MIN(t) AS t0, MAX(t) AS t1, MIN(b) AS b0
    FROM numbers GROUP BY g
    """,
    """
    SELECT w, i, ROW_NUMBER() OVER (ORDER BY g, w) AS a, ROW_NUMBER() OVER (ORDER BY g DESC, w DESC) AS b,
        ROW_NUMBER() OVER (ORDER BY u) AS c, ROW_NUMBER() OVER (ORDER BY r DESC, u) AS d,
        MIN(t) OVER (PARTITION BY g) AS first, COUNT(*) OVER () AS everything
    FROM numbers
    """,
    "SELECT w FROM numbers ORDER BY i, w LIMIT 4",
    "SELECT i, w FROM numbers ORDER BY i DESC, w LIMIT 3",
    """
    SELECT i * 1.0 / g AS a, i / g AS b, i / 3 AS c, 1.0 / 3 AS d, i % 3 AS e, MOD(i, 2) AS f,
        FLOOR(f) AS h, CAST(FLOOR(i / 2) AS BIGINT) AS j, CAST(FLOOR(f / 1e9) AS INTEGER) AS k,
        CASE WHEN s >= 0.5 THEN 1 WHEN s < 0.5 THEN 0 END AS l, CASE WHEN b THEN 1 ELSE 0 END AS m,
        COALESCE(w, '-') AS n, NULLIF(w, '') AS o, CONCAT(w, ' ', i) AS p, CAST(i AS VARCHAR) AS q,
        b AND i > 0 AS r, b OR i > 0 AS s, NOT b AS t, i IS NULL AS u, i <= 2 AS v,
        CASE WHEN i = 5 THEN NULL WHEN u = 0 THEN u ELSE u END AS task,
        DATE_TRUNC('hour', t) AS x, CAST(t AS DATE) AS y, t + INTERVAL 1 HOUR AS z,
        STRFTIME(CAST(t AS TIMESTAMP), '%Y-%m-%d %H:00') AS hour
    FROM numbers
    """,
    "SELECT a.i AS i, b.w AS w FROM numbers AS a LEFT JOIN numbers AS b ON a.g = b.g AND a.u = b.u",
    "SELECT g FROM numbers UNION SELECT g FROM numbers WHERE u > 9223372036854775807 AND u <> 0",
    "SELECT DISTINCT g, b FROM numbers",
]


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    if lacking := why_no_spark():
        pytest.skip(lacking)
    opened = (
        DuckdbEngine(tmp_path_factory.mktemp("duckdb"), "1GB", 1),
        open_spark(tmp_path_factory.mktemp("spark")),
    )
    yield opened
    for engine in opened:
        engine.close()


def on_both(engines, sql: str, **tables: pa.Table) -> list[pa.Table]:
    found = []
    for engine in engines:
        for name, table in tables.items():
            engine.put(name, table)
        engine.run(SqlStep("found", tuple(tables), sql))
        found.append(engine.table("found"))
    return found


def test_the_same_rows_and_types(engines):
    for engine in engines:
        engine.put("numbers", NUMBERS)
    for sql in QUERIES:
        assert differences(*on_both(engines, sql)) == [], sql


def test_lengths_of_answers_fall_into_the_same_bins(engines):
    """The edges of bins are whole logarithms, where one digit too few is another bin."""
    powers = 2 ** np.arange(31)
    lengths = np.unique(
        np.concatenate([np.arange(70_000), powers - 1, powers, powers - 2, 4**10 * powers[:10] - 1])
    )
    sql = (
        "SELECT n, CAST(FLOOR(8 * LN(1 + n) / LN(2)) AS BIGINT) AS bin, LN(n + 0.5) AS logarithm FROM lengths"
    )
    tables = on_both(engines, sql, lengths=pa.table({"n": pa.array(lengths[lengths >= 0], pa.int64())}))
    assert differences(*tables) == []


def test_trimming_takes_every_space_and_nothing_else(engines):
    points = [point for point in range(1, 0x11000) if not 0xD800 <= point < 0xE000]
    texts = pa.table({"n": points, "x": [f"{chr(point)} x {chr(point)}" for point in points]})
    duckdb, spark = on_both(engines, "SELECT n, TRIM(x) AS x FROM texts", texts=texts)
    assert differences(duckdb, spark) == []
    shortened = {row["n"] for row in duckdb.to_pylist() if row["x"] == "x"}
    assert shortened == {ord(space) for space in SPACES}
    assert shortened == {point for point in points if unicodedata.category(chr(point)) == "Zs"}


def test_lower_case(engines):
    # Beyond these come letters that one side's edition of Unicode knows and the other's does not.
    points = range(1, 0x1C80)
    texts = pa.table({"n": points, "x": [f"A{chr(point)}" for point in points]})
    duckdb, spark = on_both(engines, "SELECT n, LOWER(x) AS x FROM texts", texts=texts)
    both = zip(duckdb.sort_by("n").to_pylist(), spark.sort_by("n").to_pylist(), strict=True)
    apart = {chr(one["n"]) for one, other in both if one != other}
    assert apart == GAPS["lower"].values


@pytest.mark.parametrize(
    "step", [step for step in ALL_STEPS if isinstance(step, SqlStep)], ids=lambda step: step.output
)
def test_every_step_keeps_to_what_both_have(step):
    assert to_spark(step.sql).startswith(("SELECT", "WITH"))


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT HASH(x) FROM t", "HASH"),
        ("SELECT EPOCH_US(ts) FROM t", "EPOCH_US"),
        ("SELECT APPROX_QUANTILE(x, 0.5) FROM t", "ApproxQuantile"),
        ("SELECT ENTROPY(x) FROM t", "ENTROPY"),
        ("SELECT MODE(x) FROM t", "Mode"),
        ("SELECT CAST(x / 2 AS INTEGER) FROM t", "rounds on DuckDB"),
        ("SELECT a FROM (SELECT MEDIAN(x) AS a FROM t) AS u", "Median"),
    ],
)
def test_what_differs_in_silence_is_refused(sql, told):
    with pytest.raises(EngineFailedError, match=told):
        to_spark(sql)


def test_parts_of_a_part_are_translated_too():
    assert "1.0 AS DOUBLE" in to_spark("SELECT CAST(FLOOR(LN(x * 1.0) + 0.5) AS INTEGER) FROM t")
    assert to_spark("SELECT a FROM t ORDER BY a") == "SELECT a FROM t"
    assert "ORDER BY a DESC" in to_spark("SELECT a FROM t ORDER BY a DESC LIMIT 3")
