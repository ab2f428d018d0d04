"""Scales of a world: how its settings are multiplied."""

from dataclasses import dataclass

from stillwatch.exchange.errors import UsageError

_FACTORS = {"tiny": 0.055, "small": 1.0, "medium": 5.0, "large": 25.0}
FULL = "28.8m"
SCALES = (*_FACTORS, FULL)


@dataclass(frozen=True)
class Scale:
    """A scale by name, and the factor on the sizes in the settings."""

    name: str
    factor: float


def scale_named(name: str, full: float) -> Scale:
    """The scale of this name; `full` is the factor at which a world has 28.8 million exchanges.

    Raises UsageError for an unknown name.
    """
    if name not in SCALES:
        raise UsageError(f"scale = {name!r} is not allowed", f"Set scale to one of {', '.join(SCALES)}.")
    return Scale(name, full if name == FULL else _FACTORS[name])
