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
from stillwatch.engines.step import DriverStep, SqlStep, Step
from stillwatch.exchange.errors import UnreadableInputError
from stillwatch.signals.signatures import (
    FIELDS,
    SIGNATURES,
    fold,
    signatures_step,
    skeletons_name,
    skeletons_step,
    sketch_name,
)
from stillwatch.signals.templates import families

_KEPT = "kept_signatures"
# The dataset decides which exchanges there are: some of them may have been deleted since the import.
_OF_EXCHANGES = f"SELECT k.* FROM {_KEPT} AS k JOIN exchanges AS e ON e.exchange_id = k.exchange_id"


def kept_tables() -> list[str]:
    """Tables that stand for the text once it is gone."""
    return [SIGNATURES, *(skeletons_name(field) for field in FIELDS)]


def take_signatures(run: Run, text_bytes: Mapping[str, int] | None = None) -> None:
    """Read the texts of `exchanges` and make the tables of `kept_tables`.

    Args:
        run: its engine holds `exchanges`.
        text_bytes: UTF-8 bytes of each text column, for the size of the sketches.
    """
    sizes = text_bytes or {}
    run.steps(fold(field, sizes.get(field, 0)) for field in FIELDS)
    run.steps([signatures_step({field: run.engine.table(sketch_name(field)) for field in FIELDS})])
    run.steps(skeletons_step(field) for field in FIELDS)


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
        run.engine.attach(_KEPT if name == SIGNATURES else name, [file])
    run.steps([SqlStep(SIGNATURES, (_KEPT, "exchanges"), _OF_EXCHANGES)])


def families_name(field: str) -> str:
    """Name of the table that `family_steps` makes of a field."""
    return f"{field}_families"


def family_steps(known: Mapping[str, pa.Table] | None = None, threads: int = 1) -> list[Step]:
    """Steps from skeletons to `<field>_families` (skeleton, template_id).

    Args:
        known: field -> families of an earlier scan, whose names are kept.
        threads: worker threads.
    """
    return [
        DriverStep(
            families_name(field),
            (skeletons_name(field),),
            partial(_families, field=field, known=(known or {}).get(field), threads=threads),
        )
        for field in FIELDS
    ]


def _families(tables: Mapping[str, pa.Table], field: str, known: pa.Table | None, threads: int) -> pa.Table:
    # Versions of a system prompt drift; they stay one lineage.
    return families(tables[skeletons_name(field)], known, field == "system_prompt", threads)
