import sys
from pathlib import Path

import numpy as np
import pytest

from stillwatch.engines.unused_memory import return_unused


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_memory_goes_back_to_the_system():
    # Pieces below the size that is mapped by itself, with one in use at the end: the heap cannot shrink alone.
    pieces = [np.ones(8_000) for _ in range(4_000)]
    kept = pieces[-1]
    full = _resident()
    del pieces
    return_unused()
    assert _resident() < full - 100_000_000
    assert kept.sum() == 8_000


def test_it_does_nothing_where_the_c_library_is_another(monkeypatch):
    monkeypatch.setattr("stillwatch.engines.unused_memory._malloc_trim", lambda: None)
    return_unused()
