"""The results folder of a scan or a replay: cleared before, its tables made of the shown groups, written whole."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.known import KNOWN_TABLES
from stillwatch.campaigns.results import BUSY_STEP, FLAGGED_STEP, campaign_names, result_tables
from stillwatch.campaigns.shown import ShownGroup
from stillwatch.campaigns.steps import put_step
from stillwatch.campaigns.tables import HISTORY, QUALITY, RESULTS
from stillwatch.engines.run import Run
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.output import as_json, write_text
from stillwatch.exchange.prepare import QUARANTINE_FILE
from stillwatch.exchange.quality import Measure
from stillwatch.exchange.writer import write_table
from stillwatch.inputs import is_dataset
from stillwatch.signals.samples import Masks, example_texts, sample_table, with_skeletons

SUMMARY = "summary.json"
_MARK = "made_by_stillwatch"
_SHOWN = ("models", "capabilities", "spans", "accounts", "hours", "template_use")
_TABLES = [f"{schema.name}.parquet" for schema in (*RESULTS, *KNOWN_TABLES, HISTORY)]
_FILES = [SUMMARY, "report.html", "samples.parquet", QUARANTINE_FILE, *_TABLES]


def clear_results(out: Path, working: str, *, keep: bool = False) -> None:
    """Remove earlier results, so that a killed run cannot leave a mixture of two, and make the working folder.

    Args:
        out: the results folder.
        working: name of the working folder in it.
        keep: whether the working folder and the quarantine file stay, because a run goes on with them.

    Raises:
        UsageError: the folder holds a dataset, or something else stands where the working folder belongs.
    """
    if is_dataset([str(out)]):
        raise UsageError(
            "this folder holds a dataset, not results", "choose another folder with --out", file=out
        )
    folder = out / working
    require_own(folder)
    for name in _FILES:
        if not (keep and name == QUARANTINE_FILE):
            (out / name).unlink(missing_ok=True)
    if keep:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / _MARK).touch()


def require_own(folder: Path) -> None:
    """Raise UsageError where a folder exists that was not made by `clear_results`."""
    if folder.exists() and not (folder / _MARK).exists():
        raise UsageError(
            "this is needed for working tables, but it is not of our making",
            "choose another folder with --out",
            file=folder,
        )


def group_tables(run: Run, shown: Sequence[ShownGroup], models: AttributeModels) -> dict[str, pa.Table]:
    """The result tables of the shown groups; `flagged` stays with the engine."""
    engine = run.engine
    run.steps([put_step("campaign_names", campaign_names(shown)), FLAGGED_STEP, BUSY_STEP])
    steps = {f"shown_{name}": engine.table(f"shown_{name}") for name in _SHOWN}
    return result_tables(shown, {**steps, "busy_accounts": engine.table("busy_accounts")}, models)


def quality_table(measures: Sequence[Measure]) -> pa.Table:
    """The result table `quality`."""
    rows = [dict(zip(QUALITY.names, row, strict=True)) for row in measures]
    return pa.Table.from_pylist(rows, schema=QUALITY.arrow)


def text_tables(run: Run, templates: pa.Table, *, show_text: bool) -> dict[str, pa.Table]:
    """`group_templates` with skeletons, and `samples`; the engine still holds the texts."""
    examples = run.engine.table("shown_template_use", ("example_exchange_id", "example_ts"))
    texts = example_texts(examples, run.engine)
    masks = Masks(run.engine, texts)
    return {
        "group_templates": with_skeletons(templates, texts, masks),
        "samples": sample_table(templates, texts, masks, show_text=show_text),
    }


def write_results(out: Path, tables: dict[str, pa.Table], summary: dict[str, Any]) -> None:
    """Write tables, and the summary last of all: a folder with a summary holds every table."""
    for name, table in tables.items():
        write_table(out / f"{name}.parquet", table)
    write_text(out / SUMMARY, as_json(summary))
