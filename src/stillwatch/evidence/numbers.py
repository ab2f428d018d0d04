"""How numbers are written for people: counts, shares, rates, times, and e-values in words."""

import math
from datetime import UTC, datetime
from enum import StrEnum

NOT_COMPUTED = "not computed"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Kind(StrEnum):
    """How a figure is written."""

    COUNT = "count"
    SHARE = "share"
    NUMBER = "number"
    CHANCE = "chance"
    PROBABILITY = "probability"
    TIME = "time"
    NAME = "name"
    SKELETON = "skeleton"
    TEXT = "text"


def count(value: float | None) -> str:
    """A whole number with thousands apart: 41,200."""
    return NOT_COMPUTED if not _finite(value) else f"{round(value or 0):,}"


def number(value: float | None) -> str:
    """A number to about three digits: 0.0123, 1.86, 1,234, 3.2 × 10⁻⁵."""
    if value is None or math.isnan(value):
        return NOT_COMPUTED
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size == 0 or (value == round(value) and size < 1e9):
        return _minus(f"{round(value):,}")
    if size >= 1e9 or size < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return _minus(f"{mantissa} × {power_of_ten(int(exponent))}")
    if size >= 1_000:
        return _minus(f"{value:,.0f}")
    digits = f"{value:.{max(0, 2 - math.floor(math.log10(size)))}f}"
    return _minus(digits.rstrip("0").rstrip(".") if "." in digits else digits)


def share(value: float | None) -> str:
    """A share of one as a percentage: 0.994 -> 99.4%; never rounded to 0% or 100% unless it is."""
    if value is None or not math.isfinite(value):
        return NOT_COMPUTED
    if 0 < value < 0.001:
        return number(value)
    if 0.999 < value < 1:
        return "over 99.9%"
    percent = 100 * value
    return f"{percent:.0f}%" if abs(percent - round(percent)) < 0.05 else f"{percent:.1f}%"


def chance(log10_e: float | None) -> str:
    """An e-value in words, from its log10: how seldom innocence would give as much.

    An e-value has mean at most 1 under the null model, so by Markov's inequality it reaches 10^k with
    probability at most 10^-k (Vovk and Wang, "E-values: Calibration, combination and applications", Annals of
    Statistics 2021). The figure is rounded down, towards the accused.
    """
    if log10_e is None or math.isnan(log10_e):
        return NOT_COMPUTED
    if log10_e <= 0:
        return "no evidence"
    if math.isinf(log10_e):
        return "beyond measure"
    if log10_e < math.log10(2):
        return "next to nothing"
    if log10_e >= 6:
        return f"1 in {power_of_ten(math.floor(log10_e))}"
    # The small allowance keeps 10**3 from becoming 999 by rounding in the last place.
    value = 10.0**log10_e * (1 + 1e-9)
    if value < 10:
        return f"1 in {number(math.floor(10 * value) / 10)}"
    step = 10 ** (math.floor(math.log10(value)) - 1)
    return f"1 in {math.floor(value / step) * step:,}"


def probability(log10_p: float | None) -> str:
    """A p-value in words, from its log10: 1 in 200, 1 in 10⁴³."""
    if log10_p is None or math.isnan(log10_p):
        return NOT_COMPUTED
    if log10_p > -math.log10(2):
        return "to be expected"
    return chance(-log10_p)


def power_of_ten(exponent: int) -> str:
    """10⁴³."""
    return "10" + str(exponent).translate(_SUPERSCRIPT)


def time(value: datetime | None) -> str:
    """A time in UTC to the minute: 2 Feb 2026, 14:00 UTC."""
    if value is None:
        return "not known"
    moment = value.astimezone(UTC)
    return f"{moment.day} {moment:%b} {moment.year}, {moment:%H:%M} UTC"


def day(value: datetime) -> str:
    """A day: 2 Feb."""
    moment = value.astimezone(UTC)
    return f"{moment.day} {moment:%b}"


def spoken(name: str) -> str:
    """A name from the tables as words: one_task_pool -> one task pool."""
    return name.replace("_", " ")


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _minus(text: str) -> str:
    return text.replace("-", "−", 1) if text.startswith("-") else text
