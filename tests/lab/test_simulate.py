import hashlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from scipy.stats import mannwhitneyu

from stillwatch.exchange.errors import OutputError, UnreadableInputError
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, LABELS, RELEASES
from stillwatch.lab.score import score
from stillwatch.lab.simulate import simulate
from stillwatch.lab.worldfile import read_world

CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"
AUTOMATED = (
    "pipelines",
    "synthetic_data",
    "cron_hourly",
    "cron_six_hours",
    "cron_daily",
    "benchmark_sharded",
)
LOGGED = read_world("first").logged
CAMPAIGNS = ("dirty_hydra", "clean_pool", "reseller_mixture")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    simulate("first", 7, out, "tiny")
    return out


@pytest.fixture(scope="module")
def sql(world):
    connection = duckdb.connect()
    connection.execute(f"create view e as select * from read_parquet('{world}/dataset/exchanges/*.parquet')")
    connection.execute(f"create view l as select * from '{world}/labels.parquet'")
    connection.execute(f"create view a as select * from '{world}/dataset/accounts.parquet'")
    connection.execute("create view x as select e.*, campaign_id, stratum from e join l using (exchange_id)")
    return lambda query: connection.execute(query).fetchall()


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def exchanges(world: Path) -> Any:
    return ds.dataset(world / "dataset" / "exchanges").to_table()


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(world, tmp_path):
    simulate("first", 7, tmp_path / "again", "tiny")
    simulate("first", 8, tmp_path / "other", "tiny")
    assert digests(world) == digests(tmp_path / "again")
    theirs, ours = digests(tmp_path / "other"), digests(world)
    assert all(theirs[name] != ours[name] for name in ours if "releases" not in name)


def test_a_null_world_keeps_every_benign_row_and_nothing_else(world, tmp_path):
    simulate("first", 7, tmp_path, "tiny", null=True)
    labels = pq.read_table(world / "labels.parquet")
    benign = labels.filter(pc.is_null(labels["campaign_id"]))
    assert benign.equals(pq.read_table(tmp_path / "labels.parquet"))
    full = exchanges(world)
    kept = full.filter(pc.is_in(full["exchange_id"], benign["exchange_id"].combine_chunks()))
    assert 0 < kept.num_rows < full.num_rows
    assert kept.equals(exchanges(tmp_path))
    accounts, null = (pq.read_table(p / "dataset" / "accounts.parquet") for p in (world, tmp_path))
    assert accounts.filter(pc.is_in(accounts["account_id"], null["account_id"].combine_chunks())).equals(null)


def test_the_tables_fit_their_schemas(world):
    parts = sorted((world / "dataset" / "exchanges").glob("*.parquet"))
    tables = [(EXCHANGES, p) for p in parts] + [
        (ACCOUNTS, world / "dataset" / "accounts.parquet"),
        (RELEASES, world / "dataset" / "releases.parquet"),
        (LABELS, world / "labels.parquet"),
    ]
    for schema, path in tables:
        table = pq.read_table(path)
        assert table.schema.equals(schema.arrow), path
        for column in schema:
            if not column.nullable:
                assert table[column.name].null_count == 0, column.name
            if column.minimum is not None:
                lowest = pc.min(table[column.name]).as_py()
                assert lowest is None or lowest >= column.minimum, column.name
        if schema.key:
            assert len(set(table[schema.key].to_pylist())) == table.num_rows


def test_labels_are_complete_and_apart_from_the_dataset(world, sql):
    assert not list((world / "dataset").rglob("labels*"))
    assert sql("select count(*) from e anti join l using (exchange_id, account_id)") == [(0,)]
    assert sql("select count(*) from l anti join e using (exchange_id, account_id)") == [(0,)]
    assert sql("select count(*) from l anti join a using (account_id)") == [(0,)]
    assert {c for (c,) in sql("select distinct campaign_id from l where campaign_id is not null")} == set(
        CAMPAIGNS
    )
    assert sql(
        "select count(*) from l where (campaign_id is not null) <> (campaign_id is not distinct from stratum)"
    ) == [(0,)]


def test_rows_are_in_the_order_of_time_and_ids_say_nothing(world, sql):
    ts = exchanges(world)["ts"].cast("int64").to_numpy()
    assert (np.diff(ts) >= 0).all()
    for key in ("exchange_id", "account_id"):
        ids = sql(f"select {key}, bool_or(campaign_id is not null) from l group by 1 order by 1")
        bad = [n for n, (_, hit) in enumerate(ids) if hit]
        good = [n for n, (_, hit) in enumerate(ids) if not hit]
        assert mannwhitneyu(bad, good).pvalue > 1e-4
        assert len({len(name) for name, _ in ids}) == 1


def test_what_the_log_misses_does_not_depend_on_the_label(sql):
    """Losses of the log are drawn alike for all: equal to the benign rate within five standard errors."""
    for column in ("client_ip", "user_agent", "ja4", "response", "latency_ms", "input_tokens", "status"):
        query = (
            f"select count(*), count(*) filter (where {column} is null and status = 200) "
            "from x where campaign_id is"
        )
        ((n, nulls),) = sql(f"{query} not null")
        ((m, others),) = sql(f"{query} null")
        pooled = (nulls + others) / (n + m)
        error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        assert abs(nulls / n - others / m) <= 5 * error + 1e-12, column


