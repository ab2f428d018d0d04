"""Shapes of real networks and programs, distilled for the laboratory (see NOTICE); no real holder is in them."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any


@lru_cache(maxsize=1)
def shapes() -> dict[str, Any]:
    """The distilled shapes, as `distil.py` wrote them; its docstring tells what each entry means."""
    text = files(__package__).joinpath("shapes.json").read_text("utf-8")
    read: dict[str, Any] = json.loads(text)
    return read
