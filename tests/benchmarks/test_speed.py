"""The speed bench's own reckoning."""

import pytest
from benchmarks.speed.page import growth, section
from benchmarks.speed.recording import Recorded, Recorder, Spent


def recorded(rows: int, step: float) -> Recorded:
    floor = Spent("floor", rows / 1e6, rows / 5e5, 1 << 30)
    total = Spent("whole scan", 10 * floor.wall, 10 * floor.cpu, 3 << 30)
    steps = [Spent("signals", step, step, 1 << 30, 5_000_000), Spent("tiny", 0.001, 0.001, 1, 0)]
    return Recorded(rows, rows // 70, rows * 300, floor, total, 3, steps)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.3])
def test_growth_is_the_slope_of_the_logarithms(exponent):
    rows = [2e6, 8e6, 28.8e6]
    assert growth(rows, [3 * n**exponent for n in rows]) == pytest.approx(exponent)


def test_growth_of_one_size_is_not_known():
    assert growth([2e6], [1.0]) is None
    assert growth([2e6, 8e6], [0.0, 1.0]) is None


def test_the_table_gives_multiples_of_the_floor():
    text = section({"8m": recorded(8_000_000, 16.0), "2m": recorded(2_000_000, 4.0)})
    assert "| signals | 2.00, 2.00 | n^1.00 | 16.0 | 16.0 |" in text
    assert "| 1 others |" in text
    assert "**10.0** (10.0)" in text
    assert "n^1.00 in wall time and n^1.00 in CPU time" in text


def test_the_recorder_tells_steps_apart():
    recorder = Recorder()
    for words in ("one", "one", "two"):
        recorder(words, 0, 0)
    recorder.end()
    assert [step.step for step in recorder.steps] == ["reading the settings", "one", "two"]
    assert all(step.wall >= 0 and step.cpu >= 0 for step in recorder.steps)
