"""From planned requests to Parquet: chance by request, names, what all exchanges wear, and files that are whole."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare, kstest, spearmanr
from scipy.stats import norm as normal_law

from stillwatch.exchange.errors import OutputError
from stillwatch.exchange.tables import EXCHANGES, LABELS
from stillwatch.lab import simulate as simulation_module
from stillwatch.lab.plan.planner import plan
from stillwatch.lab.plan.spill import Spill
from stillwatch.lab.render import chance, parts
from stillwatch.lab.render.dressing import DRESSED, dress
from stillwatch.lab.render.names import hex_strings
from stillwatch.lab.render.parts import save_wardrobe
from stillwatch.lab.simulate import Pace, run, simulation, surroundings
from stillwatch.lab.worldfile import make_world

SETTINGS = {
    "world": {"days": 4, "release_day": 3.0, "logged": 200},
    "population": [
        {"kind": "chat_users", "accounts": 150, "per_day": 2.0},
        {"kind": "coding_agent", "number": 0, "accounts": 40, "per_day": 3.0},
        {"kind": "enterprise", "accounts": 8, "exchanges": 600},
    ],
    "campaign": [
        {"kind": "hydra", "accounts": 40, "start_day": 1.0, "days": 2, "per_day": 25, "bans_per_day": 0.3}
    ],
}
WORDS = st.lists(st.integers(0, 2**64 - 1), max_size=50)
MASK = 2**64 - 1


def splitmix(state: int) -> int:
    z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


@given(WORDS, st.integers(0, 100))
def test_chance_is_splitmix64_of_the_request_and_the_purpose(ids, purpose):
    drawn = chance.uniform(np.array(ids, np.uint64), purpose)
    state = [(name + (purpose + 1) * 0x9E3779B97F4A7C15) & MASK for name in ids]
    assert drawn.tolist() == [((splitmix(s) >> 12) + 0.5) * 2.0**-52 for s in state]
    assert ((drawn > 0) & (drawn < 1)).all()


def test_chance_follows_its_laws_whatever_else_is_drawn():
    ids = np.random.default_rng(1).integers(0, 2**64, 20_000, dtype=np.uint64)
    some = np.random.default_rng(2).permutation(len(ids))[:500]
    weights = (0.55, 0.15, 0.2, 0.1)
    draws: dict[str, Callable[[Any], Any]] = {
        "uniform": lambda names: chance.uniform(names, 5),
        "normal": lambda names: chance.normal(names, 5),
        "lognormal": lambda names: chance.lognormal(names, 5, 2.0, 0.5),
        "choice": lambda names: chance.choice(names, 5, weights),
    }
    for name, draw in draws.items():
        assert np.array_equal(draw(ids)[some], draw(ids[some])), name
    assert kstest(draws["uniform"](ids), "uniform").pvalue > 1e-6
    assert kstest(draws["normal"](ids), "norm").pvalue > 1e-6
    assert kstest((np.log(draws["lognormal"](ids)) - 2) / 0.5, "norm").pvalue > 1e-6
    counts = np.bincount(draws["choice"](ids), minlength=4)
    assert chisquare(counts, np.array(weights) * len(ids)).pvalue > 1e-6
    assert draws["normal"](ids) == pytest.approx(normal_law.ppf(draws["uniform"](ids)))
    # Running numbers for ids, and one purpose after the other, are as good as any.
    running = np.arange(20_000, dtype=np.uint64)
    assert kstest(chance.uniform(running, 0), "uniform").pvalue > 1e-6
    for other in (0, 1, 6, 45):
        likeness: Any = spearmanr(chance.uniform(ids, 5), chance.uniform(ids, other)).statistic
        assert abs(likeness) < 0.04


@given(
    st.lists(st.tuples(st.integers(0, 2**64 - 1), st.booleans()), max_size=40),
    st.sampled_from(["", "s_", "abcdefgh"]),
)
def test_names_are_sixteen_hexadecimal_digits(entries, prefix):
    names = np.array([name for name, _ in entries], np.uint64)
    missing = np.array([gone for _, gone in entries], bool)
    spelled = [f"{prefix}{name:016x}" for name in names.tolist()]
    whole = hex_strings(names, prefix)
    whole.validate(full=True)
    assert whole.to_pylist() == spelled
    holed = hex_strings(names, prefix, missing=missing)
    holed.validate(full=True)
    assert holed.to_pylist() == [
        None if gone else text for text, (_, gone) in zip(spelled, entries, strict=True)
    ]
    assert holed.null_count == missing.sum()


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A world's events and wardrobe, as a rendering process has them."""
    folder = tmp_path_factory.mktemp("planned")
    wanted = simulation(make_world(SETTINGS, "w", "w.toml"), 11, "small")
    around = surroundings(wanted)
    spill = Spill(folder, around.start, around.end)
    made = plan(around, wanted.scale, spill, null=False, progress=lambda *_: None)
    save_wardrobe(around.texts, pa.concat_tables(made.rendering), wanted.world.logged, folder)
    spill.save()
    (whole,) = spill.slices(10**6)
    return SimpleNamespace(
        folder=folder,
        events=spill.read(whole),
        wardrobe=parts._load_wardrobe(folder),
        around=around,
        plan=made,
    )


