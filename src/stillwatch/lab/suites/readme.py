"""The tables that pages show: what stands between two comments is made, never written by hand."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.lab.suites.render import to_markdown, to_summary
from stillwatch.lab.targets.render import to_markdown as targets_to_markdown


@dataclass(frozen=True)
class Place:
    """Where a page shows what a command has made: between two comments that name the command."""

    command: str

    @property
    def begin(self) -> str:
        """The comment before."""
        return f"<!-- table of {self.command}: begin -->"

    @property
    def end(self) -> str:
        """The comment behind."""
        return f"<!-- table of {self.command}: end -->"

    def block(self, text: str) -> str:
        """A text between the two comments, both included; the text ends with a line break."""
        return f"{self.begin}\n\n{text}\n{self.end}"


SHORT = Place("make bench-quality")
FULL = Place("make bench-quality-full")
ABLATION = Place("make bench-ablation")
BEGIN, END = SHORT.begin, SHORT.end


def readme_block(quality: Mapping[str, Any]) -> str:
    """What the README shows: the targets, all worlds, and a line for each."""
    return SHORT.block(f"{targets_text(quality)}{to_summary(quality)}")


def page_block(quality: Mapping[str, Any]) -> str:
    """The same of the page that has room for everything."""
    return SHORT.block(f"{targets_text(quality)}{to_markdown(quality)}")


def full_block(quality: Mapping[str, Any]) -> str:
    """What the page shows of the long bench: what was run, and the targets."""
    return FULL.block(f"{what_was_run(quality)}\n{targets_text(quality).rstrip()}\n")


def targets_text(quality: Mapping[str, Any]) -> str:
    """The table of targets under its title, and an empty line; nothing of a file that was written before targets."""
    if "targets" not in quality:
        return ""
    return f"Where it must arrive, and where it is\n\n{targets_to_markdown(quality['targets'])}\n"


def what_was_run(quality: Mapping[str, Any]) -> str:
    """One row for each world and scale: its simulations by detector."""
    runs = [run for run in quality["runs"] if run["score"] is not None]
    detectors = list(dict.fromkeys(run["detector"] for run in runs))
    worlds = list(dict.fromkeys((run["world"], run["scale"], run["null"]) for run in runs))
    counts = Counter((run["world"], run["scale"], run["null"], run["detector"]) for run in runs)
    lines = ["| world | " + " | ".join(detectors) + " |", "| --- " * (1 + len(detectors)) + "|"]
    for world, scale, null in worlds:
        cells = (str(counts[world, scale, null, detector] or "-") for detector in detectors)
        name = f"`{world}`, {scale}" + (", without campaigns" if null else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "Simulations that were run\n\n" + "\n".join(lines) + "\n"


def write_block(page: Path, block: str, place: Place = SHORT) -> bool:
    """Puts a block with its two comments in the place of the one that a page has.

    Args:
        page: the page; all else in it stays byte for byte.
        block: the comments and what stands between them.
        place: whose comments.

    Returns:
        Whether the page has changed.

    Raises:
        UnreadableInputError: the page cannot be read or has not each comment once, in this order.
        OutputError: it cannot be written.
    """
    try:
        text = page.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInputError(f"cannot be read: {error}", "Name a text file.", file=page) from error
    head, begin, rest = text.partition(place.begin)
    _, end, tail = rest.partition(place.end)
    if not begin or not end or place.begin in rest or place.end in head + tail:
        remedy = f"Write {place.begin} and {place.end} once, in this order, where the table shall stand."
        raise UnreadableInputError("the place of the table is not marked", remedy, file=page)
    whole = head + block + tail
    if whole == text:
        return False
    with written(page):
        partial = partial_of(page)
        partial.write_bytes(whole.encode("utf-8"))
        partial.replace(page)
    return True
