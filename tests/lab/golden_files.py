"""Golden files of what people see."""

import io
import os
from pathlib import Path

from rich.console import Console, RenderableType

GOLDEN = Path(__file__).parent / "golden"


def agrees_with_golden(name: str, text: str) -> bool:
    """Set STILLWATCH_RENEW_GOLDEN to write the files anew, then read the difference."""
    file = GOLDEN / name
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    if os.environ.get("STILLWATCH_RENEW_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8") == text


def printed(tables: RenderableType) -> str:
    console = Console(width=140, file=io.StringIO(), record=True)
    console.print(tables)
    return console.export_text()
