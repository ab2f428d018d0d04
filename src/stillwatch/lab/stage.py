"""What a population or a conduct is given: its share of chance, its settings, and the world around it."""

import zlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.behaviour.clocks import DAY, Ints
from stillwatch.lab.behaviour.network import Internet
from stillwatch.lab.parameters import Value
from stillwatch.lab.texts.corpus import Library
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.traffic import Traffic
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
    corpus: Library

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
    """One population (or campaign) of one seed, at one scale.

    Attributes:
        around: the world.
        name: stratum.
        values: parameters.
        accounts: number of accounts after scaling.
        volume: factor on the requests of an account; 1 unless a population cannot shrink further in accounts.
        sequence: its own share of chance, independent of every other population.
        hosts: traffic of the populations that were made before, by name.
    """

    around: Surroundings
    name: str
    values: dict[str, Value]
    accounts: int
    volume: float
    sequence: np.random.SeedSequence
    hosts: dict[str, Traffic]

    @cached_property
    def rng(self) -> np.random.Generator:
        """Generator of this population."""
        return np.random.Generator(np.random.PCG64(self.sequence))

    @cached_property
    def dice(self) -> Dice:
        """Draws for its texts, independent of `rng`."""
        return Dice(np.random.Generator(np.random.PCG64(self.sequence.spawn(1)[0])))

    @property
    def corpus(self) -> Library:
        """The world's texts."""
        return self.around.corpus

    @property
    def window(self) -> tuple[int, int]:
        """Start and end of the world, microseconds."""
        return self.around.start, self.around.end

    def number(self, name: str) -> float:
        """A numeric parameter."""
        return float(self.values[name])

    def word(self, name: str) -> str:
        """A parameter that is a name."""
        return str(self.values[name])

    def host(self) -> Traffic:
        """The population whose accounts this one uses."""
        return self.hosts[self.word("host")]

    def models(self, favourite: Ints, ts: Ints, eagerness: float = 0.25) -> Ints:
        """The model of each request: the favourite until the release, then with some delay the newest.

        Args:
            favourite: int64 per request, the client's usual model.
            ts: int64 microseconds per request.
            eagerness: share of the requests for large models that move to the newest on the first day; it
                grows by
                a fifth of the rest each day.
        """
        days = (ts - self.around.released_at) / DAY
        moved = 1 - (1 - eagerness) * 0.8 ** np.maximum(days, 0)
        large = (favourite == LARGE) | (favourite == 1)
        return np.where((days > 0) & large & (self.rng.random(len(ts)) < moved), NEWEST, favourite)

    def favourites(self, count: int) -> Ints:
        """The usual model of each account."""
        shares = np.array([share for _, _, share in MODELS])
        return self.rng.choice(len(MODELS), count, p=shares / shares.sum())


def sequence_of(seed: int, name: str, group: int = 0) -> np.random.SeedSequence:
    """The share of chance of one population: depends on the world's seed and its own name only."""
    return np.random.SeedSequence([seed, zlib.crc32(name.encode()), group])
