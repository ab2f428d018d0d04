"""Long answers that nobody follows up: fires on a simulated campaign, silent on the rest of its traffic."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stillwatch.campaigns.output_maximisation import (
    BINS_A_DOUBLING,
    LEVEL,
    OUTPUTS_STEP,
    USERS_STEP,
    TemplateScores,
    output_maximisation_test,
    words,
)
from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Run
from tests.campaigns.lab_worlds import SETTING, labelled, signals_of, simulated, users_of_shared_templates

OFFICES = (
    SETTING
    + """
[[population]]
kind = "enterprise"
groups = 20
accounts = 7
exchanges = 160
declared = "no"

[[population]]
kind = "outsourcing"
groups = 14
accounts = 7
per_day = 2.0
"""
)
CAMPAIGN = {"accounts": 20, "start_day": 3.0, "days": 6.0, "per_day": 8.0, "first": "agentic_coding"}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    folder = tmp_path_factory.mktemp("town")
    dataset = simulated(CAMPAIGN, folder, setting=OFFICES)
    signals = signals_of(dataset, folder / "steps")
    theirs = users_of_shared_templates(signals, labelled(dataset))
    return signals, set(theirs.column("prompt_template").to_pylist())


def scores_of(signals, folder):
    engine = DuckdbEngine(folder, "1GB", 1)
    engine.put("signals", signals)
    Run(engine, lambda *report: None, 50).steps([USERS_STEP, OUTPUTS_STEP])
    scores = TemplateScores.from_table(engine.table("template_outputs"))
    engine.close()
    return scores


def test_fires_on_a_simulated_campaign_and_hardly_on_others(town, tmp_path):
    signals, theirs = town
    scores = scores_of(signals, tmp_path)
    found = output_maximisation_test(scores.of(theirs), scores.without(theirs))
    assert found.n_reference >= 19
    assert found.log_e >= np.log(20)
    assert found.score is not None
    assert found.usual is not None
    assert found.score > 2 * found.usual
    assert f"is {found.score:.0f} tokens" in words(found).words
    others = [name for name in scores.templates.tolist() if name not in theirs]
    high = [
        output_maximisation_test(scores.of([name]), scores.without({name} | theirs)).log_e > 0
        for name in others
    ]
    assert np.mean(high) <= 0.1


def test_evaded_by_a_third_of_short_answers(town, tmp_path):
    signals, theirs = town
    mine = pc.is_in(signals.column("prompt_template"), pa.array(sorted(theirs)))
    rng = np.random.default_rng(0)
    short = pc.and_(mine, pa.array(rng.random(len(signals)) < 0.35))
    outputs = pc.if_else(short, pa.scalar(4, pa.int32()), signals.column("output_tokens"))
    at = signals.schema.get_field_index("output_tokens")
    scores = scores_of(signals.set_column(at, "output_tokens", outputs), tmp_path)
    assert output_maximisation_test(scores.of(theirs), scores.without(theirs)).log_e < 0


def test_without_lengths_or_turns_nothing_is_said(town, tmp_path):
    signals, theirs = town
    at = signals.schema.get_field_index("n_messages")
    bare = signals.set_column(at, "n_messages", pa.nulls(len(signals), pa.int32()))
    scores = scores_of(bare, tmp_path)
    found = output_maximisation_test(scores.of(theirs), scores.without(theirs))
    assert found.log_e == 0.0
    assert "nothing is known" in words(found).words


def test_calibrated_on_innocents():
    """Any law of scores, ties included: the event comes with its probability at most."""
    rng = np.random.default_rng(1)
    for draw in (rng.lognormal, rng.random, lambda size: np.floor(rng.lognormal(size=size) * 3)):
        for n in (20, 37, 80):
            values = draw(size=(2_000, n))
            log_e = np.array([output_maximisation_test(float(v[0]), v[1:]).log_e for v in values])
            assert (log_e >= np.log(20) - 1e-9).mean() <= LEVEL + 3 * np.sqrt(LEVEL / 2_000)
            assert np.exp(log_e).mean() <= 1.3


def test_a_fifth_of_campaigns_in_the_traffic_does_not_silence_it_once_they_are_judged_dealt():
    rng = np.random.default_rng(2)
    honest, campaigns = rng.lognormal(3.5, 0.8, 80), rng.lognormal(5.8, 0.3, 20)
    names = np.array([f"honest {i}" for i in range(80)] + [f"campaign {i}" for i in range(20)])
    scores = TemplateScores(names, np.concatenate([honest, campaigns]), np.full(100, 60.0), np.arange(100))
    dealt = {f"campaign {i}" for i in range(20)}
    loud = [
        output_maximisation_test(scores.of([name]), scores.without(dealt)).log_e > 0 for name in sorted(dealt)
    ]
    assert np.mean(loud) > 0.8
    assert output_maximisation_test(scores.of(["campaign 3"]), scores.without(["campaign 3"])).p_value > LEVEL


def outputs_table(rows):
    return pa.table(
        dict(
            zip(("template_id", "entity", "single", "length_bin", "n"), zip(*rows, strict=True), strict=True)
        )
    )


def test_scores_against_their_definition():
    bin_of = {tokens: int(BINS_A_DOUBLING * np.log2(1 + tokens)) for tokens in (7, 63, 511)}
    rows = [("long", f"e{i}", True, bin_of[511], 20) for i in range(5)]
    rows += [("talk", f"f{i}", True, bin_of[511], 5) for i in range(5)]
    rows += [("talk", f"f{i}", False, bin_of[511], 15) for i in range(5)]
    rows += [("short", f"g{i}", True, bin_of[7 if i < 2 else 63], 20) for i in range(5)]
    rows += [("rare", f"h{i}", True, bin_of[63], 2) for i in range(5)]
    rows += [("few", f"k{i}", True, bin_of[63], 90) for i in range(3)]
    scores = TemplateScores.from_table(outputs_table(rows))
    assert dict(zip(scores.templates.tolist(), scores.scores.tolist(), strict=True)) == pytest.approx(
        {"long": 511, "short": 7, "talk": 511 / 4}
    )
    assert scores.of(["rare"]) is None
    assert len(scores.without(["long"])) == 2


def test_templates_of_the_same_users_are_one_hand():
    rows = [(f"sheet {s}", f"e{i}", True, 40, 20) for s in range(6) for i in range(6)]
    rows += [("other", f"o{i}", True, 50, 20) for i in range(6)]
    scores = TemplateScores.from_table(outputs_table(rows))
    assert len(np.unique(scores.hand)) == 2
    assert len(scores.without([])) == 2
    assert len(scores.without(["sheet 1"])) == 1


def test_an_empty_table_gives_no_scores():
    empty = outputs_table([("t", "e", True, 4, 1)]).slice(0, 0)
    scores = TemplateScores.from_table(empty)
    assert len(scores.scores) == 0
    assert scores.of(["t"]) is None
    assert output_maximisation_test(None, scores.without([])).log_e == 0.0
