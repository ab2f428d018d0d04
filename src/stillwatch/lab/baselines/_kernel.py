"""Maximum mean discrepancy with Gaussian kernels, by random Fourier features.

Gretton et al., A Kernel Two-Sample Test, JMLR 2012: the unbiased estimate of the squared discrepancy of two
samples, and the witness function that is large where the first has more mass. A mixture of Gaussian kernels is
an expectation over random frequencies (Rahimi, Recht, NeurIPS 2007); with a cosine and a sine for each
frequency k(x, x) is exactly 1. Every mean of kernel values becomes a product of sums of features, so that the
cost grows with the number of prompts, not with its square, and the discrepancy of the drawn frequencies is
that of a kernel in its own right: a null drawn with the same features is exact for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SCALES = (0.5, 1.0, 2.0, 4.0)
"""Bandwidths of the mixture in medians, as in the code of arXiv 2606.05725."""
_ROWS = 4096


@dataclass(frozen=True)
class Sample:
    """Sum of the features of a sample.

    Attributes:
        total: float64 [n_features].
        n: prompts.
    """

    total: npt.NDArray[np.float64]
    n: int

    def __sub__(self, part: "Sample") -> "Sample":
        """What is left without a part of this sample."""
        return Sample(self.total - part.total, self.n - part.n)

    @property
    def within(self) -> float:
        """Mean kernel of two different prompts of the sample; needs two."""
        return float((self.total @ self.total - self.n) / (self.n * (self.n - 1)))

    def mean_kernel(self, features: npt.NDArray[np.float32], own: bool) -> npt.NDArray[np.float32]:
        """Mean kernel of prompts with those of the sample.

        Args:
            features: of the prompts, [n, n_features].
            own: whether they are of the sample themselves; each is then compared with the others of it only.
        """
        others = self.n - own
        means: npt.NDArray[np.float32] = features @ (self.total / others).astype(np.float32)
        return means - np.float32(own / others)


def discrepancy(left: Sample, right: Sample) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy; may be negative."""
    return left.within + right.within - 2 * float(left.total @ right.total) / (left.n * right.n)


def median_distance(units: npt.NDArray[np.float32]) -> float:
    """Median Euclidean distance between two different rows, the usual bandwidth; 1 where that is 0.

    Args:
        units: vectors of length 1, [n, dimensions]; all pairs are taken, so n should be a few thousand.
    """
    above = np.triu_indices(len(units), 1)
    squares = 2.0 - 2.0 * np.median((units @ units.T)[above]) if len(units) > 1 else 1.0
    return float(np.sqrt(squares)) if squares > 1e-6 else 1.0


@dataclass(frozen=True)
class Features:
    """Random Fourier features of a mixture of Gaussian kernels.

    Attributes:
        frequencies: float32 [dimensions, n_frequencies], an equal share of them for each of `SCALES`.
    """

    frequencies: npt.NDArray[np.float32]

    @classmethod
    def drawn(cls, dimensions: int, bandwidth: float, count: int, random: np.random.Generator) -> "Features":
        """Frequencies for kernels exp(-d^2 / (2 (scale * bandwidth)^2)), `count` for each scale."""
        parts = [random.standard_normal((dimensions, count)) / (scale * bandwidth) for scale in SCALES]
        return cls(np.concatenate(parts, axis=1).astype(np.float32))

    def of(self, units: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Features of length 1, float32 [n, 2 * n_frequencies], whose products estimate the kernel."""
        phase = units @ self.frequencies
        scale = np.float32(1.0 / np.sqrt(phase.shape[1]))
        return np.concatenate([np.cos(phase), np.sin(phase)], axis=1) * scale

    def blocks(self, units: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
        """The same, some thousand rows at a time."""
        for first in range(0, len(units), _ROWS):
            yield self.of(units[first : first + _ROWS])

    def sample(self, units: npt.NDArray[np.float32]) -> Sample:
        """Sum of the features of some vectors."""
        total = np.zeros(2 * self.frequencies.shape[1])
        for block in self.blocks(units):
            total += block.sum(axis=0, dtype=np.float64)
        return Sample(total, len(units))
