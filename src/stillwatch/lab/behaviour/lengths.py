"""How many tokens requests and answers have: the histograms of real clients, and of people who chat.

Sources: ServeGen (each client's own histogram over the whole trace; four bins per doubling) and the Azure
conversation trace of 2023 (people); see lab/traces/NOTICE.md.
"""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from stillwatch.lab.traces import HERE

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Field = Literal["input_tokens", "output_tokens"]


@dataclass(frozen=True)
class Histograms:
    """One histogram a client, all in one run of bins.

    Attributes:
        reach: float64, rising: client + share of its requests up to this bin, at most client + 1.
        first: int64, the first bin of each client, and the number of bins.
        low: int64, fewest tokens of a bin.
        high: int64, most tokens of a bin, included.
    """

    reach: Floats
    first: Ints
    low: Ints
    high: Ints

    def at(self, client: Ints, share: Floats, inside: Floats) -> Ints:
        """A number of tokens for each entry: the bin by its share in [0, 1), the place `inside` it too."""
        place = np.searchsorted(self.reach, client + share, side="right")
        # Rounding must not carry a draw into the next client's first bin.
        place = np.clip(place, self.first[client], self.first[client + 1] - 1)
        width = self.high[place] - self.low[place] + 1
        return self.low[place] + (inside * width).astype(np.int64)


@dataclass(frozen=True)
class TokenLengths:
    """Token counts to draw from.

    Attributes:
        histograms: by field, of each real client.
        people: by field, quantiles at an even grid of shares, pooled over people.
    """

    histograms: dict[Field, Histograms]
    people: dict[Field, Floats]

    @classmethod
    def load(cls) -> Self:
        """The histograms that come with the package."""
        table = pq.read_table(HERE / "token_lengths.parquet")
        output = table["output"].to_numpy(zero_copy_only=False)
        columns = [table[c].to_numpy() for c in ("client", "bin_low", "bin_high", "share")]
        quantiles = pq.read_table(HERE / "people_lengths.parquet")
        return cls(
            {
                "input_tokens": _histograms(*(c[~output] for c in columns)),
                "output_tokens": _histograms(*(c[output] for c in columns)),
            },
            {
                "input_tokens": quantiles["input_tokens"].to_numpy().astype(np.float64),
                "output_tokens": quantiles["output_tokens"].to_numpy().astype(np.float64),
            },
        )

    @property
    def clients(self) -> int:
        """How many real clients there are."""
        return len(self.histograms["input_tokens"].first) - 1

    def draw(self, rng: np.random.Generator, client: Ints, field: Field) -> Ints:
        """Tokens of requests.

        Args:
            rng: source of chance.
            client: int64, the real client that each request follows, 0..clients-1.
            field: which count.

        Raises:
            ValueError: there is no such client.
        """
        client = np.asarray(client, np.int64)
        if len(client) and (client.min() < 0 or client.max() >= self.clients):
            raise ValueError(f"clients are 0 to {self.clients - 1}, not {client.min()} to {client.max()}")
        return self.histograms[field].at(client, rng.random(len(client)), rng.random(len(client)))

    def draw_people(self, rng: np.random.Generator, size: int, field: Field) -> Ints:
        """Tokens of `size` turns of people in a chat service."""
        return self.people_at(rng.random(size), field)

    def people_at(self, share: Floats, field: Field) -> Ints:
        """Tokens of turns of people at shares in [0, 1) of their distribution."""
        return np.maximum(1, np.rint(from_quantiles(self.people[field], share))).astype(np.int64)


def from_quantiles(quantiles: Floats, share: Floats) -> Floats:
    """Values at shares in [0, 1) of a distribution given by quantiles on an even grid."""
    values = np.empty(len(share))
    _interpolate(quantiles, share, values)
    return values


@njit(nogil=True, cache=True)
def _interpolate(quantiles: Floats, share: Floats, values: Floats) -> None:
    last = len(quantiles) - 1
    for i in range(len(share)):
        step = share[i] * last
        place = int(step)
        low = quantiles[place]
        values[i] = low + (quantiles[place + 1] - low) * (step - place)


def _histograms(client: Ints, low: Ints, high: Ints, share: Floats) -> Histograms:
    order = np.lexsort((low, client))
    client, low, high = client[order].astype(np.int64), low[order], high[order]
    weight = share[order].astype(np.float64)
    weight /= np.bincount(client, weight)[client]
    first = np.searchsorted(client, np.arange(client.max() + 2))
    total = np.cumsum(weight)
    before = np.concatenate([[0.0], total])[first[client]]
    return Histograms(client + (total - before), first, low.astype(np.int64), high.astype(np.int64))
