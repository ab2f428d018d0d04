"""Real traces, distilled to package data: see NOTICE.md here for their sources and licences."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

HERE = Path(__file__).parent
WINDOW_S = 600
DAYS = 14
WINDOWS = DAYS * 86400 // WINDOW_S

Part = Literal["model", "held_out"]


@dataclass(frozen=True)
class MachineWindows:
    """Real automated clients, one row a client, one column a window of 600 s (14 days from a local midnight).

    The source has no window with fewer than `FEWEST` requests: these count as empty.

    Attributes:
        names: `model:number` of the source.
        requests: int32, clients x WINDOWS.
        cv: float32, coefficient of variation of the gaps in the window; 0 where it is empty.
        weibull: bool, the family that fits the gaps is Weibull's (else Gamma).
    """

    names: list[str]
    requests: NDArray[np.int32]
    cv: NDArray[np.float32]
    weibull: NDArray[np.bool_]


FEWEST = 10


@cache
def machine_windows(part: Part) -> MachineWindows:
    """The clients that the laboratory draws from (`model`), or those kept for comparison (`held_out`)."""
    clients = pq.read_table(HERE / "machine_clients.parquet")
    table = pq.read_table(HERE / "machine_windows.parquet")
    chosen = np.array([p == part for p in clients["part"].to_pylist()])
    row = np.cumsum(chosen) - 1
    client = table["client"].to_numpy()
    keep = chosen[client]
    cells = (row[client[keep]], table["window"].to_numpy()[keep].astype(np.int64))
    shape = (int(chosen.sum()), WINDOWS)
    requests, cv, weibull = np.zeros(shape, np.int32), np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    requests[cells] = table["requests"].to_numpy()[keep]
    cv[cells] = table["cv"].to_numpy()[keep]
    weibull[cells] = table["weibull"].to_numpy(zero_copy_only=False)[keep]
    for array in (requests, cv, weibull):
        array.setflags(write=False)
    names = [n for n, c in zip(clients["name"].to_pylist(), chosen.tolist(), strict=True) if c]
    return MachineWindows(names, requests, cv, weibull)
