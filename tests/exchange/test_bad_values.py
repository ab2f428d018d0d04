"""Each kind of bad value: its row is out for a stated reason, or repaired and counted."""

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.exchange import reasons, values
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.reasons import Reason
from stillwatch.exchange.rules import ValidationRules
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.exchange.validation import validate
from tests.exchange.rows import NOW, RULES, batch, one_column, row

UNFIT: list[tuple[str, Any, Reason]] = [
    ("exchange_id", None, reasons.MISSING),
    ("exchange_id", "", reasons.MISSING),
    ("account_id", " \t", reasons.MISSING),
    ("model", None, reasons.MISSING),
    ("ts", None, reasons.MISSING),
    ("ts", "", reasons.MISSING),
    ("ts", float("nan"), reasons.MISSING),
    ("ts", "2026-06-01T12:00:00", reasons.NO_ZONE),
    ("ts", "2026-06-01", reasons.NO_ZONE),
    ("ts", dt.datetime(2026, 6, 1), reasons.NO_ZONE),
    ("ts", "2026-07-03T00:00:00Z", reasons.FUTURE),
    ("ts", 1_790_000_000, reasons.FUTURE),
    ("ts", 9e18, reasons.FUTURE),
    ("ts", 1_400_000_000, reasons.TOO_EARLY),
    ("ts", 0, reasons.TOO_EARLY),
    ("ts", -5, reasons.TOO_EARLY),
    ("ts", "01/06/2026 12:00", reasons.NOT_A_TIME),
    ("ts", "yesterday", reasons.NOT_A_TIME),
    ("ts", True, reasons.WRONG_TYPE),
    ("ts", {"seconds": 1}, reasons.WRONG_TYPE),
    ("ts", float("inf"), reasons.NOT_FINITE),
    ("input_tokens", -1, reasons.TOO_SMALL),
    ("input_tokens", 2**31, reasons.TOO_LARGE),
    ("input_tokens", 10**400, reasons.TOO_LARGE),
    ("input_tokens", 1.5, reasons.FRACTION),
    ("input_tokens", float("inf"), reasons.NOT_FINITE),
    ("input_tokens", "twelve", reasons.NOT_A_NUMBER),
    ("input_tokens", "1_000", reasons.NOT_A_NUMBER),
    ("input_tokens", True, reasons.WRONG_TYPE),
    ("input_tokens", [3], reasons.WRONG_TYPE),
    ("temperature", 1e39, reasons.TOO_LARGE),
    ("temperature", "-inf", reasons.NOT_FINITE),
    ("stream", 2, reasons.NOT_A_TRUTH),
    ("stream", "maybe", reasons.NOT_A_TRUTH),
    ("stream", [], reasons.WRONG_TYPE),
    ("account_id", b"caf\xe9", reasons.NOT_UTF8),
    ("account_id", "caf\udce9", reasons.NOT_UTF8),
    ("key_id", b"\xff", reasons.NOT_UTF8),
    ("exchange_id", "a\0b", reasons.NUL),
    ("key_id", "a\0b", reasons.NUL),
    ("model", "m" * (1 << 17), reasons.TOO_LONG),
    ("prompt", {"role": "user"}, reasons.WRONG_TYPE),
    ("prompt", ["part"], reasons.WRONG_TYPE),
    ("account_id", True, reasons.WRONG_TYPE),
    ("account_id", 1.5, reasons.WRONG_TYPE),
]

REPAIRED: list[tuple[str, Any, Any, str]] = [
    ("prompt", b"caf\xe9", "caf\ufffd", values.REPLACED),
    ("prompt", "caf\udce9", "caf\ufffd", values.REPLACED),
    ("prompt", "a\0b", "a\ufffdb", values.REPLACED),
    ("user_agent", "a\0b", "a\ufffdb", values.REPLACED),
    ("client_ip", "", None, values.BLANK),
    ("org_id", "  ", None, values.BLANK),
    ("input_tokens", "", None, values.BLANK),
    ("input_tokens", "12", 12, values.CONVERTED),
    ("input_tokens", 12.0, 12, values.CONVERTED),
    ("input_tokens", float("nan"), None, values.NAN),
    ("temperature", float("nan"), None, values.NAN),
    ("account_id", 42, "42", values.CONVERTED),
    ("account_id", 42.0, "42", values.CONVERTED),
    ("stream", "TRUE", True, values.CONVERTED),
    ("stream", 0, False, values.CONVERTED),
]


