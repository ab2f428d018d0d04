"""Figures as people read them."""

from stillwatch.lab.scoring.rates import Rate

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def percent(share: float | None, digits: int = 2) -> str:
    """A share in per cent; - for none."""
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def interval(rate: Rate) -> str:
    """The 95 % interval of a rate; - for none."""
    return "-" if rate.low is None else f"{percent(rate.low)} to {percent(rate.high)}"


def number(value: float | None, digits: int = 0) -> str:
    """A number with thousands set apart; - for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def figure(value: float | None) -> str:
    """A number in as many digits as it needs, such as a dose; - for none."""
    return "-" if value is None else f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def bytes_spoken(value: float | None) -> str:
    """A size in memory; - for none."""
    if value is None:
        return "-"
    for unit, size in _UNITS:
        if abs(value) >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:.0f} B"


def scenario(family: str, dose: float | None) -> str:
    """A scenario's name: the family and its dose, if it has one."""
    return family if dose is None else f"{family} {figure(dose)}"


def accounts_range(least: int, most: int | None) -> str:
    """The accounts that a class of size takes in."""
    return f"from {least:,}" if most is None else f"{least:,} to {most:,}"
