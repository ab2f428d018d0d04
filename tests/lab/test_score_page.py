"""What people see of a score: the tables and the page, against golden files."""

import json
import re
from html.parser import HTMLParser

import pytest
from tests.lab.golden_files import agrees_with_golden, printed
from tests.lab.score_worlds import write_labels, write_results, write_rich_world
from typer.testing import CliRunner

from stillwatch.cli.lab import app
from stillwatch.exchange.errors import OutputError
from stillwatch.lab.compare import compare
from stillwatch.lab.score import pool, score
from stillwatch.lab.scoring.charts import Scale, whisker
from stillwatch.lab.scoring.html_page import render_page, write_page
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.render import pooled_tables, to_tables
from stillwatch.lab.suites.records import kept_score


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    return score(*write_rich_world(tmp_path_factory.mktemp("rich")))


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quiet")
    labels = write_labels(folder, [(f"c{n}", f"a{n}", None, "chat") for n in range(4)])
    return score(write_results(folder / "r", [], [], []), labels)


def test_the_tables_are_as_they_were(rich):
    assert agrees_with_golden("score.txt", printed(to_tables(rich)))
    assert agrees_with_golden("pooled.txt", printed(pooled_tables(pool([rich, rich]))))


def test_the_page_is_as_it_was(rich):
    page = render_page(pool([rich]), "rich, seed 1")
    assert agrees_with_golden("score.html", page[page.index("<body>") :])


def test_a_world_without_campaigns_has_a_page_and_tables(quiet):
    assert agrees_with_golden("score_quiet.txt", printed(to_tables(quiet)))
    page = render_page(pool([quiet]))
    assert "A world without campaigns, no false campaign" in page
    assert "None was reported." in page


class Wellformed(HTMLParser):
    """Complains of tags that are not closed, and collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_loads_nothing_and_quotes_what_others_named(rich):
    page = render_page(pool([rich]))
    parser = Wellformed()
    parser.feed(page)
    assert not parser.open
    assert not parser.loads
    assert "url(" not in page
    assert "<script" not in page
    assert "cron &lt;fleet&gt;" in page
    assert "<fleet>" not in page


def test_every_benign_interval_is_on_the_page(rich):
    page = render_page(pool([rich]))
    assert re.search(r"chat_users.*?2 of 60.*?3\.33 %.*?0\.41 % to 11\.53 %", page, re.DOTALL)
    assert re.search(r"fleet.*?0 of 5.*?0\.00 % to 52\.18 %", page, re.DOTALL)


def test_a_whisker_stands_where_its_scale_says():
    drawn = whisker("x", Rate(1, 4), Scale.root(), mark=0.01)
    assert [drawn.dot, drawn.mark] == pytest.approx([50, 10])
    low, high = Rate(1, 4).low, Rate(1, 4).high
    assert low is not None
    assert high is not None
    assert [drawn.low, drawn.high] == pytest.approx([100 * low**0.5, 100 * high**0.5])
    empty = whisker("x", Rate(0, 0), Scale.linear())
    assert (empty.dot, empty.low, empty.share, empty.interval) == (None, None, "-", "-")


def test_a_page_that_cannot_be_written_is_said(tmp_path, quiet):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="page"):
        write_page(pool([quiet]), tmp_path / "file" / "page.html")


def test_campaigns_of_several_runs_are_told_apart(rich):
    page = render_page(pool([rich, rich]))
    assert "8 of 10 campaigns found, 2 false campaigns" in page
    assert all(
        f"run {run}: {name}" in page for run in (1, 2) for name in ("jitter_0", "mixture_50", "r-wrong")
    )


def test_the_command_writes_the_page_and_what_compare_reads(tmp_path, rich):
    results, labels = write_rich_world(tmp_path)
    command = CliRunner()
    page = tmp_path / "pages" / "score.html"
    said = command.invoke(
        app, ["score", str(results), "--labels", str(labels), "--html", str(page), "--json"]
    )
    assert said.exit_code == 0
    assert page.read_text() == render_page(pool([rich]))
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w-1.json").write_text(said.stdout)
    told = command.invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"])
    assert json.loads(told.stdout)["overall"][6]["mean_b"] == 12.5


def test_the_quality_file_of_a_suite_can_be_compared(tmp_path, rich):
    runs = [
        {"world": "w", "seed": 1, "null": False, "detector": name, "score": kept_score(rich)} for name in "ab"
    ]
    (tmp_path / "quality.json").write_text(json.dumps({"runs": runs}))
    found = compare(tmp_path, tmp_path, "a", "b")
    assert [row.mean for row in found.overall[:6]] == [0] * 6