@pytest.fixture(scope="module")
def dressed(planned):
    return dress(planned.events, planned.wardrobe)


def with_column(wardrobe, name, values):
    table = wardrobe.accounts
    place = table.schema.get_field_index(name)
    return type(wardrobe)(
        table.set_column(place, table.schema.field(place), values),
        wardrobe.book,
        wardrobe.systems,
        wardrobe.answers,
        wardrobe.logged,
    )


def test_what_a_request_wears_does_not_depend_on_the_others(planned, dressed):
    assert dressed.schema.equals(DRESSED)
    assert 3_000 < dressed.num_rows == len(planned.events)
    some = np.random.default_rng(3).permutation(len(planned.events))[:700]
    alone = dress(planned.events[some], planned.wardrobe)
    for name in EXCHANGES.names:
        assert alone[name].to_pylist() == dressed[name].take(pa.array(some)).to_pylist(), name


def test_a_request_keeps_what_was_planned(planned, dressed):
    events, accounts = planned.events, planned.wardrobe.accounts
    assert dressed["exchange_id"].to_pylist() == [f"{name:016x}" for name in events["id"].tolist()]
    assert np.array_equal(np.asarray(dressed["ts"].cast(pa.int64())), events["ts"])
    owners = accounts.take(pa.array(events["account"]))
    for name in ("account_id", "org_id", "key_id", "operation", "temperature", "max_output_tokens", "stream"):
        assert dressed[name].to_pylist() == owners[name].to_pylist(), name
    systems = [planned.wardrobe.systems[s] if s >= 0 else None for s in events["system"].tolist()]
    assert dressed["system_prompt"].to_pylist() == systems
    assert 0 < systems.count(None) < len(systems)
    turns = events["turn"].astype(int) * 2 + 1 + (events["system"] >= 0)
    assert np.asarray(dressed["n_messages"]).tolist() == turns.tolist()
    users = dressed["end_user_id"].to_pylist()
    assert users == [f"u_{user:016x}" if user else None for user in events["end_user"].tolist()]
    assert len(set(users)) > 1


def test_conversations_are_named_where_the_client_names_them(planned):
    events, count = planned.events, planned.wardrobe.accounts.num_rows
    naming = np.arange(count) % 3 > 0
    wardrobe = with_column(planned.wardrobe, "names_sessions", pa.array(naming))
    sessions = dress(events, wardrobe)["session_id"].to_pylist()
    assert [s is not None for s in sessions] == naming[events["account"]].tolist()
    told = [(s, n) for s, n in zip(sessions, events["session"].tolist(), strict=True) if s is not None]
    assert all(s == f"s_{number:016x}" for s, number in told if number)
    spoken = [s for s, number in told if number]
    alone = [s for s, number in told if not number]
    assert len(set(alone)) == len(alone) > 100  # a request that stands alone is a conversation of its own
    assert len(set(spoken)) < len(spoken)
    assert not set(alone) & set(spoken)


def test_a_failed_request_has_no_answer_and_all_others_have_one(planned, dressed):
    failed = pa.array(planned.events["failed"])
    bad, good = dressed.filter(failed), dressed.filter(pc.invert(failed))
    assert bad.num_rows > 20
    answer = ("response", "output_tokens", "reasoning_tokens", "cached_tokens", "finish_reason")
    assert all(bad[name].null_count == bad.num_rows for name in answer)
    assert set(bad["status"].to_pylist()) <= {429, 500, 503, 529}
    assert set(good["status"].to_pylist()) == {200}
    assert good["output_tokens"].null_count == good["finish_reason"].null_count == 0
    assert pc.min(good["output_tokens"]).as_py() >= 1
    longest = pc.max(pc.binary_length(good["response"])).as_py()
    assert 100 < longest < 200 + 400  # `logged`, and the sentence that was begun
    cut = pc.equal(good["finish_reason"], "length")
    limited = good.filter(cut)
    visible = pc.subtract(limited["output_tokens"], pc.fill_null(limited["reasoning_tokens"], 0))
    assert pc.all(pc.equal(visible, limited["max_output_tokens"])).as_py()


def test_the_log_loses_values_at_its_rates_whosever_they_are(planned, dressed):
    from stillwatch.lab.render.dressing import _MISSING

    campaign = planned.events["actor"] == 3
    for name, rate in _MISSING.items():
        lost = np.asarray(dressed[name].is_null())
        if name == "response":
            lost = lost[~planned.events["failed"]]
        assert binomtest(int(lost.sum()), len(lost), rate).pvalue > 1e-6, name
        if name != "response":
            size, hits = int(campaign.sum()), int(lost[campaign].sum())
            assert binomtest(hits, size, rate).pvalue > 1e-6, name


