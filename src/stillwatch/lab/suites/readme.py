"""The table that the README shows: what stands between two comments is made, never written by hand."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.exchange.output import partial_of, written
from stillwatch.lab.suites.render import to_markdown

BEGIN = "<!-- table of make bench-quality: begin -->"
END = "<!-- table of make bench-quality: end -->"


def readme_block(quality: Mapping[str, Any]) -> str:
    """What stands between the two comments, both included."""
    return f"{BEGIN}\n\n{to_markdown(quality)}\n{END}"


def write_readme_table(readme: Path, quality: Mapping[str, Any]) -> bool:
    """Puts the tables of quality.json between the comments `BEGIN` and `END` of a page.

    Args:
        readme: the page; all else in it stays byte for byte.
        quality: content of quality.json.

    Returns:
        Whether the page has changed.

    Raises:
        UnreadableInputError: the page cannot be read or has not each comment once, in this order.
        OutputError: it cannot be written.
    """
    try:
        text = readme.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableInputError(f"cannot be read: {error}", "Name a text file.", file=readme) from error
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in head + tail:
        remedy = f"Write {BEGIN} and {END} once, in this order, where the table shall stand."
        raise UnreadableInputError("the place of the table is not marked", remedy, file=readme)
    whole = head + readme_block(quality) + tail
    if whole == text:
        return False
    with written(readme):
        partial = partial_of(readme)
        partial.write_bytes(whole.encode("utf-8"))
        partial.replace(readme)
    return True
