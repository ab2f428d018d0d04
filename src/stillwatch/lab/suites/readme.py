"""The tables that pages show: what stands between two comments is made, never written by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.lab.suites.render import to_markdown, to_summary

BEGIN = "<!-- table of make bench-quality: begin -->"
END = "<!-- table of make bench-quality: end -->"


def readme_block(quality: Mapping[str, Any]) -> str:
    """What stands between the two comments of the README, both included: all worlds, and a line for each."""
    return f"{BEGIN}\n\n{to_summary(quality)}\n{END}"


def page_block(quality: Mapping[str, Any]) -> str:
    """The same of the page that has room for everything."""
    return f"{BEGIN}\n\n{to_markdown(quality)}\n{END}"


def write_block(page: Path, block: str) -> bool:
    """Puts a block with the comments `BEGIN` and `END` in the place of the one that a page has.

    Args:
        page: the page; all else in it stays byte for byte.
        block: the comments and what stands between them.

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
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in head + tail:
        remedy = f"Write {BEGIN} and {END} once, in this order, where the table shall stand."
        raise UnreadableInputError("the place of the table is not marked", remedy, file=page)
    whole = head + block + tail
    if whole == text:
        return False
    with written(page):
        partial = partial_of(page)
        partial.write_bytes(whole.encode("utf-8"))
        partial.replace(page)
    return True
