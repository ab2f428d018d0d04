"""Settings of the links, all in one place."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LinkSettings:
    """How pairs are validated and grouped.

    Attributes:
        cap: values with more holders than this make no pairs (they count in the group test all the same); the
            work grows with holders x cap.
        fdr: false-discovery rate of the validated pairs (Benjamini-Hochberg).
        resolution: of the modularity; larger gives smaller communities.
        dependent: kinds that depend on each other for innocent reasons (one provider fixes both the network
            and the client); of each such set only the best counts. Kinds not named stand alone.
    """

    cap: int = 200
    fdr: float = 0.01
    resolution: float = 1.0
    dependent: tuple[tuple[str, ...], ...] = (("prefix", "client"),)

    def __post_init__(self) -> None:
        if self.cap < 2:
            raise ValueError("cap must be at least 2: one holder makes no pair")
        if not 0 < self.fdr < 1:
            raise ValueError("fdr must lie between 0 and 1")
        if not self.resolution > 0:
            raise ValueError("resolution must be positive")
