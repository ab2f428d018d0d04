"""What is kept between slices, and how it is written so that a killed run goes on from it.

A checkpoint is a folder of Parquet, NumPy and JSON files. It is written under another name, its manifest last, and
then renamed: a folder with the right name and a manifest is whole. Nothing in it can run code when it is read.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.online import EProcesses
from stillwatch.campaigns.tables import HISTORY
from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.output import as_json, partial_of
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.asked import ASKED
from stillwatch.replaying.campaigns_over_time import Campaigns, Event, Tracked
from stillwatch.replaying.hypotheses import Hypothesis
from stillwatch.replaying.live_attributes import ATTRIBUTES, ENTITIES, LiveAttributes
from stillwatch.replaying.live_outputs import OUTPUTS, LiveOutputs
from stillwatch.replaying.live_usage import TOTALS, USED, LiveUsage
from stillwatch.replaying.outcomes import Outcomes, StoredOutcomes, outcomes_layout, write_outcomes
from stillwatch.replaying.texts import NAMES_SCHEMA, WAITING_SCHEMA, FieldState, empty_fields, still_waiting
from stillwatch.signals.signatures import FIELDS
from stillwatch.signals.templates import FAMILIES_SCHEMA
from stillwatch.text.frequency import Sketch

FORMAT = 4
"""Version of the state's form; a state of another form is refused."""
MANIFEST = "manifest.json"
_KEPT = "kept_"


@dataclass
class State:
    """Everything that later slices need of earlier ones.

    Attributes:
        cursor: end of the last slice taken in, microseconds since 1970; None before the first.
        fields: texts.
        usage: who used which template lately.
        outputs: how long the answers to each template lately were.
        attributes: what live accounts share.
        hypotheses: every group that was ever looked at, in order of birth.
        processes: their e-processes.
        campaigns: every campaign ever flagged, and the history.
        outcomes: what the last tests said of the live groups.
        parts: names of the signal parts, with the day of each.
        figures: counters for the summary.
        kept: result rows of campaigns that leave the horizon, by table (replaying/group_results.py).
    """

    cursor: int | None
    fields: dict[str, FieldState]
    usage: LiveUsage
    outputs: LiveOutputs
    attributes: LiveAttributes
    hypotheses: list[Hypothesis] = field(default_factory=list)
    processes: EProcesses = field(default_factory=EProcesses.none)
    campaigns: Campaigns = field(default_factory=Campaigns)
    outcomes: Outcomes = field(default_factory=Outcomes)
    parts: list[tuple[str, int]] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)
    kept: dict[str, pa.Table] = field(default_factory=dict)


def empty_state() -> State:
    """Before the first slice."""
    usage = LiveUsage(USED.empty_table(), TOTALS.empty_table(), ASKED.empty_table())
    attributes = LiveAttributes(ATTRIBUTES.empty_table(), ENTITIES.empty_table())
    return State(None, empty_fields(), usage, LiveOutputs(OUTPUTS.empty_table()), attributes)


def save(folder: Path, state: State, day: int, live_since: int) -> State:
    """Write a checkpoint beside the last one, remove the last, and read the new one back.

    The run goes on with what was read back, so that one that is never killed and one that starts again here cannot
    differ.

    Args:
        folder: folder of checkpoints.
        state: the state at the end of day `day`.
        day: number of the day.
        live_since: first day that still counts.
    """
    assert state.cursor is not None
    name = f"checkpoint-{state.cursor}"
    partial = partial_of(folder / name)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _write(partial, state, day, live_since)
    files = {file.name: file.stat().st_size for file in sorted(partial.iterdir())}
    (partial / MANIFEST).write_text(as_json(_form() | {"files": files}), encoding="utf-8")
    shutil.rmtree(folder / name, ignore_errors=True)
    partial.replace(folder / name)
    for other in folder.glob("checkpoint-*"):
        if other.name != name:
            shutil.rmtree(other, ignore_errors=True)
    return _read(folder / name, state.campaigns)


