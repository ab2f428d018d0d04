"""From the texts of a slice to signatures and template names: what is kept of the texts before it.

The sketch of shingles and the families' leaders are all that later slices need of earlier texts. Skeletons of too
few texts wait until they have enough; a name once given stays (signals/templates.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.numbering import places_among
from stillwatch.replaying.neighbours import Neighbours
from stillwatch.signals.signatures import FIELDS, SIGNATURES, empty_sketch, signatures_step
from stillwatch.signals.templates import FAMILIES_SCHEMA, families
from stillwatch.text.frequency import Sketch, contains, digest, keep_lines, remember, update

Hashes = npt.NDArray[np.uint64]

WAITING_SCHEMA = pa.schema(
    [
        pa.field("skeleton", pa.uint64(), nullable=False),
        pa.field("n_exchanges", pa.int64(), nullable=False),
        pa.field("n_texts", pa.int64(), nullable=False),
        pa.field("signature", pa.binary()),
        pa.field("last_day", pa.int64(), nullable=False),
    ]
)
"""Skeletons without a name yet."""
NAMES_SCHEMA = pa.schema(
    [
        pa.field("skeleton", pa.uint64(), nullable=False),
        pa.field("template_id", pa.string(), nullable=False),
        pa.field("last_day", pa.int64(), nullable=False),
    ]
)
"""Skeletons with a name."""


WAITS = 7
"""Days after which a skeleton that nobody used again waits no longer. Whoever collects with a template sends the ten
texts that name it within days; most of what waits is one person's only text, and there is more of it with every day."""


@dataclass
class FieldState:
    """What is kept of one text field.

    Attributes:
        sketch: document frequencies of all texts so far.
        names: skeleton -> (template, last day seen).
        leaders: rows of `FAMILIES_SCHEMA` that new skeletons are compared with.
        waiting: rows of `WAITING_SCHEMA`.
        neighbours: of the waiting skeletons; made when a slice first asks.
    """

    sketch: Sketch
    names: dict[int, tuple[str, int]] = field(default_factory=dict)
    leaders: pa.Table = field(default_factory=FAMILIES_SCHEMA.empty_table)
    waiting: pa.Table = field(default_factory=WAITING_SCHEMA.empty_table)
    neighbours: Neighbours | None = None


def empty_fields() -> dict[str, FieldState]:
    """Before any text."""
    return {name: FieldState(empty_sketch(name, 0)) for name in FIELDS}


def still_waiting(waiting: pa.Table, day: int, live_since: int) -> pa.Table:
    """Skeletons that go on waiting after a day.

    Args:
        waiting: rows of `WAITING_SCHEMA`.
        day: number of the day that is over.
        live_since: first day that still counts.
    """
    last_day = waiting.column("last_day").to_numpy()
    return waiting.filter(pa.array(last_day >= max(live_since, day - WAITS + 1))).combine_chunks()


def sign(engine: MemoryEngine, fields: Mapping[str, FieldState], day: int) -> None:
    """Make `signatures` and `<field>_families` of the slice `exchanges`.

    Args:
        engine: holds the slice.
        fields: state, changed in place.
        day: number of the day, to forget what is not seen any more.
    """
    new_texts = {}
    for name, state in fields.items():
        found = digest(engine.table("exchanges", [name]).column(0))
        new_texts[name] = ~contains(state.sketch, found.texts)
        if not state.sketch.lines:
            keep_lines(state.sketch, FIELDS[name].settings.texts)
        update(state.sketch, found)
    engine.run(signatures_step({name: state.sketch for name, state in fields.items()}))
    for name, state in fields.items():
        _name(engine, name, state, new_texts[name], day)


def name_signed(
    engine: MemoryEngine, fields: Mapping[str, FieldState], signatures: Mapping[str, pa.Table], day: int
) -> None:
    """The same for `--hash-only`: signatures were taken at import.

    Args:
        engine: holds the slice and its `signatures`.
        fields: state; its sketches are not used.
        signatures: field -> table (skeleton, signature) of the dataset.
        day: number of the day.
    """
    for name, state in fields.items():
        table = engine.table(SIGNATURES)
        skeletons = signatures[name].column("skeleton").combine_chunks()
        index = pc.index_in(table.column(f"{name}_skeleton"), skeletons)
        packed = signatures[name].column("signature").combine_chunks().take(index)
        at = table.schema.get_field_index(f"{name}_signature")
        engine.put(SIGNATURES, table.set_column(at, table.schema.field(at), packed))
        hashes = (
            table.column(f"{name}_text_hash")
            .combine_chunks()
            .to_numpy(zero_copy_only=False)
            .astype(np.uint64)
        )
        new_text = ~contains(state.sketch, hashes)
        remember(state.sketch, hashes)
        _name(engine, name, state, new_text, day)


