"""Labels, campaigns with their price, and replacements are written apart; each must say what the others say."""

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.exchange.tables import LABELS
from stillwatch.lab import simulate as simulation_module
from stillwatch.lab.simulate import simulate
from stillwatch.lab.truth import REPLACEMENTS, SCENARIOS
from stillwatch.lab.worldfile import make_world

SETTINGS = {
    "world": {"days": 6, "release_day": 4.0},
    "population": [
        {"kind": "chat_users", "accounts": 120, "per_day": 1.0},
        {"kind": "reseller", "name": "unofficial_reseller", "accounts": 12},
    ],
    "campaign": [
        {
            "kind": "hydra",
            "name": "burning",
            "family": "bans",
            "dose": 0.6,
            "accounts": 60,
            "groups": 2,
            "start_day": 0.5,
            "days": 4,
            "per_day": 15,
            "bans_per_day": 0.6,
        },
        {
            "kind": "hydra",
            "name": "calm",
            "infrastructure": "clean",
            "accounts": 20,
            "start_day": 1.0,
            "days": 3,
            "per_day": 10,
            "first": "rubric",
        },
        {
            "kind": "reseller_mixture",
            "name": "mixed",
            "host": "unofficial_reseller",
            "start_day": 1.0,
            "days": 4,
        },
    ],
}


@pytest.fixture(scope="module")
def world():
    return make_world(SETTINGS, "truths", "w.toml")


@pytest.fixture(scope="module")
def made(world, tmp_path_factory):
    """Rendered in several parts, so that what is counted is counted over all of them."""
    out = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_module, "_SLICE", 700)
        return out, simulate(world, 5, out)


@pytest.fixture(scope="module")
def sql(made):
    out, _ = made
    connection = duckdb.connect()
    for name in ("labels", "scenarios", "replacements", "dataset/accounts"):
        connection.execute(f"create view {name.split('/')[-1]} as select * from '{out}/{name}.parquet'")
    connection.execute(
        f"create view exchanges as select * from read_parquet('{out}/dataset/exchanges/*.parquet')"
    )
    connection.execute(
        "create view everything as select e.*, l.campaign_id, l.stratum "
        "from exchanges e join labels l using (exchange_id, account_id)"
    )
    return lambda query: connection.execute(query).fetchall()


def test_every_exchange_has_one_label_in_the_same_order(made, sql):
    out, told = made
    assert len(list((out / "dataset" / "exchanges").iterdir())) > 2
    assert pq.read_schema(out / "labels.parquet").equals(LABELS.arrow)
    size = told.n_exchanges
    assert sql("select count(*), count(distinct exchange_id) from labels") == [(size, size)]
    assert sql("select count(*) from everything") == [(size,)]
    labelled = pq.read_table(out / "labels.parquet")["exchange_id"].to_pylist()
    parts = sorted((out / "dataset" / "exchanges").iterdir())
    assert labelled == [name for part in parts for name in pq.read_table(part)["exchange_id"].to_pylist()]


def test_a_campaign_is_its_own_stratum_and_what_is_told_is_what_is_there(made, sql):
    _, told = made
    counted = sql(
        "select stratum, any_value(campaign_id), count(*), count(distinct account_id), "
        "count(distinct coalesce(campaign_id, '')) from labels group by 1"
    )
    assert {name: (exchanges, accounts) for name, _, exchanges, accounts, _ in counted} == told.counts
    for name, campaign, _, _, kinds in counted:
        assert kinds == 1
        assert campaign == (name if name in ("burning", "calm", "mixed") else None)
    assert sql("select count(*) from accounts") == [(told.n_accounts,)]
    assert sql("select count(*) from exchanges anti join accounts using (account_id)") == [(0,)]


def test_scenarios_are_what_the_labels_show(made, sql):
    out, _ = made
    table = pq.read_table(out / "scenarios.parquet")
    assert table.schema.equals(SCENARIOS)
    assert table["campaign_id"].to_pylist() == ["burning", "calm", "mixed"]
    assert sql(
        "select campaign_id, n_accounts, n_exchanges, epoch_us(first_seen), epoch_us(last_seen) "
        "from scenarios order by 1"
    ) == sql(
        "select campaign_id, count(distinct account_id), count(*), epoch_us(min(ts)), epoch_us(max(ts)) "
        "from everything where campaign_id is not null group by 1 order by 1"
    )