def test_an_account_mostly_calls_from_its_first_address(planned):
    many = pa.array([[f"10.0.0.{n}" for n in range(4)]] * planned.wardrobe.accounts.num_rows)
    table = dress(planned.events, with_column(planned.wardrobe, "addresses", many))
    found = [ip for ip in table["client_ip"].to_pylist() if ip is not None]
    counts = np.array([found.count(f"10.0.0.{n}") for n in range(4)])
    share = np.array([0.66 + 0.34 / 4, *[0.34 / 4] * 3])
    assert chisquare(counts, share * len(found)).pvalue > 1e-6


def test_a_rotating_proxy_goes_round_its_addresses(planned):
    count = planned.wardrobe.accounts.num_rows
    many = pa.array([[f"10.0.0.{n}" for n in range(3 + place % 4)] for place in range(count)])
    period = np.where(np.arange(count) % 2, 600_000_000, 3_600_000_000)
    wardrobe = with_column(
        with_column(planned.wardrobe, "addresses", many), "rotates_every", pa.array(period)
    )
    events = planned.events
    for row, ip in zip(events, dress(events, wardrobe)["client_ip"].to_pylist(), strict=True):
        account, ts = int(row["account"]), int(row["ts"])
        if ip is not None:
            assert ip == f"10.0.0.{ts // int(period[account]) % (3 + account % 4)}"


def test_a_program_calls_itself_by_its_new_version_after_the_update(planned):
    accounts = planned.wardrobe.accounts
    middle = int(np.median(planned.events["ts"]))
    count = accounts.num_rows
    wardrobe = planned.wardrobe
    for name, value in (("agent_before", "old/1"), ("agent_after", "new/2"), ("switched_at", middle)):
        wardrobe = with_column(wardrobe, name, pa.array([value] * count, accounts.schema.field(name).type))
    agents = dress(planned.events, wardrobe)["user_agent"].to_pylist()
    for ts, agent in zip(planned.events["ts"].tolist(), agents, strict=True):
        assert agent in (None, "new/2" if ts >= middle else "old/1")


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def wanted():
    return simulation(make_world(SETTINGS, "w", "w.toml"), 11, "small")


@pytest.fixture
def short_slices(monkeypatch):
    monkeypatch.setattr(simulation_module, "_SLICE", 1000)


def test_one_process_and_two_write_the_same_bytes(wanted, short_slices, dressed, tmp_path):
    told: list[tuple[str, int, int]] = []
    run(wanted, tmp_path / "one", Pace(1, lambda *step: told.append(step)))
    made = run(wanted, tmp_path / "two", Pace(2))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    files = sorted((tmp_path / "one" / "dataset" / "exchanges").iterdir())
    assert len(files) > 3
    assert told[-1] == ("exchanges", len(files), len(files))
    assert [name for name, _, _ in told[:4]] == ["chat_users", "coding_agent", "enterprise", "hydra"]
    tables = [pq.read_table(file) for file in files]
    assert all(table.schema.equals(EXCHANGES.arrow) for table in tables)
    # Slices change nothing but where one file ends and the next begins.
    whole = pa.concat_tables(tables)
    assert whole.num_rows == made.n_exchanges
    for name in EXCHANGES.names:
        assert whole[name].to_pylist() == dressed[name].to_pylist(), name
    labels = pq.read_table(tmp_path / "one" / "labels.parquet")
    assert labels.schema.equals(LABELS.arrow)
    assert labels["exchange_id"].to_pylist() == whole["exchange_id"].to_pylist()


def left(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("error", "seen"),
    [(OSError(28, "No space left on device"), OutputError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_nothing_planned_is_left_and_a_failed_run_leaves_no_truth(
    wanted, short_slices, tmp_path, monkeypatch, error, seen
):
    run(wanted, tmp_path, Pace(1))
    whole = left(tmp_path)
    assert not (tmp_path / "_planned").exists()
    assert {"labels.parquet", "scenarios.parquet", "replacements.parquet"} < whole
    write, count = parts.write_part, iter(range(10))

    def full_disk(events, wardrobe, path):
        if next(count) == 2:
            raise error
        write(events, wardrobe, path)

    monkeypatch.setattr(parts, "write_part", full_disk)
    with pytest.raises(seen):
        run(wanted, tmp_path, Pace(1))
    assert not (tmp_path / "_planned").exists()
    after = left(tmp_path)
    assert "dataset/accounts.parquet" not in after  # so that no half of a dataset is taken for one
    assert not after & {"scenarios.parquet", "replacements.parquet"}
    monkeypatch.undo()
    monkeypatch.setattr(simulation_module, "_SLICE", 1000)
    run(wanted, tmp_path, Pace(1))
    assert left(tmp_path) == whole


def test_an_earlier_run_that_was_killed_does_not_matter(wanted, tmp_path):
    run(wanted, tmp_path / "clean", Pace(1))
    shutil.copytree(tmp_path / "clean", tmp_path / "dirty")
    (tmp_path / "dirty" / "_planned").mkdir()
    (tmp_path / "dirty" / "_planned" / "cell-00000.bin").write_bytes(b"x" * 1000)
    (tmp_path / "dirty" / "dataset" / "exchanges" / "part-00099.parquet").write_bytes(b"PAR1")
    run(wanted, tmp_path / "dirty", Pace(1))
    assert digests(tmp_path / "dirty") == digests(tmp_path / "clean")
