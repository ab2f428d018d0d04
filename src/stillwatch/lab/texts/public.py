"""Rows of the corpora folder: published templates and seeds, and what each may be used for."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.lab.texts.templates import SLOT, slots

CAPABILITIES = {
    "reasoning": ("reasoning_cot",),
    "rubric": ("rubric_grading",),
    "agentic_coding": ("agentic_coding", "coding"),
    "tool_use": ("tool_use",),
    "data_analysis": ("data_analysis",),
    "rewriting": ("rewrite",),
}
SEED_KINDS = {
    "reasoning": ("math_question",),
    "rubric": ("math_question", "roleplay", "seed_instruction"),
    "agentic_coding": ("coding",),
    "tool_use": ("tool_use", "tool_instruction"),
    "data_analysis": ("math_question", "coding"),
    "rewriting": ("customer_query", "roleplay"),
}
_USES = {
    "translation": "translation",
    "moderation": "moderation",
    "extraction": "extraction",
    "classification": "classification",
    "summary": "writing",
    "tutoring": "tutoring",
}
_JUDGES = ("lm-sys/FastChat", "stanford-crfm/helm", "openai/evals", "explodinggradients/ragas")
Row = dict[str, str]


def rows(folder: Path, name: str, columns: Sequence[str]) -> list[Row]:
    """The rows of one file, "" where a value is missing. Raises UnreadableInputError."""
    path = folder / f"{name}.parquet"
    try:
        table = pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        remedy = "Give --corpora a folder with the five files that docs/laboratory.md names, or leave it out."
        raise UnreadableInputError(f"cannot read the corpus: {error}", remedy, file=path) from error
    missing = [column for column in columns if column not in table.column_names]
    if missing:
        remedy = "Take the file as ../shared/data/README.md describes it."
        raise UnreadableInputError(f"the corpus has no column {', '.join(missing)}", remedy, file=path)
    values = [["" if v is None else str(v) for v in table[column].to_pylist()] for column in columns]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def seeds(folder: Path) -> dict[str, list[str]]:
    """Published seeds by kind, without the very short and the very long."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows(folder, "teacher_seeds", ("kind", "text")):
        if 15 <= len(row["text"]) <= 1500:
            found[row["kind"]].append(row["text"])
    return found


def usable(row: Row) -> bool:
    """Whether a template has one to four slots and a usual length."""
    return 1 <= len(set(slots(row["template"]))) <= 4 and len(row["template"]) <= 6000


def serves(row: Row, use: str) -> bool:
    """Whether a published template is of this use."""
    if use == "judging":
        return row["source"].startswith(_JUDGES) and len(set(slots(row["template"]))) >= 2
    return use in _USES and row["use"] == _USES[use]


def body(row: Row) -> str:
    """A system prompt, with its slots filled alike for everybody."""
    return SLOT.sub(lambda m: "the workspace" if m.group(1) else m.group(0), row["system"] or row["template"])
