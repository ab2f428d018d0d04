"""What a population or a conduct is given: its share of chance, its settings, and the world around it."""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.behaviour.clocks import DAY, Ints
from stillwatch.lab.behaviour.network import Internet
from stillwatch.lab.parameters import Value
from stillwatch.lab.texts.book import Book
from stillwatch.lab.texts.corpus import Library
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.traffic import Host
from stillwatch.lab.worldfile import World

# Models: name, release in days before the start, share of ordinary requests. The newest comes last.
MODELS = (
    ("heron-small-2", 410, 0.16),
    ("heron-large-2", 400, 0.06),
    ("heron-small-3", 150, 0.34),
    ("heron-large-3", 140, 0.44),
    ("heron-large-4", None, 0.0),
)
LARGE = 3
NEWEST = 4


@dataclass(frozen=True)
class Surroundings:
    """What all populations of a world share."""

    world: World
    seed: int
    internet: Internet
    catalogue: Catalogue
    texts: Library

    @property
    def book(self) -> Book:
        """Where texts are written down."""
        return self.texts.book

    @property
    def start(self) -> int:
        """First microsecond."""
        return self.world.start

    @property
    def end(self) -> int:
        """End, excluded."""
        return self.world.start + self.world.days * DAY

    @property
    def released_at(self) -> int:
        """Release of the newest model."""
        return self.world.start + int(self.world.release_day * DAY)


@dataclass(frozen=True)
class Stage:
    """One cell of a population (or a whole campaign) of one seed, at one scale.

    A population of many thousand accounts is made in cells, one after the other, so that it fits into
    memory. What all of them share (a template, a system prompt) is drawn from `common`, everything else
    from `rng` and `dice`.

    Attributes:
        around: the world.
        name: stratum.
        values: parameters.
        accounts: accounts of this cell.
        volume: factor on the requests of an account; 1 unless a population cannot shrink further in accounts.
        group: number of the independent copy.
        cell: number of the cell within the group.
        hosts: the populations that were made before, by name.
    """

    around: Surroundings
    name: str
    values: dict[str, Value]
    accounts: int
    volume: float
    group: int
    cell: int
    hosts: dict[str, Host]

    @cached_property
    def _sequence(self) -> np.random.SeedSequence:
        return sequence_of(self.around.seed, self.name, self.group, self.cell)

    @cached_property
    def rng(self) -> np.random.Generator:
        """Generator of this cell."""
        return np.random.Generator(np.random.PCG64(self._sequence))

    @cached_property
    def dice(self) -> Dice:
        """Single draws of this cell, independent of `rng`."""
        return Dice(np.random.Generator(np.random.PCG64(self._sequence.spawn(1)[0])))

    @cached_property
    def common(self) -> Dice:
        """Single draws that come out the same in all cells of the group; use it first, and always in the same order."""
        return Dice(
            np.random.Generator(np.random.PCG64(sequence_of(self.around.seed, self.name, self.group)))
        )

    @property
    def texts(self) -> Library:
        """The world's texts."""
        return self.around.texts

    @property
    def book(self) -> Book:
        """Where texts are written down."""
        return self.around.book

    @property
    def internet(self) -> Internet:
        """The world's networks."""
        return self.around.internet

    @property
    def catalogue(self) -> Catalogue:
        """The world's programs."""
        return self.around.catalogue

    @property
    def window(self) -> tuple[int, int]:
        """Start and end of the world, microseconds."""
        return self.around.start, self.around.end

    @property
    def days(self) -> float:
        """Length of the world."""
        return float(self.around.world.days)

    def number(self, name: str) -> float:
        """A numeric parameter."""
        return float(self.values[name])

    def word(self, name: str) -> str:
        """A parameter that is a name."""
        return str(self.values[name])

    def host(self, parameter: str = "host") -> Host:
        """The population that this parameter names. Raises UsageError for one without accounts of its own."""
        name = self.word(parameter)
        if name not in self.hosts:
            raise UsageError(
                f"{self.name}: {parameter} = {name!r} is not allowed: it has no accounts of its own",
                f"Set {parameter} to one of: {', '.join(self.hosts)}.",
            )
        return self.hosts[name]

    def seeds(self, count: int) -> np.ndarray:
        """uint64 seeds for writers (people, projects, queues), different everywhere."""
        return self.rng.integers(0, 2**64, count, dtype=np.uint64)

    def models(self, favourite: Ints, ts: Ints, eagerness: float = 0.25) -> Ints:
        """The model of each request: the favourite until the release, then with some delay the newest.

        Args:
            favourite: int64 per request, the client's usual model.
            ts: int64 microseconds per request.
            eagerness: share of the requests for large models that move to the newest on the first day; it
                grows by a fifth of the rest each day.
        """
        days = (ts - self.around.released_at) / DAY
        moved = 1 - (1 - eagerness) * 0.8 ** np.maximum(days, 0)
        large = (favourite == LARGE) | (favourite == 1)
        return np.where((days > 0) & large & (self.rng.random(len(ts)) < moved), NEWEST, favourite)

    def favourites(self, count: int) -> Ints:
        """The usual model of each account."""
        shares = np.array([share for _, _, share in MODELS])
        return self.rng.choice(len(MODELS), count, p=shares / shares.sum())


def sequence_of(seed: int, name: str, *place: int) -> np.random.SeedSequence:
    """A share of chance that depends on the world's seed, its own name and its place only."""
    return np.random.SeedSequence([seed, zlib.crc32(name.encode()), *place])
