"""The labelled training corpus: templates and bare prompts of every project, read from the development data.

A unit is one template (filled several times later) or one bare prompt. Units carry their project: whatever
is fitted, tuned or counted is split by project, never by row.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.training.capabilities import (
    bulk_capability,
    merged,
    prompt_capability,
    teacher_capability,
)
from stillwatch.lab.training.corrections import corrected
from stillwatch.lab.training.labels import NO, YES, Form, form_of
from stillwatch.lab.training.language import language_of

TEACHER, BULK, OWN, PROMPT = "teacher", "bulk", "own", "prompt"
OWN_PROJECT = "stillwatch own templates"
PLAIN = "plain"
PROMPTS_PER_KIND = 250
"""Bare prompts taken from one kind of one source, at most."""

# Of the tables that have no column for it; from the data's README.
_LICENCES = {
    "banking77": "CC-BY-4.0",
    "gorilla": "Apache-2.0",
    "human-eval": "MIT",
    "FastChat": "Apache-2.0",
    "grade-school-math": "MIT",
    "GPTeacher": "MIT",
    "ToolAlpaca": "Apache-2.0",
    "self-instruct": "Apache-2.0",
    "camel": "Apache-2.0",
    "UltraChat": "MIT",
    "chitchat": "MIT",
    "awesome-chatgpt-prompts": "CC0-1.0",
    "realhumaneval": "CC0-1.0",
    "arena-hard": "Apache-2.0",
}

_COLUMNS = {
    "teacher_templates": ("source", "name", "capability", "system", "template", "licence"),
    "bulk_templates": ("source", "name", "use", "system", "template", "licence"),
    "teacher_seeds": ("source", "kind", "text"),
    "bulk_items": ("source", "text", "label"),
    "benign_prompts": ("source", "kind", "text"),
}


@dataclass(frozen=True)
class Unit:
    """One template or bare prompt.

    Attributes:
        project: the source it comes from; own templates: the family.
        kind: teacher, bulk, own (rewriting and its like), plain (own, training only) or prompt.
        system: system prompt with slots, None without.
        text: user turn with slots; of a bare prompt the prompt itself.
        capability: name, or None where it has no one capability.
        form: labels.
        language: english, other, or none (hardly any fixed text).
        benign: whether it is legitimate use (everything but teacher templates and our own rewriting ones).
    """

    project: str
    kind: str
    system: str | None
    text: str
    capability: str | None
    form: Form
    language: str
    benign: bool


@dataclass(frozen=True)
class Corpus:
    """All units, the seeds that fill slots, and what was read (for the card)."""

    units: tuple[Unit, ...]
    tables: dict[str, pa.Table]
    sensitive: tuple[str, ...]
    sources: list[dict[str, Any]]


def load_corpus(data: Path, seed: int) -> Corpus:
    """Read `data/corpora/*.parquet` and label it.

    Raises:
        UnreadableInputError: a file is missing, broken, or lacks a column.
    """
    tables = {
        name: _read(data / "corpora" / f"{name}.parquet", columns) for name, columns in _COLUMNS.items()
    }
    own = tomllib.loads((files("stillwatch.lab.training") / "own_templates.toml").read_text("utf-8"))
    plain = tomllib.loads((files("stillwatch.lab.training") / "own_capabilities.toml").read_text("utf-8"))
    units = [
        *_teacher(tables["teacher_templates"]),
        *_bulk(tables["bulk_templates"]),
        *_own(own),
        *_plain(plain),
    ]
    units += _prompts(tables, seed)
    sources = [entry for name, table in tables.items() for entry in _sources(name, table)]
    return Corpus(tuple(units), tables, tuple(own["sensitive"]), sources)


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    try:
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowInvalid, KeyError) as error:
        remedy = "give --data the folder that holds corpora/*.parquet (see its README)"
        raise UnreadableInputError(
            f"the training data cannot be read ({error})", remedy, file=path
        ) from error


def _teacher(table: pa.Table) -> Iterator[Unit]:
    for row in table.to_pylist():
        source, name = row["source"], row["name"]
        capability = teacher_capability(source, name, row["capability"])
        form = corrected(
            form_of(row["system"], row["template"]), source, name, capability == "rubric_grading"
        )
        language = language_of(row["system"], row["template"])
        yield Unit(source, TEACHER, row["system"], row["template"], merged(capability), form, language, False)


def _bulk(table: pa.Table) -> Iterator[Unit]:
    for row in table.to_pylist():
        source, name = row["source"], row["name"]
        form = corrected(form_of(row["system"], row["template"]), source, name, None)
        capability = bulk_capability(source, name, row["use"], form.rubric == YES)
        language = language_of(row["system"], row["template"])
        yield Unit(source, BULK, row["system"], row["template"], merged(capability), form, language, True)


def _own(own: dict[str, Any]) -> Iterator[Unit]:
    for family in own["family"]:
        project = f"{OWN_PROJECT}: {family['name']}"
        for key, rewriting in (("rewrites", YES), ("others", NO)):
            for text in family[key]:
                system, user = _roles(text)
                form = form_of(system, user)
                form = Form(form.elicitation, form.rubric, rewriting, form.answer_format)
                yield Unit(project, OWN, system, user, None, form, "english", rewriting == NO)


def _plain(plain: dict[str, Any]) -> Iterator[Unit]:
    # Each list is two projects, so that its words are not dropped as those of one project.
    for key, elicitation in (("elicitation", YES), ("encouragement", NO)):
        for i, text in enumerate(plain[key]):
            form = form_of(None, text)
            form = Form(elicitation, form.rubric, NO, form.answer_format)
            yield Unit(
                f"{OWN_PROJECT}: elicitation {i % 2}",
                PLAIN,
                None,
                text,
                None,
                form,
                "english",
                elicitation == NO,
            )
    for capability, texts in plain["capabilities"].items():
        for i, text in enumerate(texts):
            form = form_of(None, text)
            if capability == "rubric_grading":
                form = Form(form.elicitation, YES, NO, form.answer_format)
            yield Unit(
                f"{OWN_PROJECT}: capabilities {i % 2}",
                PLAIN,
                None,
                text,
                merged(capability),
                form,
                "english",
                True,
            )


def _roles(text: str) -> tuple[str | None, str]:
    match = re.fullmatch(r"<\|system\|>(.*?)\n<\|user\|>(.*)", text, re.DOTALL)
    return (match.group(1), match.group(2)) if match else (None, text)


def _prompts(tables: dict[str, pa.Table], seed: int) -> Iterator[Unit]:
    rng = np.random.default_rng([seed, 1])
    for name, kind_column in (("teacher_seeds", "kind"), ("bulk_items", None), ("benign_prompts", "kind")):
        table = tables[name]
        groups: dict[tuple[str, str], list[str]] = {}
        for row in table.to_pylist():
            kind = row[kind_column] if kind_column else (row["label"] if "vicuna" in row["source"] else "")
            groups.setdefault((row["source"], kind or ""), []).append(row["text"])
        for (source, kind), texts in sorted(groups.items()):
            if kind in ("role", "domain", "programming_language", "api_description"):
                continue
            chosen = rng.choice(len(texts), min(PROMPTS_PER_KIND, len(texts)), replace=False)
            for i in np.sort(chosen):
                yield _prompt(source, kind, texts[i])


def _prompt(source: str, kind: str, text: str) -> Unit:
    form, capability = form_of(None, text), merged(prompt_capability(source, kind))
    return Unit(source, PROMPT, None, text, capability, form, language_of(None, text), True)


def _sources(name: str, table: pa.Table) -> Iterator[dict[str, Any]]:
    licences = "licence" in table.column_names
    counts: dict[tuple[str, str], int] = {}
    for row in table.to_pylist():
        key = (row["source"], row["licence"] if licences else _licence(row["source"]))
        counts[key] = counts.get(key, 0) + 1
    for (source, licence), rows in sorted(counts.items()):
        yield {"table": name, "source": source, "licence": licence, "rows": rows}


def _licence(source: str) -> str:
    return next((licence for part, licence in _LICENCES.items() if part in source), "see the data's README")
