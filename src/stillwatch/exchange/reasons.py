"""Why a row is unfit, what to do about it, and what may be shown of the value."""

from dataclasses import dataclass

from stillwatch.exchange.schema import Column

PREVIEW_CHARACTERS = 60


@dataclass(frozen=True)
class Reason:
    """A kind of misfit; its words name no value, so that rows can be counted by them."""

    words: str
    remedy: str


MISSING = Reason("missing", "fill the column in where the log is written; rows without it cannot be used")
WRONG_TYPE = Reason("wrong type", "write the column with the type that docs/data.md gives")
NOT_A_NUMBER = Reason("not a number", "write a plain number, without unit or thousands separator")
NOT_FINITE = Reason("infinite number", "write null where the value is unknown")
FRACTION = Reason(
    "fraction where a whole number is needed", "write a whole number, or null where it is unknown"
)
TOO_SMALL = Reason(
    "negative number", "write null where the value is unknown; negative values have no meaning"
)
TOO_LARGE = Reason("number too large", "check the unit; the value does not fit the column's type")
NOT_A_TRUTH = Reason("neither true nor false", "write true, false or null")
NOT_A_TIME = Reason("not a time", "write ISO 8601 with a zone, or the time since 1970 as a number")
NO_ZONE = Reason(
    "time without zone", "write the zone, or say which one is meant with --assume-timezone (UTC, ...)"
)
TOO_EARLY = Reason(
    "time too early", "check the clock and the unit (s, ms, µs and ns since 1970 are recognised)"
)
FUTURE = Reason("time in the future", "check the clock and the time zone of the machine that wrote the log")
NOT_UTF8 = Reason(
    "not UTF-8", "write text as UTF-8; a name cannot be repaired without mixing it up with others"
)
NUL = Reason(
    "NUL byte in a name", "remove the byte; a name cannot be repaired without mixing it up with others"
)
TOO_LONG = Reason("name too long", "check that the column holds the name and not a text or a whole document")
DUPLICATE = Reason("duplicate id", "the first row with this id is used; give each row an id of its own")
UNREADABLE = Reason("unreadable row", "write the row again; the rows before and after it are used")
BROKEN = Reason("unreadable file or part", "write or copy the file again; whatever else can be read is used")

REASONS: tuple[Reason, ...] = (
    MISSING,
    WRONG_TYPE,
    NOT_A_NUMBER,
    NOT_FINITE,
    FRACTION,
    TOO_SMALL,
    TOO_LARGE,
    NOT_A_TRUTH,
    NOT_A_TIME,
    NO_ZONE,
    TOO_EARLY,
    FUTURE,
    NOT_UTF8,
    NUL,
    TOO_LONG,
    DUPLICATE,
    UNREADABLE,
    BROKEN,
)


class Misfit(Exception):  # noqa: N818 - an outcome of conversion that never leaves this room
    """Raised by the conversion of one value."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.words)
        self.reason = reason


@dataclass(frozen=True)
class Unfit:
    """One row that cannot be used.

    Attributes:
        file: file as it is shown to the user.
        row: 1-based row or line in it; 0 where the whole file is meant.
        column: first column (in the schema's order) that does not fit; "" where the whole row is meant.
        reason: words of a `Reason`.
        remedy: what the user can do.
        value_preview: the value, cut; never the value of an identifier or a text.
    """

    file: str
    row: int
    column: str
    reason: str
    remedy: str
    value_preview: str


def preview(value: object, column: Column | None) -> str:
    """What may be shown of a value: nothing of an identifier, a text or a nested value."""
    if value is None:
        return "null"
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 10**30):
        shown = repr(value)
    elif isinstance(value, (str, bytes)):
        shown = _cut(value) if column is not None and not column.text else ""
    else:
        return f"<{type(value).__name__}>"
    if column is None or column.identifier or column.text:
        size = f", length {len(value)}" if isinstance(value, (str, bytes)) else ""
        return f"<{type(value).__name__}{size}, not shown>"
    return shown


def _cut(value: str | bytes) -> str:
    start = value[: PREVIEW_CHARACTERS + 1]
    text = start.decode("utf-8", "backslashreplace") if isinstance(start, bytes) else start
    text = text.encode("utf-8", "backslashreplace").decode()
    shown = repr(text[:PREVIEW_CHARACTERS])
    return shown + "…" if len(value) > PREVIEW_CHARACTERS else shown
