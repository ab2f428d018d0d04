"""Distil the public traces into the small files of this folder.

`python -m stillwatch.lab.traces.make --data ../shared/data`

Input: `traces/servegen_client_windows.parquet`, `servegen_token_lengths.parquet`, `azure_llm_2023.parquet` and
`human_turn_timing.parquet`. NOTICE.md beside this file says what is changed and under which licences.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stillwatch.lab.traces import WINDOW_S

HERE = Path(__file__).parent
QUANTILES = 1024
HUMAN_SOURCE = "clinicalml/realhumaneval"
CHAT_SOURCE = "BYU-PCCL/chitchat-dataset"


def part_of(model: str, client: int) -> str:
    """`model` (the laboratory draws from it) or `held_out` (it is compared with it), by a hash of the id."""
    digest = hashlib.sha256(f"{model}:{client}".encode()).digest()
    return "model" if digest[0] < 128 else "held_out"


def rounded(values: NDArray[np.float64], exact_to: float, step: float) -> NDArray[np.float64]:
    """Values above `exact_to` on a geometric grid: fewer distinct values compress better."""
    grid = np.exp(np.round(np.log(np.maximum(values, 1e-9)) / step) * step)
    return np.where(values <= exact_to, values, grid)


def read(path: Path) -> pa.Table:
    """A table with plain strings for dictionaries, which cannot be sorted."""
    table = pq.read_table(path)
    plain = [(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in table.schema]
    return table.cast(pa.schema(plain))


def write(name: str, columns: dict[str, object]) -> None:
    """One table of this folder."""
    path = HERE / f"{name}.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", compression_level=19, write_statistics=False)
    print(f"{path.name}: {path.stat().st_size:,} bytes")  # noqa: T201


def machines(traces: Path) -> None:
    """Requests and unevenness of gaps of each client in each 600 s window with requests."""
    table = read(traces / "servegen_client_windows.parquet")
    table = table.filter(pc.not_equal(table["model"], "deepseek-r1"))  # one day only
    table = table.filter(pc.greater(table["rate"], 0))
    table = table.sort_by(
        [("model", "ascending"), ("client_id", "ascending"), ("window_start_s", "ascending")]
    )
    names = [
        f"{m}:{c}" for m, c in zip(table["model"].to_pylist(), table["client_id"].to_pylist(), strict=True)
    ]
    clients, place = np.unique(names, return_inverse=True)
    count = np.round(table["rate"].to_numpy() * WINDOW_S)
    write(
        "machine_windows",
        {
            "client": pa.array(place, pa.uint16()),
            "window": pa.array(table["window_start_s"].to_numpy() // WINDOW_S, pa.uint16()),
            "requests": pa.array(np.round(rounded(count, 64, 0.02)).astype(np.int32)),
            "cv": pa.array(rounded(table["cv"].to_numpy().astype(np.float64), 0, 0.04).astype(np.float32)),
            "weibull": pc.equal(table["pattern"], "Weibull"),
        },
    )
    parts = [part_of(*_name(c)) for c in clients]
    write(
        "machine_clients", {"name": pa.array(clients.tolist()), "part": pa.array(parts).dictionary_encode()}
    )


def _name(client: str) -> tuple[str, int]:
    model, number = client.split(":")
    return model, int(number)


def lengths(traces: Path) -> None:
    """Token counts of each client over the whole trace, and of people (Azure conversations)."""
    table = read(traces / "servegen_token_lengths.parquet")
    keys = ["model", "client_id", "field", "bin_low", "bin_high"]
    table = table.group_by(keys).aggregate([("share", "sum")]).sort_by([(k, "ascending") for k in keys])
    names = [
        f"{m}:{c}" for m, c in zip(table["model"].to_pylist(), table["client_id"].to_pylist(), strict=True)
    ]
    model_part = np.array([part_of(*_name(n)) == "model" for n in names])
    share = table["share_sum"].to_numpy().astype(np.float64)
    group = np.unique(
        [f"{n}/{f}" for n, f in zip(names, table["field"].to_pylist(), strict=True)], return_inverse=True
    )[1]
    share /= np.bincount(group, share)[group]
    # Both fields are needed, and a share below a thousandth is one request or two.
    both = _with_both(names, table["field"].to_pylist())
    keep = model_part & (share >= 0.001) & np.array([n in both for n in names])
    table, kept = table.filter(pa.array(keep)), np.array(names)[keep]
    clients, place = np.unique(kept, return_inverse=True)
    azure = read(traces / "azure_llm_2023.parquet")
    azure = azure.filter(pc.equal(azure["service"], "conv"))
    write(
        "token_lengths",
        {
            "client": pa.array(place, pa.uint16()),
            "output": pc.equal(table["field"], "output_tokens"),
            "bin_low": pa.array(table["bin_low"].to_numpy(), pa.int32()),
            "bin_high": pa.array(table["bin_high"].to_numpy(), pa.int32()),
            "share": pa.array(np.round(share[keep], 4).astype(np.float32)),
        },
    )
    write("token_clients", {"name": pa.array(clients.tolist())})
    grid = np.linspace(0, 1, QUANTILES + 1)
    write(
        "people_lengths",
        {
            "input_tokens": np.quantile(azure["context_tokens"].to_numpy(), grid).astype(np.float32),
            "output_tokens": np.quantile(azure["generated_tokens"].to_numpy(), grid).astype(np.float32),
        },
    )


def _with_both(names: list[str], fields: list[str]) -> set[str]:
    inputs = {n for n, f in zip(names, fields, strict=True) if f == "input_tokens"}
    return inputs & {n for n, f in zip(names, fields, strict=True) if f == "output_tokens"}


def people(traces: Path) -> None:
    """Pauses inside a conversation, gaps between sessions of a day, and how active days follow one another."""
    table = read(traces / "human_turn_timing.parquet")
    coder = table.filter(pc.equal(table["source"], HUMAN_SOURCE))
    chat = table.filter(pc.equal(table["source"], CHAT_SOURCE))
    grid = np.linspace(0, 1, QUANTILES + 1)
    pauses = _gaps(coder, "conversation_id")
    opened = chat.group_by(["author_id", "conversation_id"]).aggregate([("time_s", "min")])
    opened = opened.rename_columns(["author_id", "conversation_id", "time_s"])
    between = _gaps(opened, "author_id")
    between = between[(between > 60) & (between < 12 * 3600)]
    stay = _persistence(opened)
    write(
        "people_clock",
        {
            "pause_s": np.quantile(pauses, grid).astype(np.float32),
            "session_gap_s": np.quantile(between, grid).astype(np.float32),
            "persistence": np.full(QUANTILES + 1, stay, np.float32),
        },
    )
    print(f"day-to-day persistence of active days: {stay:.3f}")  # noqa: T201


def _gaps(table: pa.Table, key: str) -> NDArray[np.float64]:
    table = table.sort_by([(key, "ascending"), ("time_s", "ascending")])
    group = np.unique(np.array(table[key].to_pylist()), return_inverse=True)[1]
    time = table["time_s"].to_numpy()
    gaps: NDArray[np.float64] = np.diff(time)[np.diff(group) == 0]
    return gaps[gaps > 0]


def _persistence(opened: pa.Table) -> float:
    """Lag-1 autocorrelation of a person's active days, pooled over people with three active days or more.

    Each person's days run from the first to the last active one; both ends are left out of the mean.
    """
    author = np.unique(np.array(opened["author_id"].to_pylist()), return_inverse=True)[1]
    day = (opened["time_s"].to_numpy() // 86400).astype(np.int64)
    shared, spread = 0.0, 0.0
    for person in range(author.max() + 1):
        days = np.unique(day[author == person])
        if len(days) < 3 or days[-1] - days[0] < 7:
            continue
        active = np.zeros(days[-1] - days[0] + 1)
        active[days - days[0]] = 1
        level = active[1:-1].mean()
        shared += float(((active[1:-2] - level) * (active[2:-1] - level)).sum())
        spread += float(((active[1:-1] - level) ** 2).sum())
    return shared / spread


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with traces/*.parquet")
    traces = parser.parse_args().data / "traces"
    machines(traces)
    lengths(traces)
    people(traces)


if __name__ == "__main__":
    main()