def test_scenarios_tell_the_settings_and_the_price(made, sql):
    out, _ = made
    burning, calm, mixed = pq.read_table(out / "scenarios.parquet").to_pylist()
    assert [row["kind"] for row in (burning, calm, mixed)] == ["hydra", "hydra", "reseller_mixture"]
    assert [row["family"] for row in (burning, calm, mixed)] == ["bans", "hydra", "reseller_mixture"]
    assert [row["dose"] for row in (burning, calm, mixed)] == [0.6, 0.0, 0.0]
    assert calm["capabilities"] == ["rubric"]
    for row in (burning, calm, mixed):
        assert row["capabilities"] == sorted(set(row["capabilities"]))
        assert row["capabilities"]
        assert row["cost_money_eur"] > 0
        assert row["cost_delay_hours"] >= 0
        assert row["note"]
    # Two copies are one campaign with the price of both; replacements are paid for like the others.
    assert burning["cost_accounts"] == 120
    assert burning["n_accounts"] > 60
    assert calm["cost_accounts"] == 20
    assert burning["cost_money_eur"] > calm["cost_money_eur"] / 20  # cheap accounts, but many


def test_replacements_follow_a_ban_and_belong_to_the_campaign(made, sql):
    out, _ = made
    assert pq.read_schema(out / "replacements.parquet").equals(REPLACEMENTS)
    rows = sql(
        "select r.campaign_id, r.account_id, r.replaces, r.created_at = heir.created_at, "
        "gone.banned_at < heir.created_at, date_diff('second', gone.banned_at, heir.created_at) / 3600 "
        "from replacements r left join accounts heir on heir.account_id = r.account_id "
        "left join accounts gone on gone.account_id = r.replaces"
    )
    assert len(rows) > 30
    assert {campaign for campaign, *_ in rows} == {"burning"}  # nobody bans the others
    heirs, gone = [row[1] for row in rows], [row[2] for row in rows]
    assert len(set(heirs)) == len(set(gone)) == len(rows)
    assert all(same and after for _, _, _, same, after, _ in rows)
    assert all(0.5 <= hours <= 6.1 for *_, hours in rows)
    # Whoever of them ever acted did so for this campaign only.
    strata = {
        name
        for (name,) in sql(
            "select distinct stratum from labels where account_id in "
            "(select account_id from replacements union select replaces from replacements)"
        )
    }
    assert strata == {"burning"}


def test_a_host_carries_both(made, sql):
    mixed = {name for (name,) in sql("select distinct account_id from labels where campaign_id = 'mixed'")}
    hosts = {
        name
        for (name,) in sql("select distinct account_id from labels where stratum = 'unofficial_reseller'")
    }
    assert mixed
    assert mixed <= hosts


def test_a_null_world_has_no_campaign_and_keeps_every_other_label(world, made, tmp_path):
    out, _ = made
    told = simulate(world, 5, tmp_path, null=True)
    assert set(told.counts) == {"chat_users", "unofficial_reseller"}
    for name, schema in (("scenarios", SCENARIOS), ("replacements", REPLACEMENTS)):
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert table.num_rows == 0
        assert table.schema.equals(schema)
    labels = pq.read_table(out / "labels.parquet")
    benign = labels.filter(labels["campaign_id"].is_null())
    assert pq.read_table(tmp_path / "labels.parquet").equals(benign)


def test_a_campaign_that_never_acts_is_told_as_such(tmp_path):
    """Planned for after the end of the world: a row with no exchanges and no times, and no error."""
    late = {"kind": "hydra", "accounts": 12, "start_day": 5.9, "days": 1, "per_day": 0.5}
    settings = {**SETTINGS, "campaign": [late]}
    told = simulate(make_world(settings, "w", "w.toml"), 5, tmp_path)
    (row,) = pq.read_table(tmp_path / "scenarios.parquet").to_pylist()
    assert row["n_exchanges"] == told.counts.get("hydra", (0, 0))[0]
    assert (row["first_seen"] is None) == (row["n_exchanges"] == 0)
    assert row["cost_accounts"] == 12
    assert isinstance(pq.read_table(tmp_path / "labels.parquet"), pa.Table)
