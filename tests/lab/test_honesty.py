"""The laboratory's checks of itself: what they measure, and that each of them would notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from tests.cli.command import run as command
from tests.end_to_end.worlds import SEED, WORLD

from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.honesty import check as checks
from stillwatch.lab.honesty.check import Figure, Findings, Request, check, clean_campaigns
from stillwatch.lab.honesty.features import account_features
from stillwatch.lab.honesty.metadata import ALLOWED_AUC, CONDUCT, CUSTOMER, check_metadata
from stillwatch.lab.honesty.permuted import KINDS, write_permuted
from stillwatch.lab.honesty.same_bytes import check_bytes, compare, other_machine
from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.simulate import Simulation, run, simulate
from stillwatch.lab.worldfile import read_world
from stillwatch.scan import ScanRequest, scan
from stillwatch.settings import load_settings

DAY = 86_400_000_000
SETTINGS = read_world("infrastructure_and_pivot")
CLEAN = clean_campaigns(SETTINGS)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A third of the small scale: enough accounts of clean campaigns to compare."""
    out = tmp_path_factory.mktemp("honest") / "world"
    run(Simulation(SETTINGS, 2, Scale("a third", 0.35)), out)
    return out


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    out = tmp_path_factory.mktemp("tiny")
    simulate("infrastructure_and_pivot", 1, out, "tiny")
    return out


def exchanges(dataset):
    return ds.dataset(dataset / "exchanges").to_table()


def spoiled(world, out, spoil):
    """A copy of the world in which `spoil(exchanges, hostile)` changed the exchanges."""
    shutil.copytree(world, out, ignore=shutil.ignore_patterns("part-*"))
    labels = pq.read_table(world / "labels.parquet")
    table = exchanges(world / "dataset")
    assert table["exchange_id"].equals(labels["exchange_id"])
    pq.write_table(
        spoil(table, np.asarray(pc.is_valid(labels["campaign_id"]))),
        out / "dataset" / "exchanges" / "part-00000.parquet",
    )
    return out


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def test_accounts_of_clean_campaigns_tell_nothing_that_their_conduct_does_not_explain(world):
    for found in check_metadata(world, CLEAN):
        assert found.passed, found
        assert 0 <= found.low <= found.left_over <= found.high <= 1
        assert found.accounts >= 60
        # What the conduct explains is there to be seen, or the check would be blind.
        assert found.auc > found.left_over + 0.05
        assert all(feature.reason or feature.auc < 0.65 for feature in found.features), found.features


def leaked_name(table, hostile):
    """Names of campaigns' requests are drawn from the lower half of all names."""
    names = table["exchange_id"].to_pylist()
    lower = dict(zip("0123456789abcdef", "0123456701234567", strict=True))
    low = [lower[n[0]] + n[1:] if bad else n for n, bad in zip(names, hostile, strict=True)]
    return replaced(table, "exchange_id", pa.array(low))


def leaked_loss(table, hostile):
    """The log loses a tenth of the latencies, but none of a campaign's."""
    lost = (np.random.default_rng(1).random(len(hostile)) < 0.1) & ~hostile
    values = pc.if_else(pa.array(lost), pa.scalar(None, pa.float32()), table["latency_ms"].combine_chunks())
    return replaced(table, "latency_ms", values)


def leaked_pace(table, hostile):
    """Campaigns are answered a tenth faster."""
    pace = pa.array(np.where(hostile, 0.9, 1.0).astype(np.float32))
    return replaced(table, "latency_ms", pc.multiply(table["latency_ms"].combine_chunks(), pace))


@pytest.mark.parametrize(
    ("leak", "feature"),
    [(leaked_name, "request_name"), (leaked_loss, "latency_lost"), (leaked_pace, "pace")],
)
def test_a_planted_leak_is_caught_and_named(world, tmp_path, leak, feature):
    leaking = spoiled(world, tmp_path / "leaking", leak)
    if leak is leaked_name:
        labels = pq.read_table(leaking / "labels.parquet")
        names = exchanges(leaking / "dataset")["exchange_id"].combine_chunks()
        pq.write_table(replaced(labels, "exchange_id", names), leaking / "labels.parquet")
    programs, people = check_metadata(leaking, CLEAN)
    assert programs.left_over > ALLOWED_AUC + 0.1
    assert not programs.passed
    assert people.passed  # calls tell nothing of customers
    strongest = next(f for f in programs.features if not f.reason)
    assert strongest.name == feature


