"""The worlds that are scanned: `disclosed` at several sizes, with prompts of 600 characters on average."""

from pathlib import Path

from benchmarks.longer_prompts import lengthen
from stillwatch.lab.simulate import simulate

WORLD = "disclosed"
SEED = 45
CHARACTERS = 600
_DONE = "lengthened"


def world(folder: Path, size: str) -> Path:
    """The dataset of a world of a size such as "2m"; made if it is not there whole."""
    place = folder / size
    if not (place / _DONE).exists():
        simulate(WORLD, SEED, place, size)
        lengthen(place, CHARACTERS)
        (place / _DONE).touch()
    return place / "dataset"