@pytest.mark.parametrize("in_arrow", [False, True], ids=["objects", "Arrow"])
@pytest.mark.parametrize(("column", "value", "reason"), UNFIT)
def test_a_bad_value_costs_its_row_and_no_other(
    column: str, value: Any, reason: Reason, in_arrow: bool
) -> None:
    fit = row()[column]
    raw = one_column(column, [fit, value, fit])
    if in_arrow:
        try:
            raw = one_column(column, pa.array([value]))
        except (pa.ArrowException, OverflowError, UnicodeError):
            pytest.skip("Arrow cannot hold the value")
    result = validate(raw, EXCHANGES, RULES)
    bad_row = 1 if in_arrow else 2
    assert [(u.row, u.column, u.reason, u.remedy) for u in result.unfit] == [
        (bad_row, column, reason.words, reason.remedy)
    ]
    assert list(result.rows) == ([] if in_arrow else [1, 3])


@pytest.mark.parametrize(("column", "value", "expected", "repair"), REPAIRED)
def test_a_value_that_has_one_reading_is_repaired_and_counted(
    column: str, value: Any, expected: Any, repair: str
) -> None:
    result = validate(one_column(column, [row()[column], value]), EXCHANGES, RULES)
    assert not result.unfit
    assert result.batch.column(column)[1].as_py() == expected
    assert result.repairs == {(column, repair): 1}


def test_repairs_of_rows_that_are_unfit_for_another_reason_are_not_counted() -> None:
    result = validate(batch(row(1, input_tokens="12", status=-1)), EXCHANGES, RULES)
    assert len(result.unfit) == 1 and not result.repairs


@pytest.mark.parametrize("in_arrow", [False, True], ids=["objects", "Arrow"])
def test_a_prompt_of_50_megabytes_is_cut_and_kept(in_arrow: bool) -> None:
    prompt = "é" * 25_000_000
    raw = one_column("prompt", pa.array([prompt, "short"]) if in_arrow else [prompt, "short"])
    result = validate(raw, EXCHANGES, RULES)
    kept = result.batch.column("prompt")
    assert kept[0].as_py() == "é" * (RULES.max_text_bytes // 2)
    assert kept[1].as_py() == "short"
    assert result.repairs == {("prompt", values.TRUNCATED): 1}
    assert kept.nbytes < 2 * RULES.max_text_bytes


def test_halves_of_one_character_are_joined() -> None:
    result = validate(one_column("prompt", ["\ud83d\ude00"]), EXCHANGES, RULES)
    assert result.batch.column("prompt")[0].as_py() == "\U0001f600"
    assert not result.repairs


def test_deeply_nested_content_is_unfit_and_not_walked() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    laughs: Any = "lol"
    for _ in range(60):
        laughs = [laughs] * 10  # 10^60 leaves, shared
    result = validate(one_column("prompt", [nested, laughs]), EXCHANGES, RULES)
    assert [(u.reason, u.value_preview) for u in result.unfit] == [("wrong type", "<list>")] * 2
    while nested:  # taken apart by hand, since Python frees it recursively
        nested = nested.pop()


def test_all_optional_columns_may_be_missing() -> None:
    needed = {name: row()[name] for name in EXCHANGES.required}
    result = validate(batch(needed, needed), EXCHANGES, RULES)
    assert result.batch.num_rows == 2 and not result.unfit
    assert all(result.batch.column(c.name).null_count == 2 for c in EXCHANGES if c.nullable)


def test_a_missing_required_column_is_named() -> None:
    fields = {name: value for name, value in row().items() if name != "model"}
    (unfit,) = validate(batch(fields), EXCHANGES, RULES).unfit
    assert (unfit.column, unfit.value_preview) == ("model", "no such column")


def test_no_rows_at_all() -> None:
    result = validate(batch(), EXCHANGES, RULES)
    assert result.batch.num_rows == 0 and result.batch.schema == EXCHANGES.arrow


@pytest.mark.parametrize("column", ["prompt", "system_prompt", "response", "key_id", "end_user_id"])
@pytest.mark.parametrize("value", [b"secret\xff", "secret\0", ["secret"], {"secret": "secret"}, 1.25])
def test_previews_show_nothing_of_texts_and_identifiers(column: str, value: Any) -> None:
    for unfit in validate(one_column(column, [value]), EXCHANGES, RULES).unfit:
        assert "secret" not in unfit.value_preview and "1.25" not in unfit.value_preview


def test_previews_of_names_are_cut() -> None:
    (unfit,) = validate(one_column("input_tokens", ["x" * 10_000]), EXCHANGES, RULES).unfit
    assert unfit.value_preview == "'" + "x" * 60 + "'…"


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "+25:00", "../../etc/passwd", ""])
def test_an_unknown_zone_is_a_usage_error(zone: str) -> None:
    with pytest.raises(UsageError, match="What to do: give UTC"):
        ValidationRules(now=NOW, assume_timezone=zone)


def test_a_batch_is_cut_into_pieces_before_a_dictionary_unfolds() -> None:
    long = pa.array(["x" * 1_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 500, pa.int32()), long)
    raw = one_column("prompt", column)
    pieces = list(raw.bounded(max_bytes=10_000_000))
    assert [number for piece in pieces for number in piece.rows] == list(raw.rows)
    assert max(len(piece) for piece in pieces) <= 10
