"""DuckDB's SQL -> Spark's SQL: sqlglot, and the few things in which the two differ without saying so.

sqlglot lets functions that it does not know through unchanged, and some of those exist in both engines and give
other values (`hash`, `approx_quantile`). So a step's SQL may use only what stands in `PORTABLE`; all of it is run on
both engines by tests/engines/test_spark_dialect.py. Anything else is refused by name, before Spark sees it.

What sqlglot settles by itself: NULLs come last in every ORDER BY, CONCAT passes over NULLs, STRFTIME's patterns, `//`.
What is settled here:

| DuckDB | Spark by itself | here |
|---|---|---|
| 0.5 is a decimal that becomes a double in a division | stays decimal, and rounds | a double from the start |
| TRIM takes every space of Unicode (category Zs) | takes U+0020 only | those characters are named |
| FLOOR gives a double | gives a bigint, or an error where it is too large for one | cast back |
| SUM of integers is a 128-bit integer, a double in Parquet | is a bigint | a double, unless it is cast to an integer |
| ROW_NUMBER is a bigint | is an int | cast |
| CAST of a double to an integer rounds | cuts off | only a FLOOR, or a SUM of integers, may be cast |
| CONCAT takes numbers | takes them, but not where they are NULL | cast to text |
| the text of a double is its shortest one | has another form | not seen here: steps make text of integers only |
| division by zero is infinite or NULL | an error | the error stays: it is no silent difference |
| tables have no order | ORDER BY costs a shuffle | the outermost is left out where there is no LIMIT |
"""

from functools import lru_cache

import sqlglot
from sqlglot import exp

from stillwatch.engines.errors import EngineFailedError

PORTABLE: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.And,
        exp.Avg,
        exp.Case,
        exp.Cast,
        exp.Coalesce,
        exp.Concat,
        exp.Count,
        exp.Floor,
        exp.If,
        exp.Ln,
        exp.Lower,
        exp.Max,
        exp.Min,
        exp.Nullif,
        exp.Or,
        exp.RowNumber,
        exp.Sum,
        exp.TimeToStr,
        exp.TimestampTrunc,
        exp.Trim,
    }
)
"""Functions, in sqlglot's names, that are known to give the same on both engines."""

SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""The characters of Unicode's category Zs, which DuckDB's TRIM takes away."""

_INTEGERS = (
    exp.DataType.Type.TINYINT,
    exp.DataType.Type.SMALLINT,
    exp.DataType.Type.INT,
    exp.DataType.Type.BIGINT,
)


@lru_cache(maxsize=256)
def to_spark(sql: str) -> str:
    """One SELECT of DuckDB as one of Spark that gives the same rows.

    Raises:
        EngineFailedError: it uses something that is not known to give the same on both engines.
    """
    parsed = sqlglot.parse_one(sql, read="duckdb")
    nodes = list(parsed.walk(bfs=True))
    for node in nodes:
        _require_portable(node)
    if isinstance(parsed, exp.Query) and parsed.args.get("limit") is None:
        parsed.set("order", None)
    # From the leaves up, so that what is put in a node's place holds its translated parts.
    for node in reversed(nodes):
        translated = _translated(node)
        if translated is not node:
            node.replace(translated)
    return str(parsed.sql(dialect="spark"))


def _require_portable(node: exp.Expr) -> None:
    if isinstance(node, exp.Func) and type(node) not in PORTABLE:
        name = node.name if isinstance(node, exp.Anonymous) else type(node).__name__
        raise EngineFailedError(
            f"the function {name} of a step is not known to give the same on Spark; see engines/spark_dialect.py"
        )
    if _to_integer(node) and not isinstance(node.this, exp.Floor | exp.Sum | exp.Null):
        raise EngineFailedError(f"{node.sql('duckdb')} rounds on DuckDB and cuts off on Spark; cast a FLOOR")


def _to_integer(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Cast) and node.to.this in _INTEGERS


def _translated(node: exp.Expr) -> exp.Expr:
    """The node, or what stands in its place on Spark."""
    if isinstance(node, exp.Literal) and not node.is_string and not node.is_int:
        return _double(node)
    if isinstance(node, exp.Floor) or (isinstance(node, exp.Sum) and not _to_integer(node.parent)):
        return _double(node)
    if isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber):
        return exp.cast(node.copy(), "bigint", copy=False)
    if isinstance(node, exp.Concat):
        texts = [exp.cast(part.copy(), "text", copy=False) for part in node.expressions]
        return exp.Concat(expressions=texts, safe=node.args.get("safe"), coalesce=node.args.get("coalesce"))
    if isinstance(node, exp.Trim) and node.args.get("expression") is None:
        return exp.Trim(this=node.this.copy(), expression=exp.Literal.string(SPACES), position="BOTH")
    return node


def _double(node: exp.Expr) -> exp.Expr:
    return exp.Cast(this=node.copy(), to=exp.DataType.build("double"))
