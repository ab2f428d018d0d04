"""Families alone and left out: the whole is what a scan says, and each switch does what the scan's own does."""

from pathlib import Path

import pytest
from tests.end_to_end.worlds import WORLD

from benchmarks import ablation as bench
from stillwatch.campaigns.families import FAMILIES, HANDS, RHYTHM, SHAPE, TASKS, TOPICS
from stillwatch.campaigns.tables import Rung
from stillwatch.lab.ablation import Effect, JudgedWorld, _without, alone, left_out, read_tested, unexplained
from stillwatch.lab.score import score
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suites.readme import ABLATION
from stillwatch.lab.targets.adaptivity import Side
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("ablation") / "w-3"
    world = simulate(WORLD, 3, made / "world")
    settings = load_settings(None, {"key_file": made / "key"})
    scan(ScanRequest((str(world.dataset),), keep_steps=True), made / "out", settings)
    return made


def judged_anew(folder: Path, *without: str) -> JudgedWorld:
    labels = folder / "world" / "labels.parquet"
    return read_tested(folder / "out" / "steps", labels, load_settings(None, {}), without)


@pytest.fixture(scope="module")
def world(folder):
    return judged_anew(folder)


def test_with_every_family_it_is_what_the_scan_said(folder: Path, world: JudgedWorld):
    said = score(folder / "out", folder / "world" / "labels.parquet")
    assert [campaign.found for campaign in said.campaigns] == [True]
    whole = left_out(world, ())
    assert whole.found == {Side.STATIC: Rate(1, 1), Side.ADAPTIVE: Rate(0, 0)}
    assert (whole.accused, whole.false) == (said.benign, len(said.false_campaigns))
    assert whole.shaped == (said.campaigns[0].rung == Rung.TRAINING_SHAPED)


@pytest.mark.parametrize("families", [(*HANDS, RHYTHM), (TASKS,)])
def test_leaving_out_is_what_the_tests_themselves_do_with_it(
    folder: Path, world: JudgedWorld, families: tuple[str, ...]
):
    """Against a run of all tests in which the families are switched off before."""
    anew = judged_anew(folder, *families)
    assert len(anew.groups) == len(world.groups)
    for mine, theirs in zip(world.groups, anew.groups, strict=True):
        switched = _without(mine.tests, families)
        assert switched.rung_log_e == pytest.approx(dict(theirs.tests.rung_log_e))
        assert {f.family for f in switched.findings} == {f.family for f in theirs.tests.findings}
    assert left_out(world, families) == left_out(anew, families)


def test_a_family_that_cannot_convict_alone_does_not(world: JudgedWorld):
    """Its e-value is bounded by the share of legitimate templates that have a training form."""
    assert alone(world, SHAPE).found[Side.STATIC] == Rate(0, 1)


def test_a_single_family_accuses_more_than_all_together_find(world: JudgedWorld):
    whole = left_out(world, ())
    effects = {family: alone(world, family) for family in FAMILIES}
    assert effects[TOPICS].found[Side.STATIC] == effects[TASKS].found[Side.STATIC] == Rate(1, 1)
    assert sum(effect.accused.hits for effect in effects.values()) > whole.accused.hits == 0
    assert unexplained(world).accused.hits >= whole.accused.hits


def test_effects_of_several_worlds_add_up():
    one = Effect({Side.STATIC: Rate(1, 2), Side.ADAPTIVE: Rate(0, 1)}, Rate(3, 100), 1, 1)
    other = Effect({Side.STATIC: Rate(2, 2), Side.ADAPTIVE: Rate(0, 0)}, Rate(0, 50), 2, 0)
    assert Effect.add([one, other]) == Effect(
        {Side.STATIC: Rate(3, 4), Side.ADAPTIVE: Rate(0, 1)}, Rate(3, 150), 3, 1
    )


def test_the_bench_prints_a_row_for_every_family_and_fills_its_place(folder: Path, tmp_path: Path, capsys):
    page = tmp_path / "page.md"
    page.write_text(f"a\n{ABLATION.begin}\n{ABLATION.end}\nb\n")
    bench.main(["--scanned", str(folder.parent)], tmp_path / "out", page)
    text = page.read_text()
    rows = [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines() if line.startswith("| ")]
    assert rows[2:] == ["every family", *FAMILIES, "every shared attribute", "innocent explanations"]
    assert "Simulations: `w-3`." in text
    assert "1 of 1 (2.5 to 100 %)" in text
    assert "every shared attribute" in capsys.readouterr().out
