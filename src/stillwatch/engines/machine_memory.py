"""How much memory this process may use, and how much of it the engine takes unless it is told."""

import os
from collections.abc import Iterator
from pathlib import Path

MOST = 2 * 10**9
"""Bytes that the engine takes of a large machine: with more it hardly becomes faster."""
SHARE = 4
"""It takes one in so many bytes of a small one: kernels, tests and the system need the others."""


def default_memory_limit(root: Path = Path("/")) -> str:
    """The engine's memory on this machine, such as "2GB" or "1048MB".

    Args:
        root: where /proc and /sys are.
    """
    own = machine_memory(root)
    if own is None or own // SHARE >= MOST:
        return f"{MOST // 10**9}GB"
    return f"{max(own // SHARE // 10**6, 1)}MB"


def machine_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory: the machine's, or the least limit of the control groups (containers) that the process is in.

    Source: cgroups(7), Linux's Documentation/admin-guide/cgroup-v2.rst (memory.max) and cgroup-v1/memory.rst.

    Returns:
        None where the system does not tell.
    """
    # -1 and 0 tell nothing.
    return min((size for size in (*_physical(), *_limits(root)) if size > 0), default=None)


def _physical() -> Iterator[int]:
    try:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf, others not these names
        return


def _limits(root: Path) -> Iterator[int]:
    try:
        groups = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _of_parents(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _of_parents(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")


def _of_parents(mounted: Path, path: str, name: str) -> Iterator[int]:
    """Limits of a group and of those around it; in a container only the outermost may be there."""
    group = Path(path.lstrip("/"))
    for folder in (group, *group.parents):
        try:
            told = (mounted / folder / name).read_text("utf-8").strip()
        except OSError:
            continue
        if told.isdigit():  # or `max`, where there is none
            yield int(told)
