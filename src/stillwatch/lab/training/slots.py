# ruff: noqa: E501 - tables of patterns and prose read best in one line
"""Slots of templates, filled with seeds and items so that a training text looks like what is really sent."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# The data's README gives this pattern; LaTeX groups are not slots.
_SLOT = re.compile(r"\\[A-Za-z]+\s*(?:\{[^{}]*\})+|[\^_]\{[^{}]*\}|\{([A-Za-z_]\w*)\}")

# Which content a slot's name calls for; the first pool that fits wins.
_POOL_OF_NAME = tuple(
    (re.compile(pattern, re.IGNORECASE), pool)
    for pattern, pool in (
        (r"^sensitive", "sensitive"),
        (r"^short|^(?:num|n|m|i|k)_?\d*$|num_|number|score|index|count|week|limit|^id$", "short"),
        (r"code|patch|commit|diff|function|program|snippet|sql|schema|db_", "code"),
        (r"api|tool|func|documentation|openapi|spec$", "api"),
        (r"problem|math|equation|exercise", "mathematics"),
        (r"instruction|task|prompt|request|message|^input|goal|user_|utterance|query", "instruction"),
        (r"question", "question"),
        (r"role|persona|domain|topic|subject|language|category|title|name|label|theme|word|unit|option|choice|^[A-E]$|entity", "short"),
        (r"context|document|text|passage|article|extract|content|paragraph|story|conversation|history|dialog|body|review|abstract|plot|trace|traj|source", "long"),
        (r"answer|response|solution|output|completion|generation|sentence|hypothesis|premise|claim|statement|candidate|summary", "utterance"),
    )
)  # fmt: skip


@dataclass(frozen=True)
class Pools:
    """Contents for slots by pool name; every pool holds at least one text."""

    texts: Mapping[str, Sequence[str]]

    def draw(self, pool: str, rng: np.random.Generator) -> str:
        """One content of a pool."""
        texts = self.texts[pool]
        return texts[int(rng.integers(len(texts)))]


def build_pools(tables: Mapping[str, pa.Table], sensitive: Sequence[str]) -> Pools:
    """Gather contents from the seeds, items and prompts of the development data."""
    seeds = _by_kind(tables["teacher_seeds"], "kind")
    prompts = _by_kind(tables["benign_prompts"], "kind")
    items = _by_kind(tables["bulk_items"], "source")
    chat = prompts.get("human_chat", [])
    said = [text for text in chat if len(text) > 40]
    pools = {
        "sensitive": list(sensitive),
        "short": [*seeds.get("role", []), *seeds.get("domain", []), *seeds.get("programming_language", []), "3", "10"],
        "code": [*_like(items, "human-eval"), *seeds.get("coding", [])],
        "api": seeds.get("api_description", []),
        "mathematics": [*seeds.get("math_question", []), *_like(items, "grade-school")],
        "instruction": [*seeds.get("seed_instruction", []), *prompts.get("instruction", []), *seeds.get("roleplay", [])],
        "question": [*seeds.get("math_question", [])[:300], *_like(items, "vicuna"), *prompts.get("stem", []),
                     *_like(items, "BFCL")[:1500], *seeds.get("customer_query", [])[:500]],
        "long": [" ".join(said[i : i + 12]) for i in range(0, min(len(said), 24_000), 12)],
        "utterance": said[:20_000],
    }  # fmt: skip
    fallback = next((texts for texts in pools.values() if texts), ["text"])
    return Pools({name: texts or fallback for name, texts in pools.items()})


def fill(template: str, pools: Pools, rng: np.random.Generator) -> str:
    """Put content into every slot; the same name gets the same content."""
    chosen: dict[str, str] = {}

    def content(match: re.Match[str]) -> str:
        name = match.group(1)
        if name is None:
            return match.group(0)
        if name not in chosen:
            chosen[name] = pools.draw(pool_of(name), rng)
        return chosen[name]

    return _SLOT.sub(content, template)


def pool_of(name: str) -> str:
    """The pool that a slot of this name is filled from."""
    for pattern, pool in _POOL_OF_NAME:
        if pattern.search(name):
            return pool
    return "utterance"


def without_slots(template: str) -> str:
    """The fixed text of a template."""
    return _SLOT.sub(lambda match: " " if match.group(1) else match.group(0), template)


def _by_kind(table: pa.Table, column: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for kind, text in zip(table.column(column).to_pylist(), table.column("text").to_pylist(), strict=True):
        kinds.setdefault(kind or "", []).append(text)
    return kinds


def _like(groups: Mapping[str, list[str]], part: str) -> list[str]:
    return [text for name, texts in groups.items() if part in name for text in texts]
