"""Arrivals a second of the laboratory's clocks, one thread, and how many of their times are equal."""

import time
from collections.abc import Callable

import numpy as np

from stillwatch.lab.behaviour.clocks import (
    DAY,
    PRIVATE_HOURS,
    Rhythm,
    heavy_tailed,
    human_sessions,
    machine_arrivals,
)
from stillwatch.lab.behaviour.lengths import TokenLengths

START = 20_000 * DAY


def rate(work: Callable[[], int]) -> tuple[int, float]:
    """Entries made, and entries a second of CPU time: the best of three, compiled before."""
    best, size = float("inf"), work()
    for _ in range(3):
        begin = time.process_time()
        size = work()
        best = min(best, time.process_time() - begin)
    return size, size / best


def main() -> None:
    lengths = TokenLengths.load()

    def machines(accounts: int, each: int, days: int) -> Callable[[], int]:
        counts = np.full(accounts, each)
        return lambda: len(machine_arrivals(np.random.default_rng(1), counts, START, START + days * DAY)[1])

    def people(accounts: int, per_day: float, days: int) -> Callable[[], int]:
        rates = heavy_tailed(np.random.default_rng(2), accounts, per_day)
        rhythm = Rhythm(PRIVATE_HOURS)
        return lambda: len(
            human_sessions(np.random.default_rng(1), rates, START, START + days * DAY, rhythm).ts
        )

    def tokens(size: int) -> Callable[[], int]:
        client = np.random.default_rng(3).integers(0, lengths.clients, size)
        return lambda: len(lengths.draw(np.random.default_rng(1), client, "output_tokens"))

    cases = [
        ("machines, 20,000 accounts of 200, 14 days", machines(20_000, 200, 14)),
        ("machines, 2,000 accounts of 2,000, 14 days", machines(2_000, 2_000, 14)),
        ("machines, 20 accounts of 200,000, 60 days", machines(20, 200_000, 60)),
        ("people, 100,000 accounts, 2 turns a day, 14 days", people(100_000, 2.0, 14)),
        ("people, 10,000 accounts, 20 turns a day, 14 days", people(10_000, 20.0, 14)),
        ("token lengths", tokens(2_000_000)),
    ]
    print("| what | entries | million a second of CPU |\n|---|---:|---:|")
    for name, work in cases:
        size, speed = rate(work)
        print(f"| {name} | {size:,} | {speed / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    main()