def test_no_column_is_null_only_for_campaigns_or_only_for_benign_machines(sql):
    machines = f"stratum in {AUTOMATED}"
    for column in EXCHANGES.names:
        rates = [
            sql(f"select avg(({column} is null)::int) from x where {w}")[0][0]
            for w in (machines, f"stratum in {CAMPAIGNS[:2]}")
        ]
        assert not (min(rates) == 0 and max(rates) > 0.5), (column, rates)
        assert not (max(rates) == 1 and min(rates) < 0.5), (column, rates)


def test_no_value_of_a_discrete_column_belongs_to_campaigns_alone(sql):
    """What a program or a model is called must be known from benign accounts too."""
    for column in (
        "user_agent",
        "ja4",
        "model",
        "operation",
        "temperature",
        "max_output_tokens",
        "status",
        "finish_reason",
    ):
        alone = sql(
            f"select {column} from x where {column} is not null group by 1 having "
            "bool_and(campaign_id is not null) and count(*) > 30"
        )
        assert column in ("ja4", "user_agent") or not alone, (column, alone)
        assert len(alone) <= 2, (column, alone)


def test_the_busiest_accounts_are_benign_and_far_busier_than_any_of_a_campaign(sql):
    busiest = dict(
        sql(
            "select campaign_id is not null, max(n) from (select account_id, campaign_id, "
            "count(*) n from l group by all) group by 1"
        )
    )
    assert busiest[False] > 2 * busiest[True]


def test_no_account_is_used_before_its_birth_or_after_its_ban(sql):
    assert sql(
        "select count(*) from e join a using (account_id) where ts < created_at or ts >= banned_at"
    ) == [(0,)]
    assert (
        sql(
            "select count(*) from a where banned_at is not null and account_id in (select "
            "account_id from l where campaign_id is null)"
        )[0][0]
        > 0
    )


def test_a_campaign_deals_its_seeds_without_replacement_but_for_a_few(sql):
    for campaign in CAMPAIGNS:
        prompts = sql(
            "select count(*), count(distinct prompt) from x where campaign_id = "
            f"'{campaign}' and status = 200"
        )
        ((n, distinct),) = prompts
        assert 0.96 * n <= distinct, campaign


def test_the_dirty_hydra_waits_longest_first_and_is_replaced_within_hours(sql):
    order = [
        a
        for (a,) in sql(
            "select account_id from x where campaign_id = 'dirty_hydra' and status = 200 order by ts"
        )
    ]
    last: dict[str, int] = {}
    gaps = []
    for place, account in enumerate(order):
        if account in last:
            gaps.append(place - last[account])
        last[account] = place
    # Random dispatch over k accounts gives a coefficient of variation of about 1.
    assert np.std(gaps) / np.mean(gaps) < 0.6
    accounts = "(select distinct account_id from l where campaign_id = 'dirty_hydra')"
    born = [b for (b,) in sql(f"select epoch(created_at) from a where account_id in {accounts}")]
    banned = sorted(
        b
        for (b,) in sql(
            f"select epoch(banned_at) from a where account_id in {accounts} and banned_at is not null"
        )
    )
    replaced = [
        min((b - ban) / 3600 for b in born if b > ban) for ban in banned if any(b > ban for b in born)
    ]
    assert replaced, "no ban was answered"
    assert min(replaced) < 7


def test_the_reseller_carries_both_and_the_campaign_has_its_share(sql):
    shares = sql(
        "select avg((campaign_id is not null)::int) from x where account_id in (select "
        "account_id from l where campaign_id = 'reseller_mixture') group by account_id"
    )
    assert all(0.15 < share < 0.75 for (share,) in shares)
    same = sql(
        "select count(distinct ja4), count(distinct user_agent) from x where stratum in "
        "('unofficial_reseller', 'reseller_mixture') and ja4 is not null"
    )
    assert same[0][0] == 1


def test_half_of_the_clean_pool_moves_to_the_new_model_within_a_day(world, sql):
    releases = pq.read_table(world / "dataset" / "releases.parquet").to_pylist()
    newest = max(releases, key=lambda r: r["released_at"])
    moved = "avg((model = '{}')::int) from x where campaign_id = 'clean_pool' and ts {} timestamptz '{}'"
    at = newest["released_at"].isoformat()
    assert sql("select " + moved.format(newest["model"], "<", at))[0][0] == 0
    later = sql("select " + moved.format(newest["model"], ">", at) + " + interval 12 hours")[0][0]
    assert 0.4 < later < 0.7


