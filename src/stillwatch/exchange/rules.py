"""The settings of validation."""

import datetime as dt
import re
from dataclasses import dataclass, field
from functools import cached_property
from zoneinfo import ZoneInfo

from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.schema import Column

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)

EARLIEST_EXCHANGE = dt.datetime(2015, 1, 1, tzinfo=dt.UTC)
EARLIEST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def microseconds(moment: dt.datetime) -> int:
    """Microseconds since 1970 of a moment with a zone."""
    return (moment - EPOCH) // MICROSECOND


@dataclass(frozen=True)
class ValidationRules:
    """What counts as fit.

    Attributes:
        assume_timezone: zone of timestamps that name none ("UTC", "Europe/Berlin", "+02:00"); None makes
            their rows unfit, because an hour's shift would invent or hide synchrony.
        max_text_bytes: longer texts are cut at a character's boundary and counted.
        max_name_bytes: longest name (any string that is no text); longer ones are cut where the column may be
            null and no identity hangs on it, otherwise the row is unfit.
        now: the present (with zone); the moment these rules were made, if not given.
        future_tolerance: how far past `now` a timestamp may lie.
    """

    assume_timezone: str | None = None
    max_text_bytes: int = 1 << 20
    max_name_bytes: int = 1 << 16
    now: dt.datetime = field(default_factory=_now)
    future_tolerance: dt.timedelta = dt.timedelta(days=1)

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError("now needs a zone")
        if self.max_text_bytes < 4 or self.max_name_bytes < 4:
            raise UsageError("a limit on text is below 4 bytes", "allow at least one character (4 bytes)")
        if self.assume_timezone is not None:
            _zone(self.assume_timezone)

    @cached_property
    def latest(self) -> int:
        """Last timestamp that is fit, in microseconds since 1970."""
        return microseconds(self.now + self.future_tolerance)

    @cached_property
    def zone(self) -> dt.tzinfo | None:
        """The assumed zone."""
        return None if self.assume_timezone is None else _zone(self.assume_timezone)

    def earliest(self, column: Column) -> int:
        """First timestamp that is fit, in microseconds: 2015 where one is required, otherwise 1990.

        Nobody served language models through an API before 2015, but accounts and bans may be older.
        """
        return microseconds(EARLIEST if column.nullable else EARLIEST_EXCHANGE)

    def max_bytes(self, column: Column) -> int:
        """Longest value of a string column, in bytes of UTF-8."""
        return self.max_text_bytes if column.text else self.max_name_bytes


def _zone(name: str) -> dt.tzinfo:
    if name.upper() in ("UTC", "Z"):
        return dt.UTC
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", name)
    try:
        if offset:
            sign = -1 if offset[1] == "-" else 1
            return dt.timezone(sign * dt.timedelta(hours=int(offset[2]), minutes=int(offset[3])))
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(
            f"there is no time zone {name!r}", "give UTC, an offset like +02:00, or a name like Europe/Berlin"
        ) from error
