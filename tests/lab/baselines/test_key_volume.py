"""Volume per key, by hand and against a count of every window."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stillwatch.lab.baselines.key_volume import _hit, run
from stillwatch.lab.baselines.reading import reading
from stillwatch.lab.baselines.registry import named, read_settings

START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)


def settings(**given):
    return read_settings(named("key_volume"), given)


def hit(found):
    return set(found.members["account_id"].to_pylist())


def test_a_sliding_hour_and_an_hour_by_the_clock(make_dataset):
    # Four calls raise the alarm. Minutes of the calls after midnight:
    #   across:  50 55 65 109   within 50..109 = 59 minutes all four; by the clock 2 before and 2 after one o'clock
    #   exactly: 0 1 2 60       the fourth comes 60 minutes after the first: three in any hour, sliding or by the clock
    #   clock:   60 61 62 119   four between one and two
    minutes = {"across": (50, 55, 65, 109), "exactly": (0, 1, 2, 60), "clock": (60, 61, 62, 119)}
    rows = [{"account_id": a, "key_id": f"k-{a}", "seconds": 60 * m} for a, ms in minutes.items() for m in ms]
    dataset = make_dataset(rows)
    found = run(dataset, settings(calls=4))
    assert hit(found) == {"across", "clock"}
    # The alarm is raised with the fourth call.
    assert found.flagged_at == {
        "key_volume-across": START + dt.timedelta(minutes=109),
        "key_volume-clock": START + dt.timedelta(minutes=119),
    }
    assert hit(run(dataset, settings(calls=4, window="clock"))) == {"clock"}


def test_keys_models_and_failures_are_counted_apart(make_dataset):
    # Three calls raise the alarm. Each account makes four within four seconds.
    rows = []
    for n in range(4):
        rows += [
            {"account_id": "one key", "key_id": "k", "model": "heron"},
            {"account_id": "two keys", "key_id": f"k{n % 2}", "model": "heron"},  # 2 a key
            {"account_id": "two models", "key_id": "m", "model": f"heron-{n % 2}"},  # 2 a model
            {"account_id": "no key", "model": "heron"},
            {"account_id": "refused", "key_id": "r", "status": 429 if n % 2 else 200},  # 2 answered
        ]
    dataset = make_dataset(rows)
    assert hit(run(dataset, settings(calls=3))) == {"one key", "two models", "no key"}
    assert hit(run(dataset, settings(calls=3, by_model="yes"))) == {"one key", "no key"}
    assert hit(run(dataset, settings(calls=3, per="account"))) == {
        "one key",
        "two keys",
        "two models",
        "no key",
    }


def test_one_key_in_two_accounts_is_two_keys(make_dataset):
    # A keyed hash may collide with nobody's, but a log may name keys by number: 2 calls each, 4 together.
    rows = [{"account_id": a, "key_id": "1"} for a in "abab"]
    assert hit(run(make_dataset(rows), settings(calls=3))) == set()


@hypothesis_settings(max_examples=40)
@given(
    calls=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(0, 40)), max_size=40),
    least=st.integers(1, 6),
    window=st.sampled_from(["sliding", "clock"]),
)
def test_agrees_with_a_count_of_every_window(calls, least, window):
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE exchanges (account_id VARCHAR, key_id VARCHAR, model VARCHAR, ts TIMESTAMPTZ, status INT)"
        )
        # Seconds 7 apart, so that minutes have 8 or 9 of them and windows end between calls and at them.
        rows = [(a, k, "m", START + dt.timedelta(seconds=7 * t), None) for a, k, t in calls]
        if rows:
            connection.executemany("INSERT INTO exchanges VALUES (?, ?, ?, ?, ?)", rows)
        found = _hit(connection, settings(calls=least, minutes=1, window=window))["account_id"].to_pylist()
    expected = set()
    for account, key, t in calls:
        # Any busiest window can be moved until it ends with a call.
        ends = 7 * t
        starts = ends - ends % 60 if window == "clock" else ends - 59.999
        inside = [1 for a, k, u in calls if (a, k) == (account, key) and starts <= 7 * u <= ends]
        if len(inside) >= least:
            expected.add(account)
    assert found == sorted(expected)


def test_reads_what_a_dataset_may_lack(make_dataset):
    with reading(make_dataset([{"account_id": "a"}])) as connection:
        assert connection.sql("SELECT key_id, status FROM exchanges").fetchall() == [(None, None)]
        assert connection.sql("SELECT COUNT(*) FROM accounts").fetchall() == [(0,)]


@pytest.mark.parametrize("window", ["sliding", "clock"])
def test_an_empty_dataset_has_nobody(window, make_dataset):
    assert hit(run(make_dataset([]), settings(window=window))) == set()
