"""The tuned attacker: his search on landscapes that are known, and one real trial."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.lab.campaigns_by_hand import wage

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.adversary import KNOBS, Attack, proposed, settled, tune_attacker
from stillwatch.lab.adversary_trials import Outcome, Scanned, Trial, expected_price, useful_share, world_text
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.worldfile import read_world

ATTACK = Attack("first", (3, 4), 40, "tiny")


def told(calls):
    """The landscape, which writes down what it was asked."""

    def evaluate(settings, seed):
        calls.append((settings, seed))
        return landscape(settings, seed)

    return evaluate


def landscape(settings, seed):
    """Every third of the knobs that stands at its last value hides a part; proxies are beyond the price."""
    hidden = sum(
        settings.get(knob.name) == knob.values[-1]
        for knob in KNOBS[1:]
        if knob.name in ("wording", "topics", "hours")
    )
    price = 900.0 if settings["infrastructure"] == "proxied" else 100.0
    flagged = 0.0 if settings["infrastructure"] == "proxied" else 0.9 - 0.3 * hidden
    return Outcome(max(flagged, 0.0) + seed / 1000, 10.0, price, 5.0)


def test_the_search_finds_what_hides_within_the_price(tmp_path):
    tuned = tune_attacker(ATTACK, tmp_path, evaluate=landscape)
    assert len(tuned.trials) == 40
    best = tuned.best
    assert best.outcome.flagged < 0.05
    assert best.outcome.price_eur == 100
    assert best.settings["wording"] == "exchange"
    assert best.settings["kind"] == "disguise"
    assert any(trial.outcome.flagged == 0.0035 and trial.outcome.price_eur == 900 for trial in tuned.trials)
    assert (tmp_path / "attacker.toml").read_text() == tuned.world
    assert read_world(tmp_path / "attacker.toml").campaigns[0].values["wording"] == "exchange"


def test_with_nothing_flagged_the_cheaper_one_wins_and_with_all_flagged_the_weaker_evidence(tmp_path):
    def cheap(settings, seed):
        return Outcome(0.0, 0.0, float(settings["per_day"]), 0.0)

    def weak(settings, seed):
        return Outcome(1.0, 100 - float(settings["per_day"]), 5.0, 0.0)

    assert tune_attacker(ATTACK, tmp_path / "a", evaluate=cheap).best.settings["per_day"] == 3.0
    assert tune_attacker(ATTACK, tmp_path / "b", evaluate=weak).best.settings["per_day"] == 24.0


def test_nothing_is_tried_twice_and_every_try_is_a_world_that_can_be_read(tmp_path):
    trials: list[Trial] = []
    for _ in range(30):
        settings = proposed(ATTACK, trials)
        trials.append(Trial(settings, landscape(settings, 3)))
        file = tmp_path / "world.toml"
        file.write_text(world_text("first", settings))
        (campaign,) = read_world(file).campaigns
        assert all(campaign.values[name] == value for name, value in settings.items() if name != "kind")
    texts = [json.dumps(trial.settings, sort_keys=True) for trial in trials]
    assert len(set(texts)) == 30
    assert Counter(trial.settings["kind"] for trial in trials).keys() == {"hydra", "disguise"}


def test_what_does_not_matter_is_left_out():
    assert "cover_share" not in settled({"kind": "disguise"})
    assert settled({"kind": "disguise", "cover": "chat"})["cover_share"] == 0.3
    assert "dispatch" not in settled({"kind": "disguise", "dispatch": "random"})
    assert "topics" not in settled({"kind": "hydra", "topics": 12})
    assert "variants" not in settled({"wording": "exchange"})


def test_an_interrupted_search_goes_on_and_ends_the_same(tmp_path):
    whole = tune_attacker(ATTACK, tmp_path / "whole", evaluate=landscape)
    calls = []

    def failing(settings, seed):
        calls.append(settings)
        if len(calls) == 21:
            raise KeyboardInterrupt
        return landscape(settings, seed)

    with pytest.raises(KeyboardInterrupt):
        tune_attacker(ATTACK, tmp_path / "cut", evaluate=failing)
    log = tmp_path / "cut" / "trials.jsonl"
    assert len(log.read_text().splitlines()) == 10  # two seeds each
    with log.open("a") as stream:
        stream.write('{"of": "cut o')
    calls.clear()
    again = tune_attacker(ATTACK, tmp_path / "cut", evaluate=told(calls))
    assert again == whole
    assert len(calls) == 2 * 30
    assert log.read_bytes() == (tmp_path / "whole" / "trials.jsonl").read_bytes()


def test_trials_of_other_seeds_do_not_count(tmp_path):
    tune_attacker(replace(ATTACK, budget=2), tmp_path, evaluate=landscape)
    calls: list[Any] = []
    other = replace(ATTACK, budget=2, seeds=(9,))
    tune_attacker(other, tmp_path, evaluate=told(calls))
    assert [seed for _, seed in calls] == [9, 9]


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (replace(ATTACK, budget=0), "budget = 0"),
        (replace(ATTACK, seeds=()), "no seed"),
        (replace(ATTACK, seeds=(-1,)), "seed = -1"),
        (replace(ATTACK, scale="huge"), "scale = 'huge'"),
    ],
)
def test_an_attack_that_is_not_allowed_is_refused_before_anything_is_written(tmp_path, attack, words):
    with pytest.raises(UsageError, match=words):
        tune_attacker(attack, tmp_path / "out", evaluate=landscape)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "disguise", "cover": "chat", "cover_share": 0.6, "follow_ups": 0.3, "own_repeats": 0.1},
        {"kind": "disguise", "follow_ups": 0.6, "sitting": 15.0},
        {"kind": "hydra", "planted": 0.25, "again": 0.1},
    ],
)
def test_the_useful_share_is_what_a_campaign_really_asks_anew(given):
    settings: dict[str, Any] = {**settled(given)}
    waged = wage(**{"accounts": 80, "first": "reasoning", **settings})
    work = np.flatnonzero(waged.rows.answer == KINDS.index("reasoning"))
    new = len(set(waged.rows.prompt.item[work].tolist()))
    assert abs(new / len(waged.rows) - useful_share(settings)) < 0.05


def test_whoever_is_hidden_tries_the_cheapest_change_next():
    trials = [Trial(settled({"kind": kind}), Outcome(0.0, 0.0, 200.0, 0.0)) for kind in ("hydra", "disguise")]
    while len(trials) < 2 + ATTACK.budget // 3:
        trials.append(Trial(proposed(ATTACK, trials), Outcome(0.5, 3.0, 100.0, 0.0)))
    following = proposed(ATTACK, trials)
    assert expected_price(following) < 0.7 * expected_price(trials[0].settings)


def test_the_expected_price_is_about_what_the_conduct_asks():
    both: list[dict[str, Any]] = [
        {"kind": "disguise", "infrastructure": "dirty"},
        {"kind": "hydra", "per_day": 6.0},
    ]
    for given in both:
        settings: dict[str, Any] = {**settled(given)}
        waged = wage(**{"accounts": 80, "first": "reasoning", "days": 7.0, **settings})
        useful = len(waged.rows) * useful_share(settings)
        real = 1000 * waged.traffic.cost.money_eur / useful
        assert 0.7 < expected_price(settings) / real < 1.3


def test_a_real_trial_simulates_scans_and_scores(tmp_path):
    outcome = Scanned("first", "tiny", tmp_path)(settled({"kind": "hydra", "infrastructure": "dirty"}), 2)
    assert 0 <= outcome.flagged <= 1
    assert outcome.price_eur > 0
    assert (outcome.evidence > 0) == (outcome.flagged > 0)
    assert list(tmp_path.iterdir()) == [], "worlds are deleted"
