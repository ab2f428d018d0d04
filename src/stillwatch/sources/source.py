"""What an adapter is, and what it hands over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from stillwatch.sources.addresses import SeenAddress

Record = dict[str, Any]
"""One JSON object of a log."""


@dataclass
class ParsedExchange:
    """One exchange as an adapter found it; nothing about its values has been checked.

    Attributes:
        values: column name of `EXCHANGES` -> value as it stood in the log. `client_ip` is not set here: which
            address counts is decided from `address`.
        address: what the log says about the client's address.
        request_ids: names under which an access log may know the request, best first.
        fields: what `--account-field` looks into: the record, or for nested formats the part that is this
            exchange.
        images: images in the request; they are counted and not read.
        text_missing: True where the log says that there was text which it does not hold (stored elsewhere,
            redacted).
    """

    values: dict[str, Any]
    address: SeenAddress = field(default_factory=SeenAddress)
    request_ids: Sequence[str] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    images: int = 0
    text_missing: bool = False


@dataclass(frozen=True)
class Skipped:
    """A record, or a part of one, that is no exchange.

    `reason` names no value of the record, so that records can be counted by it.
    """

    reason: str


@dataclass(frozen=True)
class Fragment:
    """A part of an exchange whose other parts stand in other records (OpenTelemetry spans and their events).

    Attributes:
        key: the same for all parts of an exchange.
        part: what is known from this part.
        alone: whether the part is an exchange also without the others.
    """

    key: str
    part: ParsedExchange
    alone: bool


Item = ParsedExchange | Skipped | Fragment


class Source(Protocol):
    """One log format.

    `name` is what the user sees; `shape` says in a line what its records look like.
    """

    name: str
    shape: str

    def recognises(self, record: Record) -> float:
        """How surely a record is of this format, from 0 (it is not) to 1, by content alone; never raises."""
        ...

    def parse(self, record: Record) -> Iterable[Item]:
        """The exchanges in a record; at least one item for every record, never an exception."""
        ...
