"""Texts for people to look at: what a template keeps, and sample prompts, redacted unless asked otherwise.

Redacted means that only words that the template keeps are shown; they stand in many different texts and tell
nothing of one customer. Everything that filled a slot is `…`.
"""

from collections.abc import Mapping, Set

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines.engine import Engine
from stillwatch.signals.signatures import FIELDS, Splitter, sketch_name

SAMPLES_SCHEMA = pa.schema(
    [
        pa.field("group_id", pa.string(), nullable=False),
        pa.field("exchange_id", pa.string(), nullable=False),
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("redacted", pa.string(), nullable=False),
        pa.field("text", pa.string()),
    ]
)
MOST_CHARACTERS = 4_000


class Masks:
    """Masks of texts.

    Each field's sketch is read once and let go of before the next: it may fill much memory.

    Args:
        engine: holds the sketches.
        texts: exchange -> field -> text; what is masked.
    """

    def __init__(self, engine: Engine, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._masks = {
            field: _masks_of(
                {of_fields[field] for of_fields in texts.values() if of_fields[field]}, field, engine
            )
            for field in FIELDS
        }

    def of(self, field: str, text: str | None) -> str | None:
        """What the template of a field's text keeps; None where there is no text or no template."""
        return self._masks[field][text] if text else None


def _masks_of(texts: Set[str], field: str, engine: Engine) -> dict[str, str | None]:
    if not texts:
        return {}
    splitter = Splitter.of(field, engine.table(sketch_name(field)))
    return {text: splitter.mask(text[:MOST_CHARACTERS]) or None for text in texts}


def with_skeletons(
    group_templates: pa.Table, texts: Mapping[str, Mapping[str, str]], masks: Masks
) -> pa.Table:
    """The table GROUP_TEMPLATES with its column `skeleton` filled from each template's example.

    Args:
        group_templates: rows with field and example_exchange_id.
        texts: exchange -> its prompt and system_prompt.
        masks: of the dataset that the texts stand in.
    """
    skeletons = [
        masks.of(field, texts.get(exchange, {}).get(field))
        for field, exchange in zip(
            group_templates.column("field").to_pylist(),
            group_templates.column("example_exchange_id").to_pylist(),
            strict=True,
        )
    ]
    index = group_templates.schema.get_field_index("skeleton")
    return group_templates.set_column(
        index, group_templates.schema.field(index), pa.array(skeletons, pa.string())
    )


def sample_table(
    group_templates: pa.Table, texts: Mapping[str, Mapping[str, str]], masks: Masks, *, show_text: bool
) -> pa.Table:
    """`samples`: one prompt of every template, redacted, and whole where `show_text` asks for it."""
    rows = []
    for row in group_templates.select(["group_id", "template_id", "example_exchange_id"]).to_pylist():
        prompt = texts.get(row["example_exchange_id"], {}).get("prompt") or ""
        rows.append(
            {
                "group_id": row["group_id"],
                "exchange_id": row["example_exchange_id"],
                "template_id": row["template_id"],
                "redacted": masks.of("prompt", prompt) or "…",
                "text": prompt[:MOST_CHARACTERS] if show_text else None,
            }
        )
    return pa.Table.from_pylist(rows, schema=SAMPLES_SCHEMA)


def example_texts(examples: pa.Table, engine: Engine) -> dict[str, dict[str, str]]:
    """Texts of the example exchanges: exchange -> field -> text.

    Args:
        examples: rows with example_exchange_id and example_ts, its time, by which it is found sooner.
        engine: holds `exchanges`.
    """
    wanted = {name: pc.unique(examples.column(f"example_{name}")) for name in ("ts", "exchange_id")}
    texts = engine.pick("exchanges", ("exchange_id", *FIELDS), wanted)
    return {row.pop("exchange_id"): row for row in texts.to_pylist()}