def test_users_of_an_agent_share_its_system_prompt_and_not_their_identifiers(sql):
    rows = sql(
        "select account_id, system_prompt, prompt from x where stratum = "
        "'coding_agent_a' and system_prompt is not null"
    )
    systems = {s for _, s, _ in rows}
    assert 1 <= len(systems) <= 3
    assert min(map(len, systems)) > 600
    words: dict[str, set[str]] = defaultdict(set)
    for account, _, prompt in rows:
        words[account] |= {w for w in prompt.replace("(", " ").split() if "_" in w or "/" in w}
    busy = [w for w in words.values() if len(w) >= 10]
    assert len(busy) >= 3
    shared = [len(a & b) / min(len(a), len(b)) for n, a in enumerate(busy) for b in busy[:n]]
    assert np.median(shared) < 0.2


def test_the_benchmark_runs_its_items_again_and_the_homework_repeats(sql):
    runs = Counter(
        n for (n,) in sql("select count(*) from x where stratum = 'benchmark_sharded' group by prompt")
    )
    assert min(runs) >= 1
    assert max(runs) >= 6
    repeated = sql(
        "select count(*) from (select prompt from x where stratum = 'university' group "
        "by 1 having count(distinct account_id) > 1)"
    )
    assert repeated[0][0] > 0


def test_tokens_follow_the_texts_as_far_as_the_log_keeps_them(sql):
    written = sql(
        "select length(response), output_tokens - coalesce(reasoning_tokens, 0) from x "
        "where response is not null and status = 200 and length(response) > 40"
    )
    characters, tokens = np.array(written).T
    # Beyond that many characters the log keeps no further sentence.
    whole = tokens * 4.2 < LOGGED
    ratio = characters[whole] / tokens[whole]
    assert whole.mean() > 0.2
    assert np.quantile(ratio, 0.01) > 3
    # A last sentence is written out: that is much for a short answer.
    assert np.median(ratio[tokens[whole] > 60]) < 6.5
    assert (characters[~whole] >= LOGGED).all()
    assert np.quantile(characters[~whole], 0.99) < LOGGED + 250
    assert sql("select count(*) from e where status = 200 and output_tokens < reasoning_tokens") == [(0,)]
    assert sql(
        "select count(*) from e where status <> 200 and (response is not null or output_tokens is not null)"
    ) == [(0,)]


def test_different_seeds_have_different_templates(world, tmp_path):
    simulate("first", 9, tmp_path, "tiny")
    heads = []
    for folder in (world, tmp_path):
        labels = pq.read_table(folder / "labels.parquet").to_pylist()
        mine = {row["exchange_id"] for row in labels if row["campaign_id"] == "dirty_hydra"}
        prompts = [
            r["prompt"]
            for r in exchanges(folder).select(["exchange_id", "prompt"]).to_pylist()
            if r["exchange_id"] in mine
        ]
        heads.append({p[:60] for p in prompts if Counter(q[:40] for q in prompts)[p[:40]] > 20})
    assert heads[0] != heads[1]


def test_an_output_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        simulate("first", 7, tmp_path / "file", "tiny")


def test_a_folder_without_corpora_is_unreadable(tmp_path):
    with pytest.raises(UnreadableInputError, match=r"benign_prompts\.parquet"):
        simulate("first", 7, tmp_path / "out", "tiny", corpora=tmp_path)


@pytest.mark.skipif(
    not CORPORA.exists(), reason="the development corpora (../shared/data/corpora) are not here"
)
def test_real_corpora_take_the_place_of_the_shipped_one(tmp_path):
    first = simulate("first", 7, tmp_path / "a", "tiny", corpora=CORPORA)
    prompts = set(exchanges(tmp_path / "a")["prompt"].to_pylist())
    real = set(pq.read_table(CORPORA / "benign_prompts.parquet", columns=["text"])["text"].to_pylist())
    assert len(prompts & real) > 200
    assert set(CAMPAIGNS) <= first.counts.keys()


def test_a_detector_that_knows_the_truth_gets_a_perfect_score_and_a_blind_one_none(world, tmp_path):
    labels = pq.read_table(world / "labels.parquet")
    flagged = labels.filter(pc.is_valid(labels["campaign_id"]))
    names = flagged["campaign_id"].unique()
    members = flagged.group_by(["campaign_id", "account_id"]).aggregate([])
    certain = pa.array([1.0] * members.num_rows)
    write = {
        "campaigns": pa.table({"campaign_id": names, "rung": ["one_task_pool"] * len(names)}),
        "members": members.append_column("probability", certain),
        "flagged": flagged.select(["exchange_id", "campaign_id"]),
    }
    for folder, kept in (("all", None), ("none", 0)):
        (tmp_path / folder).mkdir()
        for name, table in write.items():
            pq.write_table(table.slice(0, kept), tmp_path / folder / f"{name}.parquet")
    best = score(tmp_path / "all", world / "labels.parquet")
    assert [c.campaign_id for c in best.campaigns if c.found] == sorted(CAMPAIGNS)
    rates = [best.accounts.precision, best.accounts.recall, best.exchanges.precision, best.exchanges.recall]
    assert [rate.share for rate in rates] == [1, 1, 1, 1]
    assert (best.benign.hits, best.false_campaigns, best.grouping.b_cubed_f1) == (0, (), 1)
    blind = score(tmp_path / "none", world / "labels.parquet")
    assert not any(c.found for c in blind.campaigns)
    assert (blind.accounts.recall.share, blind.benign.hits) == (0, 0)
