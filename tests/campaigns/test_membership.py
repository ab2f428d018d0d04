"""What single accounts show: how much of them the templates take, ties, declarations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.members import theirs_alone
from stillwatch.campaigns.membership import (
    LEAST,
    declared_ratios,
    joined_ratios,
    member_probabilities,
    part_odds,
    part_ratios,
    share_ratios,
    tie_ratios,
    use_odds,
)

DEDICATED = np.full(30, 50.0)


def newcomer(uses, total, members=(DEDICATED, DEDICATED)):
    """Ratio of one account beside members that used the templates so often of so many exchanges."""
    all_uses, totals = (
        np.append(column, value) for column, value in zip(members, (uses, total), strict=True)
    )
    new = np.arange(len(totals)) == len(members[0])
    return part_ratios(all_uses, totals, np.where(new, 0.0, 1.0), new)[0]


def test_an_account_that_gives_all_of_its_traffic_is_like_the_members_of_a_dedicated_pool():
    assert newcomer(1, 1) > 1
    assert newcomer(3, 3) > newcomer(1, 1)
    assert newcomer(1, 20) < -3


def test_in_a_reseller_an_account_gives_a_part():
    reseller = (np.full(30, 20.0), np.full(30, 100.0))
    assert newcomer(4, 20, reseller) > newcomer(20, 20, reseller)
    assert newcomer(4, 20, reseller) > newcomer(1, 100, reseller)


@given(st.integers(1, 40), st.integers(1, 40))
def test_more_foreign_traffic_never_makes_a_dedicated_pool_s_account_likelier(uses, rest):
    assert newcomer(uses, uses + rest + 1) <= newcomer(uses, uses + rest) + 1e-9


def test_nothing_is_known_without_members():
    assert part_ratios(np.ones(3), np.ones(3), np.zeros(3), np.array([True, False, True])).tolist() == [0, 0]


def test_odds_of_newcomers_follow_how_many_of_them_belong():
    many, few = np.array([4.0] * 20 + [-6.0] * 2), np.array([4.0] * 2 + [-6.0] * 20)
    assert part_odds(many) > 1 > -1 > part_odds(few)
    assert part_odds(np.array([1.0])) < 3
    assert np.isfinite(part_odds(np.zeros(0)))


def test_a_declared_organisation_is_cleared_unless_it_holds_a_tied_value():
    declared = np.array([True, True, False])
    found = declared_ratios(declared, {"payment": np.array([False, True, False])})
    assert found.tolist() == [LEAST, 0, 0]
    assert declared_ratios(declared, {}).tolist() == [LEAST, LEAST, 0]


def test_a_declaration_outweighs_all_that_tests_can_say():
    families = {name: np.array([50.0]) for name in "abcde"}
    prior = use_odds(np.array([500.0]), 0)
    assert member_probabilities(prior, families)[0] > 0.99
    cleared = {**families, "declared": np.array([LEAST])}
    assert member_probabilities(prior, cleared)[0] < 0.8


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=5))
def test_no_family_convicts_alone(values):
    assert joined_ratios({"a": np.array(values)}, len(values)).max() <= 3


def test_ties_and_shares_move_as_they_should():
    assert np.diff(tie_ratios({"payment": np.array([True, False])}, 2))[0] < 0
    uses, totals = np.array([50.0] * 20 + [2.0]), np.array([50.0] * 20 + [100.0])
    ratios = share_ratios(uses, totals)
    assert ratios[:20].tolist() == [0.0] * 20
    assert ratios[-1] < -3


def test_templates_that_strangers_use_are_not_the_members_alone():
    counts = np.array([[20, 10], [30, 20], [1, 0], [0, 1], [0, 9]])
    member = np.array([True, True, False, False, False])
    assert theirs_alone(counts, member).tolist() == [False, False, True, False, False]


def test_strays_lower_the_odds_of_those_who_used_a_template_once():
    uses = np.array([1.0] * 5 + [30.0] * 40)
    assert use_odds(uses, 5)[0] > use_odds(uses, 200)[0] + 2
    assert use_odds(uses, 200)[-1] == pytest.approx(max(use_odds(uses, 200)))
