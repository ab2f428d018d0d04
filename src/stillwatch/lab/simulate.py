"""`stillwatch lab simulate`: a world and a seed -> a dataset folder and, apart from it, its labels."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.exchange.errors import OutputError, UsageError
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import ACCOUNTS, LABELS, RELEASES
from stillwatch.lab.behaviour.accounts import NEVER, Accounts
from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.behaviour.clocks import DAY
from stillwatch.lab.behaviour.dressing import dress
from stillwatch.lab.behaviour.network import Internet
from stillwatch.lab.stage import MODELS, Stage, Surroundings, sequence_of
from stillwatch.lab.texts.corpus import Library
from stillwatch.lab.texts.folder import FolderLibrary
from stillwatch.lab.traffic import Traffic
from stillwatch.lab.worldfile import Actor, World, read_world

SCALES = {"tiny": 0.055, "small": 1.0, "medium": 5.0}
_ROWS_A_FILE = 40_000


@dataclass(frozen=True)
class Simulated:
    """What `simulate` made.

    Attributes:
        dataset: folder with exchanges/, accounts.parquet and releases.parquet.
        labels: labels.parquet, apart from the dataset.
        n_exchanges: exchanges written.
        n_accounts: accounts written.
        counts: exchanges and accounts by stratum, in the order of the world.
    """

    dataset: Path
    labels: Path
    n_exchanges: int
    n_accounts: int
    counts: dict[str, tuple[int, int]]


def simulate(
    world: str | Path | World,
    seed: int,
    out: Path,
    scale: str = "small",
    *,
    null: bool = False,
    corpora: Path | None = None,
) -> Simulated:
    """Simulates a world and writes `out/dataset/` and `out/labels.parquet`.

    The same world, seed and scale give the same bytes on any machine. With `null` the campaigns are left out
    and every benign row stays as it is, so a detector that reports anything there is wrong.

    Args:
        world: name of a shipped world, path of a TOML file, or settings that were read.
        seed: any whole number from 0.
        out: folder; made if missing, files of an earlier run in it are replaced.
        scale: tiny (for tests), small or medium: multiplies the sizes of the settings by 0.055, 1, 5.
        null: leave out the campaigns.
        corpora: folder with the real corpora (docs/laboratory.md); None for the shipped one.

    Raises:
        UsageError: for settings, seed or scale that are not allowed.
        UnreadableInputError: where the world or the corpora cannot be read.
        OutputError: where `out` cannot be written.
    """
    if scale not in SCALES:
        raise UsageError(
            f"scale = {scale!r} is not allowed",
            f"Set scale to one of {', '.join(SCALES)}; larger scales will come with a later version.",
        )
    if seed < 0:
        raise UsageError(f"seed = {seed} is not allowed", "Set seed to a whole number from 0.")
    settings = world if isinstance(world, World) else read_world(world)
    _make_folder(out / "dataset" / "exchanges")
    around = _surroundings(settings, seed, FolderLibrary(corpora, seed) if corpora else Library())
    accounts, exchanges, labels = [], [], []
    for name, campaign, traffic, table in _lives(around, SCALES[scale], null):
        if traffic.own_accounts:
            accounts.append(_accounts_table(traffic.accounts))
        exchanges.append(table)
        labels.append(_labels_table(table, name, name if campaign else None))
    return _write(
        out,
        pa.concat_tables(exchanges),
        pa.concat_tables(accounts),
        pa.concat_tables(labels),
        _releases(around),
    )


def _make_folder(folder: Path) -> None:
    """Made before the work: an output that cannot be written is said at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "Free space or choose another --out folder."
        raise OutputError(f"cannot write: {error}", remedy, file=folder) from error


def _surroundings(world: World, seed: int, library: Library) -> Surroundings:
    chance = np.random.Generator(np.random.PCG64(sequence_of(seed, "surroundings")))
    return Surroundings(world, seed, Internet(chance), Catalogue(chance), library)


def _lives(around: Surroundings, factor: float, null: bool) -> Iterator[tuple[str, bool, Traffic, pa.Table]]:
    """Every population's and campaign's traffic, dressed, in the order of the settings."""
    hosts: dict[str, Traffic] = {}
    for actor in around.world.populations:
        for stage in _stages(actor, around, factor, hosts):
            traffic = actor.module.live(stage)
            hosts.setdefault(actor.name, traffic)
            yield (
                actor.name,
                False,
                traffic,
                dress(stage, traffic, retry_anywhere=getattr(actor.module, "BALANCED", False)),
            )
    for actor in () if null else around.world.campaigns:
        for stage in _stages(actor, around, factor, hosts):
            traffic = actor.module.wage(stage)
            yield actor.name, True, traffic, dress(stage, traffic, retry_anywhere=True)


