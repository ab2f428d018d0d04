"""What progress says of the time that is left, and where it says it."""

import io
import time

import hypothesis.strategies as st
import pytest
from hypothesis import given
from rich.console import Console

from stillwatch.cli import console
from stillwatch.progress import Estimate, clock_words, in_words


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


SHARES = {"read": 10.0, "count": 30.0, "judge": 50.0, "write": 10.0}


def test_a_run_that_takes_what_it_usually_takes_is_foretold_exactly():
    clock = Clock()
    estimate = Estimate(SHARES, clock)
    for phase, share in SHARES.items():
        for part in range(4):
            estimate.tell(phase, part if phase == "judge" else 0, 4 if phase == "judge" else 0)
            if phase != "read" and not (phase == "write" and part > 1):
                passed = clock.now - 100
                assert estimate.elapsed == pytest.approx(passed)
                if phase != "count" or part < 3:  # past half of what was expected it is careful
                    assert estimate.fraction == pytest.approx(passed / 200, abs=0.02)
                    assert estimate.left == pytest.approx(200 - passed, rel=0.05)
            clock.now += share / 2


def test_phases_that_are_left_out_were_not_fast():
    clock = Clock()
    estimate = Estimate(SHARES, clock)
    estimate.tell("judge", 0, 10)  # resumed: the first two were done before
    assert estimate.fraction == pytest.approx(0.4)
    clock.now += 25
    estimate.tell("judge", 5, 10)
    assert estimate.left == pytest.approx(25 + 10)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*SHARES, "else"]), st.floats(0, 100), st.integers(0, 5), st.integers(0, 5)
        ),
        max_size=30,
    )
)
def test_it_never_goes_back(told: list[tuple[str, float, int, int]]) -> None:
    clock = Clock()
    estimate = Estimate(SHARES, clock)
    before = 0.0
    for words, seconds, done, total in told:
        estimate.tell(words, done, total)
        clock.now += seconds
        fraction, left = estimate.fraction, estimate.left
        assert fraction is not None and before <= fraction <= 1
        assert left is None or left >= 0
        assert estimate.words == words
        before = fraction


def known(estimate: Estimate) -> tuple[float | None, float | None]:
    return estimate.fraction, estimate.left


def test_one_phase_counts_by_itself():
    clock = Clock()
    estimate = Estimate({}, clock)
    assert known(estimate) == (None, None)
    clock.now += 30
    estimate.tell("rows", 3, 4)
    assert known(estimate) == pytest.approx((0.75, 10))
    estimate.tell("sorting", 0, 0)  # then something else is counted
    assert known(estimate) == (None, None)
    clock.now += 100
    estimate.tell("slices", 0, 10)
    clock.now += 20
    estimate.tell("slices", 5, 10)
    assert estimate.fraction == 0.5
    assert estimate.left == pytest.approx(20)


def test_words():
    assert [in_words(seconds) for seconds in (None, 2, 61, 89, 91, 5000, 9000)] == [
        "",
        "about 5 s left",
        "about 60 s left",
        "about 90 s left",
        "about 2 min left",
        "about 83 min left",
        "about 2.5 h left",
    ]
    assert [clock_words(seconds) for seconds in (0.4, 71, 3725)] == ["0:00", "1:11", "1:02:05"]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_bar_on_a_terminal_and_lines_elsewhere(terminal, monkeypatch):
    written = io.StringIO()
    shown = Console(file=written, force_terminal=terminal, width=120, soft_wrap=True)
    monkeypatch.setattr(console, "messages", shown)
    monkeypatch.setattr(console, "LINE_SECONDS", 0.01)
    with console.progress("Scanning", SHARES) as report:
        report("judge", 1, 2)
        deadline = time.monotonic() + 10
        while "65%" not in written.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "Scanning: judge" in written.getvalue()
    assert "65%" in written.getvalue()
    assert ("\x1b" in written.getvalue()) == terminal