def load(folder: Path) -> State:
    """The state of the last whole checkpoint, or an empty one.

    Raises:
        UsageError: the state has another form, or was damaged.
    """
    found = [path for path in folder.glob("checkpoint-*") if (path / MANIFEST).exists()]
    whole = sorted((path for path in found if path.suffix != ".partial"), key=_cursor)
    if not whole:
        return empty_state()
    _check(whole[-1])
    return _read(whole[-1], Campaigns())


def _form() -> dict[str, Any]:
    """What the state's form depends on."""
    return {"format": FORMAT, "groups": outcomes_layout()}


def _cursor(path: Path) -> int:
    return int(path.name.partition("-")[2])


def _check(folder: Path) -> None:
    remedy = "start from the beginning with --restart"
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if {name: manifest.get(name) for name in _form()} != _form():
            raise UsageError("this state was written by another version of Stillwatch", remedy, file=folder)
        for name, size in manifest["files"].items():
            if not (folder / name).exists() or (folder / name).stat().st_size != size:
                raise UsageError("this part of the state is missing or damaged", remedy, file=folder / name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"the state's manifest cannot be read ({error})", remedy, file=folder / MANIFEST
        ) from error


def _write(folder: Path, state: State, day: int, live_since: int) -> None:
    for name, text in state.fields.items():
        texts, repeats = text.sketch.repeated(1)
        for part, values in (("cells", text.sketch.cells), ("texts", texts), ("repeats", repeats)):
            np.save(folder / f"{name}_{part}.npy", values, allow_pickle=False)
        _put(folder, f"{name}_names", _names_table(text.names))
        _put(folder, f"{name}_leaders", text.leaders)
        _put(folder, f"{name}_waiting", still_waiting(text.waiting, day, live_since))
    for name, table in zip(("used", "totals", "asked"), state.usage.tables(day, live_since), strict=True):
        _put(folder, name, table)
    _put(folder, "outputs", state.outputs.table(day, live_since))
    for name, table in zip(("attributes", "entities"), state.attributes.tables(live_since), strict=True):
        _put(folder, name, table)
    _put(folder, "hypotheses", _hypothesis_table(state))
    write_outcomes(folder, state.outcomes, state.usage.templates.list)
    _put(folder, "history", history_table(state.campaigns.history))
    for name, table in state.kept.items():
        _put(folder, f"{_KEPT}{name}", table)
    rest = {
        "cursor": state.cursor,
        "parts": [list(part) for part in state.parts],
        "figures": state.figures,
        "campaigns": [_campaign_json(one) for one in state.campaigns.tracked.values()],
    }
    (folder / "state.json").write_text(as_json(rest), encoding="utf-8")


def _read(folder: Path, campaigns: Campaigns) -> State:
    fields = {}
    for name in FIELDS:
        cells, texts, repeats = (
            np.load(folder / f"{name}_{part}.npy", allow_pickle=False)
            for part in ("cells", "texts", "repeats")
        )
        skeleton, *named = (
            column.to_pylist() for column in _get(folder, f"{name}_names", NAMES_SCHEMA).columns
        )
        names = dict(zip(skeleton, zip(*named, strict=True), strict=True))
        fields[name] = FieldState(
            Sketch.restore(cells, texts, repeats),
            names,
            _get(folder, f"{name}_leaders", FAMILIES_SCHEMA),
            _get(folder, f"{name}_waiting", WAITING_SCHEMA),
        )
    rest = json.loads((folder / "state.json").read_text("utf-8"))
    hypotheses, processes = _hypotheses(pq.read_table(folder / "hypotheses.parquet"))
    campaigns.history = _events(_get(folder, "history", HISTORY.arrow))
    campaigns.tracked = {row["campaign_id"]: _campaign(row) for row in rest["campaigns"]}
    tested = StoredOutcomes.read(folder)
    used, totals, asked = (
        _get(folder, n, s) for n, s in (("used", USED), ("totals", TOTALS), ("asked", ASKED))
    )
    usage = LiveUsage(used, totals, asked, (tested.entities, tested.templates))
    attributes = LiveAttributes(_get(folder, "attributes", ATTRIBUTES), _get(folder, "entities", ENTITIES))
    parts = [(str(name), int(day)) for name, day in rest["parts"]]
    kept = {
        file.stem.removeprefix(_KEPT): pq.read_table(file)
        for file in sorted(folder.glob(f"{_KEPT}*.parquet"))
    }
    return State(
        rest["cursor"],
        fields,
        usage,
        LiveOutputs(_get(folder, "outputs", OUTPUTS)),
        attributes,
        hypotheses,
        processes,
        campaigns,
        tested.numbered(usage),
        parts,
        rest["figures"],
        kept,
    )


