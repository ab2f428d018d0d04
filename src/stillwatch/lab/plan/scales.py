"""Scales of a world: how its settings are multiplied."""

import re
from dataclasses import dataclass

from stillwatch.exchange.errors import UsageError

_FACTORS = {"tiny": 0.055, "small": 1.0, "medium": 5.0, "large": 25.0}
FULL = "28.8m"
SCALES = (*_FACTORS, FULL)
_MILLIONS = re.compile(r"(\d+(?:\.\d+)?)m")


@dataclass(frozen=True)
class Scale:
    """A scale by name, and the factor on the sizes in the settings."""

    name: str
    factor: float


def scale_named(name: str, full: float) -> Scale:
    """The scale of this name, or of so many million exchanges ("2m"); `full` is the factor of 28.8 million.

    Raises UsageError for an unknown name.
    """
    if name in _FACTORS:
        return Scale(name, _FACTORS[name])
    millions = _MILLIONS.fullmatch(name)
    if millions is None or not 0.01 <= float(millions[1]) <= 100:
        raise UsageError(
            f"scale = {name!r} is not allowed",
            f"Set scale to one of {', '.join(SCALES)}, or to 0.01m to 100m for so many million exchanges.",
        )
    return Scale(name, full * float(millions[1]) / float(FULL[:-1]))
