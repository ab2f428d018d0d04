"""Cost of a slice of `stillwatch replay` against the length of history, at equal live traffic: it must be flat.

A world of constant benign traffic is replayed with a short horizon; the processor time between slices is summed up by
stretches of history. The first stretch is left out of the comparison: the horizon is not full yet.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from stillwatch.lab.simulate import simulate
from stillwatch.replay import ReplayRequest, replay
from stillwatch.settings import load_settings

DAYS, HORIZON, EVERY, STRETCHES = 30, "5d", "3h", 6
WORLD = f"""
[world]
start = "2026-03-02T00:00:00Z"
days = {DAYS}

[[population]]
kind = "chat_users"
accounts = 600
per_day = 0.7

[[population]]
kind = "coding_agent"
name = "coding_agent_a"
number = 0
accounts = 120
per_day = 1.9
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", type=Path, help="replay this one instead, and print its stretches")
    parser.add_argument("--every", default=EVERY)
    parser.add_argument("--horizon", default=HORIZON)
    asked, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        dataset = asked.dataset
        if dataset is None:
            (work / "world.toml").write_text(WORLD)
            dataset = simulate(work / "world.toml", 41, work / "world").dataset
        seconds, summary = measured(dataset, work, asked.every, asked.horizon)
    counts = summary["counts"]
    print(
        f"{counts['exchanges']:,} exchanges, {counts['accounts']:,} accounts live at the end, {len(seconds)} slices"
    )
    print(f"horizon {asked.horizon}, slices of {asked.every}; processor milliseconds a slice\n")
    print("| slices of history | mean | median | slowest |\n|---|---|---|---|")
    first = 0
    # The last slice tests everything for the report, and is told apart.
    for part in np.array_split(np.array(seconds[:-1]) * 1_000, STRETCHES):
        print(
            f"| {first} to {first + len(part)} | {part.mean():.0f} | {np.median(part):.0f} | {part.max():.0f} |"
        )
        first += len(part)
    print(f"\nlast slice {seconds[-1] * 1_000:.0f} ms; all {sum(seconds):.0f} s")


def measured(dataset: Path, work: Path, every: str, horizon: str) -> tuple[list[float], dict[str, Any]]:
    """Processor seconds of each slice, and the summary."""
    stamps: list[float] = []

    def report(words: str, done: int, total: int) -> None:
        if words == "event time":
            stamps.append(time.process_time())
        elif not stamps or words == "sorting by time":
            stamps[:] = [time.process_time()]

    settings = load_settings(None, {"horizon": horizon, "key_file": work / "key", "threads": 1})
    outcome = replay(ReplayRequest(str(dataset), every), work / "out", settings, report)
    return np.diff(stamps).tolist(), outcome.summary


if __name__ == "__main__":
    main()