def test_a_leak_in_the_accounts_is_caught(world, tmp_path):
    leaking = tmp_path / "leaking"
    shutil.copytree(world, leaking)
    file = leaking / "dataset" / "accounts.parquet"
    accounts = pq.read_table(file)
    labels = pq.read_table(world / "labels.parquet")
    bad = pc.is_in(
        accounts["account_id"],
        labels.filter(pc.is_valid(labels["campaign_id"]))["account_id"].combine_chunks(),
    )
    pq.write_table(replaced(accounts, "verified", pc.or_(accounts["verified"], bad)), file)
    programs, people = check_metadata(leaking, CLEAN)
    assert programs.passed
    assert people.left_over > ALLOWED_AUC
    assert next(f for f in people.features if not f.reason).name == "verified"


def test_features_are_of_accounts_and_every_explanation_belongs_to_one(world):
    found = account_features(world, CLEAN)
    assert set(CONDUCT) | set(CUSTOMER) <= set(found.names)
    assert np.isfinite(found.values).all()
    assert (found.hostile | ~found.wanted).all()
    assert 0 < found.wanted.sum() < found.hostile.sum() < len(found.hostile)
    column = dict(zip(found.names, found.values.T, strict=True))
    assert (column["active_hours"] <= 24).all()
    assert (column["age_days"] >= 0).all()
    assert abs(np.average(column["pace"], weights=found.requests)) < 0.01


def test_too_few_accounts_are_said(tiny):
    with pytest.raises(UsageError, match="clean campaigns have a match among programs, 60 are needed"):
        check_metadata(tiny, ("clean",))


