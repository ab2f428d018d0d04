"""The detectors that a suite can run: Stillwatch, every baseline, and one's own."""

import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.suites.settings import Suite, check_name
from stillwatch.lab.suites.variants import HASH_ONLY, REPLAY, SLICES, STILLWATCH, WIDE, WITHOUT_NETWORK

_PROGRAM = (sys.executable, "-P", "-c", "from stillwatch.cli.main import main; main()")
_DATASET, _OUT = "{dataset}", "{out}"
_SCAN = (*_PROGRAM, "scan", _DATASET, "--out", _OUT, "--key-file", f"{_OUT}.key")


@dataclass(frozen=True)
class Detector:
    """One detector.

    Attributes:
        name: in tables, and of its folder of results.
        command: words of a command in which {dataset} and {out} are replaced; empty for finished results.
        folder: finished results, one folder a cell (`first-7`, `first-7-null`); "" for a command.
        is_baseline: others' rule, with which we compare: its changes are told and are no regression.
        is_variant: Stillwatch run another way; it stands in the targets' table, not among the detectors.
    """

    name: str
    command: tuple[str, ...] = ()
    folder: str = ""
    is_baseline: bool = False
    is_variant: bool = False

    def words(self, dataset: Path, out: Path) -> list[str]:
        """The command for one dataset."""
        return [w.replace(_DATASET, str(dataset)).replace(_OUT, str(out)) for w in self.command]


def built_in() -> dict[str, Detector]:
    """Stillwatch and every baseline, each as a command of its own process."""
    from stillwatch.lab.baselines.registry import known  # noqa: PLC0415  (imports every baseline)

    found = {STILLWATCH: Detector(STILLWATCH, _SCAN)}
    for name in known():
        found[name] = Detector(
            name, (*_PROGRAM, "lab", "baseline", name, _DATASET, "--out", _OUT), "", is_baseline=True
        )
    return found


def variants() -> dict[str, Detector]:
    """Stillwatch run another way; a suite names those that a world is given besides its detectors."""
    blinded = (sys.executable, "-P", "-m", "stillwatch.lab.suites.blinded", _DATASET, _OUT)
    commands = {
        HASH_ONLY: (*_SCAN, "--hash-only"),
        WITHOUT_NETWORK: blinded,
        WIDE: (*_SCAN, "--fdr", "0.05"),
        **{f"{REPLAY}{every}": (*_PROGRAM, "replay", *_SCAN[5:], "--every", every) for every in SLICES},
    }
    return {name: Detector(name, command, is_variant=True) for name, command in commands.items()}


def variants_of(suite: Suite) -> dict[str, list[Detector]]:
    """Name of a cell -> its variants, in order."""
    known = variants()
    return {cell: [known[name] for name in names] for cell, names in suite.variants.items()}


def chosen(suite: Suite, wanted: Iterable[str] = ()) -> list[Detector]:
    """The detectors to run, in order.

    Args:
        suite: whose detectors.
        wanted: names to run instead, or NAME=COMMAND or NAME=FOLDER for one that the suite does not name.

    Raises UsageError for an unknown name or a command without {dataset} and {out}.
    """
    there = built_in() | variants() | _made(suite.own, f"{suite.name}.toml")
    names = list(suite.detectors or (name for name in there if not there[name].is_variant))
    if wanted := list(wanted):
        names = []
        for word in wanted:
            name, equals, value = word.partition("=")
            if equals:
                check_name(name, "the detector's name", "--detector")
                there |= _made({name: value}, "--detector")
            names.append(name)
    for name in names:
        if name not in there:
            remedy = f"Known detectors: {', '.join(there)}; one's own is NAME=COMMAND or NAME=FOLDER."
            raise UsageError(f"there is no detector {name!r}", remedy)
    return [there[name] for name in dict.fromkeys(names)]


def _made(own: Mapping[str, str], file: str) -> dict[str, Detector]:
    found = {}
    for name, value in own.items():
        if _DATASET in value and _OUT in value:
            try:
                found[name] = Detector(name, tuple(shlex.split(value)))
            except ValueError as error:
                what = f"detector {name}: the command cannot be read: {error}"
                raise UsageError(what, "Close every quotation mark.", file=file) from error
        elif Path(value).is_dir():
            found[name] = Detector(name, folder=str(Path(value).resolve()))
        else:
            raise UsageError(
                f"detector {name}: {value!r} is neither a command with {{dataset}} and {{out}} nor a folder",
                "Write both into the command, such as 'python mine.py {dataset} {out}', or name a folder "
                "that holds one folder of result tables for each world and seed (first-7, first-7-null).",
                file=file,
            )
    return found
