"""docs/replay.md says what the code does."""

import re
from pathlib import Path

from stillwatch.campaigns.online import BORN_BEFORE, DECAY, EVEN, EVEN_SHARE, GROWTH, LONGEST, PATIENCE
from stillwatch.campaigns.tables import HISTORY
from stillwatch.replaying.hypotheses import FIRST_LOOK, SAME

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text("utf-8")


def test_the_history_s_columns():
    (told,) = re.findall(r"<!-- generated: history -->\n(.*?)\n<!-- end -->", PAGE, re.DOTALL)
    assert told == HISTORY.markdown()


def test_the_constants():
    assert (GROWTH, SAME, FIRST_LOOK) == (1.25, 0.5, 100)
    assert "a quarter" in PAGE and "half of its templates" in PAGE and f"{FIRST_LOOK} exchanges" in PAGE
    assert f"(i + {BORN_BEFORE})^-{DECAY}" in PAGE
    assert f"the first {EVEN} places share {EVEN_SHARE} evenly" in PAGE
    assert (PATIENCE, LONGEST) == (((1.0, 1), (-2.0, 2), (-10.0, 3)), 6)
    assert "one place below e = 10, two below 1/100, five below 10^-10" in PAGE