@pytest.fixture(scope="module")
def permuted(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("permuted")
    for kind in KINDS:
        write_permuted(tiny / "dataset", folder / kind, kind, 5)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_world_has_the_same_accounts_requests_and_values(tiny, permuted, kind):
    before, after = exchanges(tiny / "dataset"), exchanges(permuted / kind)
    assert after.schema.equals(EXCHANGES.arrow)
    who = [("exchange_id", "ascending")]
    before, after = before.sort_by(who), after.sort_by(who)
    assert before["exchange_id"].equals(after["exchange_id"])
    assert before["account_id"].equals(after["account_id"])
    moved = {name for name in before.column_names if not before[name].equals(after[name])}
    assert moved, kind
    if kind == "contents":
        assert {"prompt", "model"} < moved
        assert not {"ts", "client_ip", "key_id", "org_id", "session_id"} & moved
        for name in moved:
            assert sorted(map(str, before[name].to_pylist())) == sorted(map(str, after[name].to_pylist()))
    elif kind == "days":
        assert moved == {"ts"}
    else:
        assert moved == {"client_ip", "user_agent", "ja4", "key_id"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_account_acts_between_its_birth_and_its_ban(permuted, kind):
    accounts = {
        row["account_id"]: row for row in pq.read_table(permuted / kind / "accounts.parquet").to_pylist()
    }
    for row in exchanges(permuted / kind).select(["account_id", "ts"]).to_pylist():
        account = accounts[row["account_id"]]
        assert account["created_at"] <= row["ts"]
        assert account["banned_at"] is None or row["ts"] < account["banned_at"]


def test_contents_stay_within_their_hour(tiny, permuted):
    for name in ("prompt", "model"):
        both = []
        for dataset in (tiny / "dataset", permuted / "contents"):
            table = exchanges(dataset)
            hour = np.asarray(table["ts"].cast(pa.int64())) // 3_600_000_000
            both.append(sorted(zip(hour.tolist(), map(str, table[name].to_pylist()), strict=True)))
        assert both[0] == both[1]


def test_whole_accounts_move_by_whole_days(tiny, permuted):
    who = [("exchange_id", "ascending")]
    before, after = exchanges(tiny / "dataset").sort_by(who), exchanges(permuted / "days").sort_by(who)
    a, b = (np.asarray(table["ts"].cast(pa.int64())) for table in (before, after))
    assert not ((b - a) % DAY).any()
    span = a.max() // DAY - a.min() // DAY + 1
    shifts = (b - a) // DAY % span
    names = np.asarray(before["account_id"].to_numpy(zero_copy_only=False).astype(str))
    _, number = np.unique(names, return_inverse=True)
    lowest, highest = np.full(number.max() + 1, span), np.zeros(number.max() + 1, np.int64)
    np.minimum.at(lowest, number, shifts)
    np.maximum.at(highest, number, shifts)
    assert (lowest == highest).all()
    assert len(np.unique(lowest)) == span


def test_attributes_keep_how_common_they_are_and_leave_their_accounts(tiny, permuted):
    files = [tiny / "dataset" / "accounts.parquet", permuted / "attributes" / "accounts.parquet"]
    before, after = (pq.read_table(file) for file in files)
    for name in ("payment_id", "email_domain", "created_at"):
        assert sorted(map(str, before[name].to_pylist())) == sorted(map(str, after[name].to_pylist()))
        same = np.mean(
            [a == b for a, b in zip(before[name].to_pylist(), after[name].to_pylist(), strict=True)]
        )
        assert same < 0.5, name


def test_our_scan_is_silent_without_campaigns_and_when_contents_are_dealt_anew(tmp_path):
    request = Request(1, "tiny", tmp_path)
    for name in ("null", "permuted"):
        found = check(name, request)
        assert found.passed, found
        assert {figure.value for figure in found.figures} == {0}
        assert len(found.figures) == {"null": 1, "permuted": len(KINDS) + 1}[name]


def test_dealing_contents_anew_takes_a_campaign_away_that_is_found_before(tmp_path):
    settings = load_settings(None, {"key_file": tmp_path / "identifier.key"})
    made = simulate(WORLD, SEED, tmp_path / "world")
    assert scan(ScanRequest((str(made.dataset),)), tmp_path / "before", settings).rungs
    write_permuted(made.dataset, tmp_path / "contents", "contents", 1)
    assert not scan(ScanRequest((str(tmp_path / "contents"),)), tmp_path / "after", settings).rungs


def test_the_bytes_are_the_same_on_another_machine(tmp_path):
    found = check_bytes("infrastructure_and_pivot", 5, "tiny", tmp_path)
    assert found.passed, found.different
    assert sum("part-" in name for name in found.files) > 2  # the processes had something to share
    assert {Path(name).name for name in found.files} >= {
        "labels.parquet",
        "scenarios.parquet",
        "accounts.parquet",
    }


def test_the_other_machine_computes_otherwise():
    """Otherwise equal bytes say nothing of other processors."""
    code = (
        "import hashlib, math, numpy as np; x = np.random.default_rng(1).random(200_000); "
        "print(hashlib.md5(np.exp(9 * x)).hexdigest())"
    )
    environment = dict(os.environ)
    ran = [
        subprocess.run([sys.executable, "-c", code], env=e, capture_output=True, text=True, check=True).stdout
        for e in (environment, other_machine(environment))
    ]
    if not other_machine({})["NPY_DISABLE_CPU_FEATURES"]:
        pytest.skip("this processor has nothing beyond the baseline that could be switched off")
    assert ran[0] != ran[1]


def test_files_that_differ_are_named_with_their_columns(tmp_path):
    table = pa.table({"a": [1, 2], "b": [1, 2]})
    for name, written in (("one", table), ("other", table.set_column(1, "b", pa.array([1, 3])))):
        (tmp_path / name).mkdir()
        pq.write_table(written, tmp_path / name / "t.parquet")
        pq.write_table(table, tmp_path / name / "same.parquet")
    pq.write_table(table, tmp_path / "one" / "alone.parquet")
    found = compare(tmp_path / "one", tmp_path / "other")
    assert found.different == ("alone.parquet (missing in one)", "t.parquet (b)")
    assert not found.passed


def test_a_scan_that_reports_something_fails(tmp_path, monkeypatch):
    found = SimpleNamespace(rungs=["coordinated"], summary={"counts": {"groups_tested": 3}})
    monkeypatch.setattr(checks, "scan", lambda *_: found)
    failed = check("null", Request(1, "tiny", tmp_path))
    assert not failed.passed
    assert failed.figures[0].value == 1


def test_what_is_allowed_decides():
    fine, bad = Figure("a", "AUC", 0.6, 0.6), Figure("b", "AUC", 0.61, 0.6, 0.5, 0.7)
    assert Findings((fine,)).passed
    both = Findings((fine, bad))
    assert not both.passed
    assert [figure["passed"] for figure in both.to_dict()["figures"]] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense",), "there is no check 'nonsense'"),
        (("null", "--scale", "28.8m"), "Set scale to one of tiny, small"),
        (("null", "--seed", "-1"), "seed = -1 is not allowed"),
    ],
)
def test_what_cannot_be_checked_is_said(arguments, words):
    command("lab", "check", *arguments).refused(2, words)


def test_the_command_prints_figures_and_ends_with_what_they_say(monkeypatch):
    clue = checks.Clue("metadata, people", "verified", 0.7, "")
    for value, code in ((0.55, 0), (0.75, 1)):
        found = Findings((Figure("metadata", "AUC", value, 0.65, 0.5, 0.8, "few"),), (clue,))
        monkeypatch.setitem(checks.CHECKS, "metadata", lambda _, found=found: found)
        told = command("lab", "check", "metadata")
        assert told.code == code, told
        assert "verified" in told.out
        assert "unexplained" in told.out
        assert ("yes" in told.out) == (code == 0)
        listed = command("lab", "check", "metadata", "--json")
        assert listed.code == code
        assert listed.json["passed"] == (code == 0)
        assert listed.json["figures"][0]["value"] == value
        assert listed.json["features"][0]["feature"] == "verified"
