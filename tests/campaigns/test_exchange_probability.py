"""Mixtures behind the probabilities of exchanges, on accounts whose truth is drawn."""

import numpy as np
import pytest

from stillwatch.campaigns.cells import Cells, UsualSettings
from stillwatch.campaigns.exchange_probability import Traffic, exchange_probabilities

DAY = 86_400_000_000
OWN, PUBLIC, NONE = 1, 2, 0
"""Templates: of the campaign, which others use seldom; of everybody; none."""


def traffic(rows, others, n_exchanges=50_000):
    """Cells from (account, template, setting, exchanges), and settings of other accounts, one each."""
    account, prompt, setting, n = (np.array(column) for column in zip(*rows, strict=True))
    names = np.array([f"account {i:03d}" for i in range(account.max() + 1)])
    day = np.zeros(len(rows), dtype=np.int64)
    cells = Cells(
        accounts=names,
        entities=names,
        templates=np.array(["", "own", "public"]),
        settings=np.array([f"setting {i}" for i in range(6)]),
        account=account,
        prompt=prompt,
        system=np.zeros_like(prompt),
        setting=setting,
        n=n.astype(float),
        first=day,
        last=day + DAY,
    )
    ids = np.arange(len(others))
    usual = UsualSettings(
        np.array([f"other {i:04d}" for i in ids]),
        ids,
        np.asarray(others),
        np.full(len(ids), 20.0),
        np.zeros(len(ids), dtype=np.int64),
        np.full(len(ids), DAY),
    )
    return Traffic(cells, usual, float(n_exchanges))


def probabilities(given, n_members):
    member = np.arange(len(given.cells.accounts)) < n_members
    core = given.cells.touching(["own"])
    found = exchange_probabilities(given, core, member, member)
    return {
        (int(given.cells.account[cell]), int(given.cells.prompt[cell]), int(given.cells.setting[cell])): p
        for cell, p in zip(found.cell.tolist(), found.given_member.tolist(), strict=True)
    }, found


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def test_cover_in_the_pool_s_settings_is_the_pool_s(rng):
    rows = [row for a in range(40) for row in ((a, OWN, 0, 30), (a, NONE, 0, int(rng.integers(3, 20))))]
    found, _ = probabilities(traffic(rows, rng.integers(0, 6, 300)), 40)
    assert min(found.values()) > 0.9


def test_customers_with_settings_of_their_own_are_not(rng):
    rows = []
    for a in range(40):
        rows.append((a, OWN, 0, 30))
        for setting, n in enumerate(rng.multinomial(60, np.full(6, 1 / 6))):
            if n:
                rows.append((a, NONE, setting, int(n)))
    found, _ = probabilities(traffic(rows, rng.integers(0, 6, 300)), 40)
    assert max(p for (_, prompt, _), p in found.items() if prompt == NONE) < 0.01
    assert min(p for (_, prompt, _), p in found.items() if prompt == OWN) > 0.99


def test_a_house_rule_for_the_limit_does_not_hide_customers_with_other_models(rng):
    """Nobody else has the reseller's settings; half of its customers ask for the campaign's model."""
    rows = []
    for a in range(40):
        rows += [(a, OWN, 0, 30), (a, NONE, 0, 35), (a, NONE, 1, 35)]
    found, _ = probabilities(traffic(rows, np.full(300, 5)), 40)
    assert max(p for (_, prompt, _), p in found.items() if prompt == NONE) < 0.01


@pytest.mark.parametrize("n_members", [40, 400])
def test_where_all_have_one_setting_nobody_is_dedicated_and_the_interval_says_so(n_members):
    rows = [row for a in range(n_members) for row in ((a, OWN, 0, 30), (a, NONE, 0, 60))]
    found, whole = probabilities(traffic(rows, np.zeros(300, dtype=int)), n_members)
    assert max(p for (_, prompt, _), p in found.items() if prompt == NONE) < 0.5
    if n_members == 40:
        assert whole.dedicated_most[:40].min() > 0.1


def test_few_dedicated_members_are_told_from_many_shared_ones(rng):
    rows = []
    for a in range(40):
        rows.append((a, OWN, 0, 30))
        rows += [(a, NONE, 0, 50)] if a < 12 else [(a, NONE, s, 10) for s in range(6)]
    _, whole = probabilities(traffic(rows, rng.integers(0, 6, 300)), 40)
    assert whole.dedicated[:12].min() > 0.8
    assert whole.dedicated[12:40].max() < 0.01


def test_honest_use_of_a_template_lowers_the_probability_and_unfound_accounts_do_not():
    members = [row for a in range(20) for row in ((a, OWN, 0, 1), (a, NONE, 0, 9))]
    everybody = [(a, OWN, 0, 1) for a in range(20, 1_020)]
    few = [(a, OWN, 0, 500) for a in range(20, 22)]
    wide, _ = probabilities(traffic([*members, *everybody], [0] * 50, 10_000), 20)
    narrow, _ = probabilities(traffic([*members, *few], [0] * 50, 10_000), 20)
    assert wide[0, OWN, 0] < narrow[0, OWN, 0] - 0.05
    assert narrow[0, OWN, 0] > 0.95


def test_probabilities_of_drawn_exchanges_are_what_happens(rng):
    """The campaign's template has honest use of one in twenty in everybody's traffic, and in the members' own rest."""
    rows, ours = [], {}
    for a in range(200):
        n, share = int(rng.integers(20, 60)), rng.uniform(0.02, 0.3)
        campaign = rng.binomial(n, share)
        honest = rng.binomial(n - campaign, 0.05)
        rest = n - campaign - honest
        if campaign + honest:
            rows.append((a, OWN, 0, campaign + honest))
            ours[a] = campaign / (campaign + honest), campaign + honest
        rows.append((a, NONE, 0, rest))
    rows += [(a, OWN, 0, 1) for a in range(200, 1_200)]
    found, _ = probabilities(traffic(rows, [0] * 50, 20_000 + int(sum(row[3] for row in rows[:400]))), 200)
    predicted = sum(found[a, OWN, 0] * n for a, (_, n) in ours.items())
    true = sum(share * n for share, n in ours.values())
    assert predicted == pytest.approx(true, rel=0.1)
    low, high = (
        [(found[a, OWN, 0], share) for a, (share, n) in ours.items() if (found[a, OWN, 0] < 0.75) == below]
        for below in (True, False)
    )
    assert np.mean([p for p, _ in low]) < np.mean([p for p, _ in high])
    assert np.mean([s for _, s in low]) < np.mean([s for _, s in high])
