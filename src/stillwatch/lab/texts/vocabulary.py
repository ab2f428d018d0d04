"""The corpus that is shipped with the laboratory: grammars in TOML."""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

Rules = Mapping[str, Sequence[str]]


@cache
def shipped(name: str) -> Mapping[str, Mapping[str, list[str]]]:
    """One file of the shipped corpus, parsed."""
    text = (files("stillwatch.lab") / "corpus" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def people() -> Mapping[str, list[str]]:
    """The shared vocabulary."""
    return shipped("people")  # type: ignore[return-value]


def texts() -> Rules:
    """Rules of longer texts: reviews, comments, messages of customers, and all that they are made of."""
    return {
        **people(),
        **shipped("support")["shared"],
        **shipped("chat")["shared"],
        **shipped("bulk")["texts"],
    }
