"""The window test of arXiv 2606.05725 on cheap vectors, and our whole scan, on the same dataset folder."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.peers.side import OURS, Comparison, Side, Task


def count(material: Path) -> int:
    """Exchanges."""
    files = (material / "world" / "dataset" / "exchanges").glob("*.parquet")
    return sum(pq.read_metadata(file).num_rows for file in files)


def _task(material: Path, work: Callable[[Path], Any], facts: Callable[[Any], Mapping[str, float]]) -> Task:
    whole, small = (material / name / "dataset" for name in ("world", "warm"))
    return Task(lambda: work(small), lambda: work(whole), facts)


def ours(material: Path) -> Task:
    from stillwatch.scan import ScanRequest, scan  # noqa: PLC0415
    from stillwatch.settings import load_settings  # noqa: PLC0415

    settings = load_settings(None, {"threads": 1, "key_file": material / "key"})

    def work(dataset: Path) -> Any:
        out = material / "scanned"
        shutil.rmtree(out, ignore_errors=True)
        return scan(ScanRequest((str(dataset),)), out, settings)

    return _task(material, work, lambda found: {"found": len(found.rungs)})


def windows(material: Path) -> Task:
    from stillwatch.lab.baselines.kernel_windows import run  # noqa: PLC0415
    from stillwatch.lab.baselines.registry import named, read_settings  # noqa: PLC0415

    settings = read_settings(named("kernel_windows"), {})

    def facts(found: Any) -> Mapping[str, float]:
        return {"found": len(set(found.members.column("campaign_id").to_pylist()))}

    return _task(material, lambda dataset: run(dataset, settings), facts)


COMPARISON = Comparison(
    "Window test",
    "A dataset folder, to campaigns with members and exchanges. The same world for both.",
    "exchanges",
    count,
    (
        Side(
            f"{OURS}, whole scan",
            ours,
            None,
            "`scan` from Parquet to tables and report: checks of the input, templates, labels of prompts, links, "
            "all families of evidence, verdicts under a false-discovery rate, a probability for every exchange.",
        ),
        Side(
            "kernel windows",
            windows,
            None,
            "`stillwatch lab baseline kernel_windows`: windows of 1,500 prompts against history, by maximum mean "
            "discrepancy with random features. Our text vectors stand in for the paper's transformer, whose time "
            "is not in it. Less: prompts only, one threshold by quantile, no accounts before a window is "
            "flagged, no verdict. What both find is told in docs/measured.md.",
        ),
    ),
    {"found": ("campaigns reported", "{:.0f}")},
)