def history_table(history: list[Event]) -> pa.Table:
    """The table `history`."""
    columns = [[event[name] for event in history] for name in HISTORY.names]
    arrays = [
        pa.array(values, pa.int64()).cast(TIMESTAMP)
        if column.type == TIMESTAMP
        else pa.array(values, column.type)
        for values, column in zip(columns, HISTORY, strict=True)
    ]
    return pa.table(arrays, schema=HISTORY.arrow)


def _names_table(names: Mapping[int, tuple[str, int]]) -> pa.Table:
    """Skeletons with their template and the last day on which they were seen, in order."""
    skeletons = sorted(names)
    template, last_day = ([names[key][part] for key in skeletons] for part in (0, 1))
    return pa.table([skeletons, template, last_day], schema=NAMES_SCHEMA)


def _events(table: pa.Table) -> list[Event]:
    at = table.schema.get_field_index("at")
    plain = table.set_column(at, "at", table.column("at").cast(pa.int64()))
    return list(plain.to_pylist())


_HYPOTHESES = pa.schema(
    [
        ("templates", pa.list_(pa.string())),
        ("entities", pa.list_(pa.string())),
        ("discovered_by", pa.string()),
        ("n_first", pa.float64()),
        ("next_place", pa.int64()),
        ("last_day", pa.int64()),
        ("looks", pa.int64()),
        ("log_sums", pa.list_(pa.float64())),
    ]
)


def _hypothesis_table(state: State) -> pa.Table:
    rows: list[Mapping[str, Any]] = [
        {
            "templates": list(one.templates),
            "entities": list(one.entities),
            "discovered_by": one.discovered_by,
            "n_first": one.n_first,
            "next_place": one.next_place,
            "last_day": one.last_day,
            "looks": int(looks),
            "log_sums": sums.tolist(),
        }
        for one, looks, sums in zip(
            state.hypotheses, state.processes.looks, state.processes.log_sums, strict=True
        )
    ]
    return pa.Table.from_pylist(rows, schema=_HYPOTHESES)


def _hypotheses(table: pa.Table) -> tuple[list[Hypothesis], EProcesses]:
    rows = table.to_pylist()
    known = [
        Hypothesis(
            tuple(row["templates"]),
            tuple(row["entities"]),
            row["discovered_by"],
            row["n_first"],
            row["next_place"],
            row["last_day"],
        )
        for row in rows
    ]
    if not rows:
        return known, EProcesses.none()
    looks = np.array([row["looks"] for row in rows], dtype=np.int64)
    return known, EProcesses(looks, np.array([row["log_sums"] for row in rows], dtype=np.float64))


def _campaign_json(one: Tracked) -> dict[str, Any]:
    return {
        **vars(one),
        "members": sorted(one.members),
        "templates": sorted(one.templates),
        "joined": dict(sorted(one.joined.items())),
    }


def _campaign(row: dict[str, Any]) -> Tracked:
    return Tracked(**{**row, "members": frozenset(row["members"]), "templates": frozenset(row["templates"])})


def _put(folder: Path, name: str, table: pa.Table) -> None:
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _get(folder: Path, name: str, schema: pa.Schema) -> pa.Table:
    table = pq.read_table(folder / f"{name}.parquet").cast(schema)
    return table.unify_dictionaries().combine_chunks()