def _stages(actor: Actor, around: Surroundings, factor: float, hosts: dict[str, Traffic]) -> Iterator[Stage]:
    """One stage a group. Above small, populations of a fixed size multiply in number, the others grow."""
    groups, wanted = int(actor.values["groups"]), int(actor.values["accounts"])
    copies = actor.module.SCALES == "groups" and factor > 1
    grown = 1.0 if copies else factor
    accounts = max(min(wanted, actor.module.MIN_ACCOUNTS), round(wanted * grown))
    volume = min(1.0, wanted * grown / accounts)
    for group in range(round(groups * factor) if copies else groups):
        yield Stage(
            around,
            actor.name,
            actor.values,
            accounts,
            volume,
            sequence_of(around.seed, actor.name, group),
            hosts,
        )


def _accounts_table(accounts: Accounts) -> pa.Table:
    banned = accounts.banned_at
    columns = {
        "account_id": accounts.account_id,
        "created_at": accounts.created_at,
        "org_id": accounts.org_id,
        "payment_id": accounts.payment_id,
        "email_domain": accounts.email_domain,
        "program": accounts.program,
        "verified": accounts.verified,
        "billing_country": accounts.country,
        "banned_at": pa.array(banned, pa.int64(), mask=banned == NEVER),
    }
    return _typed(columns, ACCOUNTS.arrow)


def _labels_table(exchanges: pa.Table, stratum: str, campaign: str | None) -> pa.Table:
    size = exchanges.num_rows
    columns = {
        "exchange_id": exchanges["exchange_id"],
        "account_id": exchanges["account_id"],
        "campaign_id": pa.array([campaign] * size, pa.string()),
        "stratum": pa.array([stratum] * size, pa.string()),
    }
    return _typed(columns, LABELS.arrow)


def _releases(around: Surroundings) -> pa.Table:
    instants = [around.released_at if age is None else around.start - age * DAY for _, age, _ in MODELS]
    return _typed(
        {"model": [name for name, _, _ in MODELS], "released_at": np.array(instants)}, RELEASES.arrow
    )


def _typed(columns: dict[str, object], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns[field.name]
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        arrays.append(
            array.cast(pa.int64()).cast(field.type) if field.type == TIMESTAMP else array.cast(field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)


def _write(
    out: Path, exchanges: pa.Table, accounts: pa.Table, labels: pa.Table, releases: pa.Table
) -> Simulated:
    exchanges = exchanges.sort_by([("ts", "ascending"), ("exchange_id", "ascending")])
    accounts = accounts.sort_by("account_id")
    labels = labels.sort_by("exchange_id")
    dataset = out / "dataset"
    try:
        folder = dataset / "exchanges"
        for old in folder.glob("part-*.parquet"):
            old.unlink()
        for number, first in enumerate(range(0, max(1, exchanges.num_rows), _ROWS_A_FILE)):
            _save(exchanges.slice(first, _ROWS_A_FILE), folder / f"part-{number:05d}.parquet")
        _save(accounts, dataset / "accounts.parquet")
        _save(releases, dataset / "releases.parquet")
        _save(labels, out / "labels.parquet")
    except OSError as error:
        raise OutputError(
            f"cannot write: {error}", "Free space or choose another --out folder.", file=out
        ) from error
    return Simulated(dataset, out / "labels.parquet", exchanges.num_rows, accounts.num_rows, _counts(labels))


def _save(table: pa.Table, path: Path) -> None:
    pq.write_table(table.combine_chunks(), path, compression="zstd", write_statistics=True)


def _counts(labels: pa.Table) -> dict[str, tuple[int, int]]:
    grouped = labels.group_by("stratum").aggregate(
        [("exchange_id", "count"), ("account_id", "count_distinct")]
    )
    rows = zip(
        *(
            grouped[name].to_pylist()
            for name in ("stratum", "exchange_id_count", "account_id_count_distinct")
        ),
        strict=True,
    )
    return {stratum: (exchanges, accounts) for stratum, exchanges, accounts in sorted(rows)}
