"""From text to what text shows: signatures, template families and labels of every exchange.

Only this stage reads text. With `--hash-only` it runs at import, its tables are kept in the dataset folder in place
of the text, and a scan takes them from there.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.engines.run import Run
from stillwatch.engines.step import DriverStep, Step
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.signals.classifiers import PROMPT_LABELS, classify_step
from stillwatch.signals.signatures import (
    FIELDS,
    fold,
    kernel,
    signatures_name,
    skeletons_name,
    skeletons_step,
    sketch_name,
)
from stillwatch.signals.templates import families


def kept_tables() -> list[str]:
    """Tables that stand for the text once it is gone."""
    signatures = [name(field) for field in FIELDS for name in (signatures_name, skeletons_name)]
    return [*signatures, PROMPT_LABELS]


def take_signatures(run: Run) -> None:
    """Read the texts of `exchanges` and make the tables of `kept_tables`."""
    for field in FIELDS:
        run.steps([fold(field)])
        run.steps([kernel(field, run.engine.table(sketch_name(field))), skeletons_step(field)])
    run.steps([classify_step("exchanges")])


def attach_signatures(run: Run, folder: Path) -> None:
    """Take the tables of `kept_tables` from where an import has put them.

    Raises:
        UnreadableInputError: one of them is missing or damaged.
    """
    for name in kept_tables():
        file = folder / f"{name}.parquet"
        try:
            pq.ParquetFile(file).close()
        except (OSError, pa.ArrowException) as error:
            raise UnreadableInputError(
                "these signatures, which stand in place of the texts, are missing or damaged",
                "import the logs again with --hash-only",
                file=file,
            ) from error
        run.engine.attach(name, [file])


def families_name(field: str) -> str:
    """Name of the table that `family_steps` makes of a field."""
    return f"{field}_families"


def family_steps(known: Mapping[str, pa.Table] | None = None) -> list[Step]:
    """Steps from skeletons to `<field>_families` (skeleton, template_id).

    Args:
        known: field -> families of an earlier scan, whose names are kept.
    """
    return [
        DriverStep(
            families_name(field),
            (skeletons_name(field),),
            partial(_families, field=field, known=(known or {}).get(field)),
        )
        for field in FIELDS
    ]


def _families(tables: Mapping[str, pa.Table], field: str, known: pa.Table | None) -> pa.Table:
    # Versions of a system prompt drift; they stay one lineage.
    return families(tables[skeletons_name(field)], known, lineage=field == "system_prompt")