def _name(
    engine: MemoryEngine, name: str, state: FieldState, new_text: npt.NDArray[np.bool_], day: int
) -> None:
    columns = [f"{name}_{part}" for part in ("skeleton", "text_hash", "signature")]
    table = engine.table(SIGNATURES, columns).rename_columns(["skeleton", "text_hash", "signature"])
    seen = _seen(table, new_text, day)
    keys = seen.column("skeleton").to_pylist()
    known = [key in state.names for key in keys]
    for key, named in zip(keys, known, strict=True):
        if named:
            state.names[key] = (state.names[key][0], day)
    if not all(known):
        _wait(state, seen.filter(pa.array([not named for named in known], pa.bool_())), day, name)
    rows = [(key, state.names[key][0]) for key in keys if key in state.names]
    engine.put(
        f"{name}_families",
        pa.table(
            {
                "skeleton": pa.array([key for key, _ in rows], pa.uint64()),
                "template_id": pa.array([template for _, template in rows], pa.string()),
            }
        ),
    )


def _wait(state: FieldState, seen: pa.Table, day: int, name: str) -> None:
    """Let skeletons without a name wait, and name those that have enough texts together by now."""
    if state.neighbours is None:
        state.neighbours = Neighbours(state.waiting)
    state.neighbours.add(seen.filter(pc.invert(_are_in(seen, state.waiting))))
    state.waiting = _added(state.waiting, seen)
    # A new leader may be near to others that wait, which the skeletons of the slice are not near to.
    while len(seen):
        near = pa.array(np.union1d(state.neighbours.of(seen), _numbers(seen, "skeleton")))
        asked = state.waiting.filter(pc.is_in(state.waiting.column("skeleton"), near))
        found = families(asked.drop_columns(["last_day"]), state.leaders, lineage=name == "system_prompt")
        led = len(state.leaders)
        _take_names(state, found, day)
        seen = state.leaders.slice(led)


def _take_names(state: FieldState, found: pa.Table, day: int) -> None:
    """Names and leaders among the waiting."""
    new = found.filter(pc.invert(_are_in(found, state.leaders)))
    named = _are_in(state.waiting, new)
    waited = state.waiting.filter(named)
    days = dict(
        zip(waited.column("skeleton").to_pylist(), waited.column("last_day").to_pylist(), strict=True)
    )
    for key, template in zip(
        new.column("skeleton").to_pylist(), new.column("template_id").to_pylist(), strict=True
    ):
        state.names[key] = (template, days.get(key, day))
    added = new.filter(pc.is_valid(new.column("signature")))
    state.leaders = pa.concat_tables([state.leaders, added]).combine_chunks()
    # None of the waiting had a name before.
    state.waiting = state.waiting.filter(pc.invert(named)).combine_chunks()


def _are_in(skeletons: pa.Table, others: pa.Table) -> pa.ChunkedArray:
    """Whether each skeleton stands among others."""
    return pc.is_in(skeletons.column("skeleton"), others.column("skeleton").combine_chunks())


def _seen(table: pa.Table, new_text: npt.NDArray[np.bool_], day: int) -> pa.Table:
    """Distinct skeletons of a slice, as rows of `WAITING_SCHEMA`; a text counts where it was never seen before."""
    skeleton = _numbers(table, "skeleton")
    text = _numbers(table, "text_hash")
    distinct, place = np.unique(skeleton, return_inverse=True)
    exchanges = np.bincount(place, minlength=len(distinct))
    _, first_of_text = np.unique(text, return_index=True)
    once = np.zeros(len(text), bool)
    once[first_of_text] = True
    texts = np.bincount(place[once & new_text], minlength=len(distinct))
    signed = table.column("signature").combine_chunks()
    # A skeleton's signature stands in its first row of each batch.
    row = {int(skeleton[at]): at for at in reversed(np.flatnonzero(signed.is_valid()).tolist())}
    used = np.flatnonzero(distinct != 0)
    packed = [
        signed[row[key]].as_py() if key in row else None for key in distinct[used].astype(np.uint64).tolist()
    ]
    return pa.table(
        [
            pa.array(distinct[used]),
            pa.array(exchanges[used], pa.int64()),
            pa.array(texts[used], pa.int64()),
            pa.array(packed, pa.binary()),
            pa.array(np.full(len(used), day), pa.int64()),
        ],
        schema=WAITING_SCHEMA,
    )


def _added(waiting: pa.Table, seen: pa.Table) -> pa.Table:
    """Counts of both, by skeleton; both are in the order of skeletons."""
    old, new = _numbers(waiting, "skeleton"), _numbers(seen, "skeleton")
    place = places_among(old, new)
    known = place >= 0
    again = seen.filter(pa.array(known))
    row_of = np.full(len(old), -1)
    row_of[place[known]] = np.arange(len(again))
    index = pa.array(row_of, mask=row_of < 0)
    held = [waiting.column("skeleton")]
    for name in ("n_exchanges", "n_texts"):
        more = pc.fill_null(again.column(name).take(index), 0)
        held.append(pc.add(waiting.column(name), more))
    signed, days = (again.column(name).take(index) for name in ("signature", "last_day"))
    held.append(pc.coalesce(waiting.column("signature"), signed))
    held.append(pc.coalesce(days, waiting.column("last_day")))
    both = pa.concat_tables(
        [pa.table(held, schema=WAITING_SCHEMA), seen.filter(pa.array(~known)).cast(WAITING_SCHEMA)]
    )
    order = np.argsort(np.concatenate([old, new[~known]]), kind="stable")
    return both.take(pa.array(order)).combine_chunks()


def _numbers(table: pa.Table, name: str) -> Hashes:
    values: Hashes = table.column(name).combine_chunks().to_numpy(zero_copy_only=False).astype(np.uint64)
    return values
