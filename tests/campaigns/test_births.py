"""Births after bans: fires on a pool that is refilled, silent on clocks, clumps and lone bans."""

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns.births import Lives, births_after_bans_test, words
from stillwatch.campaigns.sample import DAY_US, HOUR_US
from tests.campaigns.lab_worlds import labelled, simulated, with_entities

CAMPAIGN = {"accounts": 60, "start_day": 2.0, "days": 16.0, "per_day": 4.0, "dispatch": "random"}
START = 1_780_272_000_000_000


def lives_of(dataset, folder):
    engine = with_entities(dataset, folder)
    lives = Lives.from_tables(engine.table("accounts"), engine.table("account_entities"))
    engine.close()
    return lives


def everyone(lives):
    return lives.everyone_banned


@pytest.mark.parametrize("infrastructure", ["dirty", "clean"])
def test_fires_on_a_simulated_pool_that_is_refilled(infrastructure, tmp_path):
    dataset = simulated({**CAMPAIGN, "bans_per_day": 0.06, "infrastructure": infrastructure}, tmp_path)
    lives = lives_of(dataset, tmp_path / "steps")
    born, banned = lives.of(lives.places_of(labelled(dataset)))
    found = births_after_bans_test(born, banned, everyone(lives))
    assert found.log_e > np.log(100)
    assert found.followed > 1.3 * found.expected
    said = words(found)
    assert f"{found.followed} of {found.n_waves}" in said.words
    assert said.log_e == found.log_e
    people = set(lives.entity.tolist()) - labelled(dataset)
    born, banned = lives.of(lives.places_of(people))
    assert births_after_bans_test(born, banned, everyone(lives)).log_e < np.log(20)


def test_evaded_by_a_stock_that_was_opened_beforehand(tmp_path):
    """The docstring says so: the same bans, with the replacements opened weeks ago."""
    dataset = simulated({**CAMPAIGN, "bans_per_day": 0.06}, tmp_path)
    lives = lives_of(dataset, tmp_path / "steps")
    born, banned = lives.of(lives.places_of(labelled(dataset)))
    stock = np.sort(np.where(born > banned.min(), born - 30 * DAY_US, born))
    assert births_after_bans_test(stock, banned, everyone(lives)).log_e < np.log(20)


def at_clock(rng, n, hours, days=28):
    """Moments on random days, at hours of the day drawn from `hours`."""
    return np.sort(
        START
        + rng.integers(0, days, n) * DAY_US
        + ((rng.choice(hours, n) + rng.random(n)) * HOUR_US).astype(int)
    )


def anywhere(rng):
    """Bans and births at any hour."""
    return at_clock(rng, 30, range(24)), at_clock(rng, 60, range(24))


def office_hours(rng):
    """The operator bans in the morning, the group opens its accounts before noon, every day."""
    return at_clock(rng, 30, (8, 9)), at_clock(rng, 60, (9, 10, 11))


def one_batch_a_day(rng):
    """Bans by a nightly job; births at night."""
    bans = START + np.arange(28) * DAY_US + 2 * HOUR_US + rng.integers(0, 600, 28) * 1_000_000
    return bans, at_clock(rng, 60, (2, 3, 4, 5))


def clumped_births(rng):
    """Offices open twenty accounts in two hours; bans fall anywhere."""
    mornings = at_clock(rng, 6, range(7, 12))
    born = (mornings[:, None] + rng.integers(0, 2 * HOUR_US, (6, 20))).ravel()
    return at_clock(rng, 12, range(24)), np.sort(born)


def bursts_of_bans(rng):
    """The operator sweeps: ten bans in an hour, a few times."""
    sweeps = at_clock(rng, 8, range(8, 18))
    bans = (sweeps[:, None] + rng.integers(0, HOUR_US, (8, 10))).ravel()
    return np.sort(bans), at_clock(rng, 60, range(24))


def few(rng):
    """One ban, one weekend of births."""
    return at_clock(rng, 1, range(24), 3), at_clock(rng, 40, range(9, 23), 3)


@pytest.mark.parametrize(
    "innocents", [anywhere, office_hours, one_batch_a_day, clumped_births, bursts_of_bans, few]
)
@pytest.mark.parametrize("others", [0, 200])
def test_calibrated_on_innocents(innocents, others):
    high, mean = 0, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        bans, born = innocents(rng)
        # The operator bans everybody by one clock, which few bans of others show badly.
        like, _ = innocents(rng)
        clock = np.sort(np.concatenate([bans, rng.choice(like, others)]))
        found = births_after_bans_test(born, bans, clock)
        high += found.log_e >= np.log(20)
        mean.append(np.exp(min(found.log_e, 10)))
    # 15 of 300 are allowed on average; an e-value has mean 1 at most.
    assert high <= 9
    assert np.mean(mean) < 2


def test_grows_with_the_bans():
    def median(n):
        found = []
        for seed in range(5):
            rng = np.random.default_rng(seed)
            bans = at_clock(rng, n, range(24), 60)
            born = np.sort(bans + rng.integers(0, 4 * HOUR_US, n))
            found.append(births_after_bans_test(born, bans, bans).log_e)
        return float(np.median(found))

    assert 0 < median(10) < median(30) < median(60)


def test_declared_organisations_and_unknown_moments_are_left_out():
    moment = pa.timestamp("us", tz="UTC")
    accounts = pa.table(
        {
            "account_id": ["a", "b", "c", "never used"],
            "created_at": pa.array([1, None, 3, 4], moment),
            "banned_at": pa.array([None, 2, 3, 4], moment),
        }
    )
    entities = pa.table({"account_id": ["a", "b", "c"], "entity": ["a", "b", "a firm"]})
    lives = Lives.from_tables(accounts, entities)
    assert sorted(lives.entity.tolist()) == ["a", "b"]
    places = lives.places_of(["a", "b", "c", "a firm", "b"])
    assert places.tolist() == [0, 1, -1, -1, 1]
    born, banned = lives.of(places)
    assert born.tolist() == [1]
    assert banned.tolist() == [2]


def test_nothing_known_says_nothing():
    nothing = np.zeros(0, np.int64)
    some = np.array([START], np.int64)
    for born, banned in ((nothing, nothing), (some, nothing), (nothing, some)):
        assert births_after_bans_test(born, banned, banned).log_e == 0.0


def test_births_long_before_say_nothing():
    some = np.arange(5) * 7 * HOUR_US + START
    assert births_after_bans_test(some - 100 * DAY_US, some, some).log_e == 0.0
