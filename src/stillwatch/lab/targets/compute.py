"""Runs of a suite -> the table of targets, as data."""

from collections.abc import Iterable, Mapping
from typing import Any

from stillwatch.lab.suites.records import rounded
from stillwatch.lab.targets.adaptivity import Side
from stillwatch.lab.targets.aims import TARGETS, Standing
from stillwatch.lab.targets.material import Material


def targets(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The table of targets.

    Args:
        runs: those of a quality.json.

    Returns:
        One row a target in the order of `aims.TARGETS`: name, unit, and for `static` and `adaptive` each: aim
        (None for none), at_least, value, low, high, counts, standing (see `aims.Standing`).

    Raises:
        UnreadableInputError: the scores are of another version.
    """
    material = Material.of(runs)
    rows = []
    for target in TARGETS:
        row: dict[str, Any] = {"name": target.name, "unit": str(target.unit)}
        for side in Side:
            aim, figure = target.aim(side), target.measure_of(side)(material, side)
            told = aim.standing(figure) if aim is not None else Standing.NO_AIM
            if figure.value is None:
                told = Standing.NOT_MEASURED
            bound = {"aim": aim.bound, "at_least": aim.at_least} if aim is not None else {"aim": None}
            row[str(side)] = {"at_least": True, **bound, **rounded(figure.to_dict()), "standing": str(told)}
        rows.append(row)
    return rows
