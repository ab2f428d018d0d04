"""Fills the generated parts of docs/data.md: `python -m tests.exchange.data_page` writes it anew."""

import re
from collections.abc import Iterable
from pathlib import Path

from stillwatch.campaigns.tables import RESULTS
from stillwatch.exchange.privacy import stored
from stillwatch.exchange.reasons import REASONS
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, LABELS, RELEASES
from stillwatch.exchange.values import REPAIRS

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
_PART = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def parts() -> dict[str, str]:
    """Name of each generated part -> its text."""
    tables = {table.name: table.markdown() for table in (EXCHANGES, ACCOUNTS, RELEASES, LABELS)}
    kept = {
        f"stored {table.name}": _markdown(("column", "what is stored"), stored(table))
        for table in (EXCHANGES, ACCOUNTS)
    }
    results = "\n\n".join(f"### `{table.name}.parquet`\n\n{table.markdown()}" for table in RESULTS)
    return {
        **tables,
        **kept,
        "results": results,
        "reasons": _markdown(("reason", "what to do"), ((r.words, r.remedy) for r in REASONS)),
        "repairs": _markdown(("repair", "what it means"), REPAIRS.items()),
    }


def _markdown(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)])


def filled(page: str) -> str:
    """The page with its generated parts made anew; every part must have its place."""
    generated = parts()
    places = [match[2] for match in _PART.finditer(page)]
    if sorted(places) != sorted(generated):
        raise ValueError(f"docs/data.md has places for {sorted(places)}, but there are {sorted(generated)}")
    return _PART.sub(lambda match: f"{match[1]}{generated[match[2]]}\n{match[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
