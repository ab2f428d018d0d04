import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.exchange.tables import ACCOUNTS
from stillwatch.lab.behaviour.accounts import (
    NEVER,
    PERSON,
    Accounts,
    hex_names,
    machine_profiles,
    open_accounts,
    virtual_cards,
)
from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.behaviour.clocks import DAY

START = 1_772_000_000_000_000
WINDOW = (START, START + 14 * DAY)


def opened(count: int, seed: int = 1) -> Accounts:
    rng = np.random.default_rng(seed)
    catalogue = Catalogue(rng)
    software = catalogue.sdks(count, rng) if seed % 2 else catalogue.browsers(count, rng)
    addresses = [[f"10.0.{n // 250}.{n % 250}"] * int(rng.integers(1, 4)) for n in range(count)]
    return open_accounts(rng, software, addresses, WINDOW)


@given(st.integers(0, 300), st.integers(0, 5))
def test_tables_say_what_the_columns_say(count, seed):
    accounts = opened(count, seed)
    table, render = accounts.table(), accounts.render_table()
    assert table.schema.equals(ACCOUNTS.arrow)
    table.validate(full=True)
    render.validate(full=True)
    rows = render.to_pylist()
    assert table["account_id"].to_pylist() == [row["account_id"] for row in rows] == accounts.account_id
    assert table["created_at"].cast(pa.int64()).to_pylist() == accounts.created_at.tolist()
    banned = table["banned_at"].cast(pa.int64()).to_pylist()
    assert [NEVER if b is None else b for b in banned] == accounts.banned_at.tolist()
    assert table["payment_id"].to_pylist() == accounts.payment_id
    for row, software, addresses in zip(rows, accounts.software, accounts.addresses, strict=True):
        assert row["addresses"] == addresses
        assert (row["agent_before"], row["agent_after"]) == (software.agents[0], software.agents[-1])
        assert row["temperature"] == pytest.approx(software.temperature)
        assert row["ja4"] == software.ja4
        assert row["max_output_tokens"] == software.max_output_tokens
        assert (row["stream"], row["names_sessions"]) == (software.stream, software.sessions)
        assert row["operation"] == software.operation
    for name in ("switched_at", "verbosity", "length_profile", "rotates_every"):
        assert render[name].to_pylist() == getattr(accounts, name).tolist()


@given(st.lists(st.integers(0, 40), max_size=4))
def test_concatenated_accounts_are_the_accounts_of_the_parts_in_order(sizes):
    parts = [opened(size, seed) for seed, size in enumerate(sizes)]
    whole = Accounts.concatenate(parts)
    assert len(whole) == sum(sizes)
    if parts:
        assert whole.table().equals(pa.concat_tables([part.table() for part in parts]))
        expected = pa.concat_tables([part.render_table() for part in parts])
        assert whole.render_table().to_pylist() == expected.to_pylist()
    assert whole.created_at.dtype == np.int64
    assert whole.verbosity.dtype == np.float64


def test_a_column_of_another_length_is_refused_and_one_left_out_is_filled():
    accounts = opened(3)
    lists = {name: getattr(accounts, name) for name in list(Accounts.__dataclass_fields__)[:12]}
    bare = Accounts(**lists)
    assert bare.length_profile.tolist() == [PERSON] * 3
    assert bare.verbosity.tolist() == [1.0] * 3
    assert bare.switched_at.tolist() == [NEVER] * 3
    assert bare.rotates_every.tolist() == [0] * 3
    with pytest.raises(ValueError, match="key_id has 2 entries for 3 accounts"):
        Accounts(**{**lists, "key_id": ["a", "b"]})


def test_names_and_cards_are_unique():
    rng = np.random.default_rng(3)
    names = hex_names(rng, 50_000, 9, "acct_")
    assert len(set(names)) == 50_000
    assert {len(name) for name in names} == {5 + 18}
    cards = virtual_cards(rng, 50_000)
    ordinary = [card for card in opened(500).payment_id if card]
    assert len(set(cards)) == 50_000
    # In a log they cannot be told from any other card.
    assert {len(card) for card in cards} == {len(card) for card in ordinary}


def test_households_share_a_card_and_mostly_an_address_and_strangers_nothing():
    accounts = opened(20_000)
    payment = accounts.payment_id
    pairs = [n for n in range(1, len(payment)) if payment[n] and payment[n] == payment[n - 1]]
    assert 0.018 < len(pairs) / len(payment) < 0.032
    roof = [accounts.addresses[n][0] == accounts.addresses[n - 1][0] for n in pairs]
    assert 0.6 < np.mean(roof) < 0.8
    assert sum(card is None for card in payment) / len(payment) == pytest.approx(0.04, abs=0.01)
    cards = [card for card in payment if card]
    assert len(cards) - len(set(cards)) == pytest.approx(len(pairs), rel=0.1)


def test_verbosity_is_the_told_clipped_log_normal():
    from scipy.stats import kstest, lognorm

    verbosity = opened(20_000).verbosity
    assert verbosity.min() >= 0.3
    assert verbosity.max() <= 5.0
    inner = verbosity[(verbosity > 0.3) & (verbosity < 5.0)]
    low, high = (float(lognorm.cdf(bound, 0.6)) for bound in (0.3, 5.0))
    assert kstest(inner, lambda x: (lognorm.cdf(x, 0.6) - low) / (high - low)).pvalue > 1e-4


def test_machine_profiles_reach_every_profile_and_no_other():
    drawn = machine_profiles(np.random.default_rng(1), 5_000, 37)
    assert drawn.dtype == np.int64
    assert set(drawn.tolist()) == set(range(37))


def test_births_and_bans_lie_where_they_may():
    accounts = opened(20_000)
    assert (accounts.created_at < WINDOW[1]).all()
    banned = accounts.banned_at != NEVER
    assert 0.002 < banned.mean() < 0.012
    assert (accounts.banned_at[banned] >= accounts.created_at[banned] + DAY).all()
    assert (accounts.banned_at[banned] < WINDOW[1]).all()


def test_the_same_chance_gives_the_same_accounts_and_other_chance_others():
    assert opened(400, 4).render_table().equals(opened(400, 4).render_table())
    assert not opened(400, 4).table().equals(opened(400, 6).table())
