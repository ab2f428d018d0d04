"""Every baseline conforms, is documented, and writes tables that a score can read."""

import datetime as dt
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS, Rung
from stillwatch.cli.main import app
from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab.baselines.execute import execute
from stillwatch.lab.baselines.registry import known, named, names, read_settings
from stillwatch.lab.baselines.tables import Found, write_tables

DOCS = (Path(__file__).parents[3] / "docs" / "baselines.md").read_text()
SECTIONS = dict(re.findall(r"^## `(\w+)`\n(.*?)(?=^## |\Z)", DOCS, re.MULTILINE | re.DOTALL))


def two_accounts(make_dataset):
    """a: 3 exchanges, b: 1."""
    rows = [{"account_id": name, "seconds": 10 * n, "prompt": f"{name} {n}"} for n, name in enumerate("aaba")]
    return make_dataset(rows)


@pytest.mark.parametrize("name", names())
def test_every_baseline_conforms(name):
    baseline = named(name)
    assert baseline.name == name
    assert baseline.title
    assert re.search(r"https?://|doi|arXiv", baseline.source)
    defaults = {p.name: p.default for p in baseline.parameters}
    assert read_settings(baseline, {}) == defaults
    # What a command line says is what the settings file would say.
    assert read_settings(baseline, {key: str(value) for key, value in defaults.items()}) == defaults


def test_documentation_names_each_baseline_with_its_settings():
    assert set(SECTIONS) == set(names())
    for name, baseline in known().items():
        rows = [f"| `{p.name}` | {p.default} | {p.allowed} | {p.meaning} |" for p in baseline.parameters]
        told = [line for line in SECTIONS[name].splitlines() if line.startswith("| `")]
        assert told == rows, name
        for word in ("**Rule.**", "**Source.**", "**Blind to**", "**Hits**"):
            assert word in SECTIONS[name], (name, word)


@pytest.mark.parametrize("name", names())
def test_every_baseline_writes_readable_tables_for_a_few_exchanges(name, make_dataset, tmp_path):
    summary = execute(name, two_accounts(make_dataset), tmp_path / "out", {})
    for schema in (CAMPAIGNS, MEMBERS, FLAGGED):
        assert pq.read_schema(tmp_path / "out" / f"{schema.name}.parquet") == schema.arrow
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert written == json.loads(json.dumps(summary, default=str))
    assert written["baseline"] == name
    assert written["peak_memory_bytes"] > 1_000_000


def test_tables_of_members_alone_flag_all_their_exchanges(make_dataset, tmp_path):
    dataset = two_accounts(make_dataset)
    members = pa.table({"campaign_id": ["c"], "account_id": ["a"], "probability": [0.75]})
    moment = dt.datetime(2026, 3, 2, 1, tzinfo=dt.UTC)
    found = Found(Rung.REPETITIVE, members, families=("volume",), flagged_at={"c": moment}, notes={"cut": 3})
    summary = write_tables(found, dataset, tmp_path / "out", {"baseline": "mine"})
    assert summary == {
        "baseline": "mine",
        "rung": "repetitive",
        "n_campaigns": 1,
        "n_accounts": 1,
        "n_exchanges": 3,
        "notes": {"cut": 3},
    }
    (row,) = pq.read_table(tmp_path / "out" / "members.parquet").to_pylist()
    told = {"campaign_id": "c", "account_id": "a", "probability": 0.75, "n_exchanges": 3, "share": 1.0}
    assert row == dict.fromkeys(MEMBERS.names) | told
    (campaign,) = pq.read_table(tmp_path / "out" / "campaigns.parquet").to_pylist()
    assert (campaign["n_accounts"], campaign["n_exchanges"], campaign["models"]) == (1, 3, ["heron"])
    assert (campaign["log10_e"], campaign["fdr"], campaign["flagged_at"]) == (0, 1, moment)
    assert (campaign["last_seen"] - campaign["first_seen"]).total_seconds() == 30
    flagged = pq.read_table(tmp_path / "out" / "flagged.parquet").to_pylist()
    assert {row["exchange_id"] for row in flagged} == {"e0", "e1", "e3"}
    assert {row["probability"] for row in flagged} == {0.75}


def test_tables_of_single_exchanges_count_shares(make_dataset, tmp_path):
    dataset = two_accounts(make_dataset)
    members = pa.table({"campaign_id": ["c", "c", "d"], "account_id": ["a", "b", "b"]})
    flagged = pa.table({"exchange_id": ["e1", "e2"], "campaign_id": ["c", "d"]})
    write_tables(Found(Rung.COORDINATED, members, flagged), dataset, tmp_path / "out", {})
    rows = pq.read_table(tmp_path / "out" / "members.parquet").to_pylist()
    shares = {(row["campaign_id"], row["account_id"]): (row["n_exchanges"], row["share"]) for row in rows}
    assert shares == {("c", "a"): (1, pytest.approx(1 / 3)), ("c", "b"): (0, 0.0), ("d", "b"): (1, 1.0)}


@pytest.mark.parametrize(
    ("members", "flagged", "words"),
    [
        ({"c": ["a", "a"]}, None, "twice"),
        ({"c": ["a"], "d": ["a"]}, None, "two campaigns"),
        ({"c": ["nobody"]}, None, "no exchange"),
        ({"c": ["a"]}, {"e0": "x"}, "without members"),
    ],
)
def test_a_baseline_that_breaks_its_contract_is_told(members, flagged, words, make_dataset, tmp_path):
    pairs = [(campaign, account) for campaign, accounts in members.items() for account in accounts]
    table = pa.table({"campaign_id": [p[0] for p in pairs], "account_id": [p[1] for p in pairs]})
    exchanges = None
    if flagged is not None:
        exchanges = pa.table({"exchange_id": list(flagged), "campaign_id": list(flagged.values())})
    with pytest.raises(ValueError, match=words):
        write_tables(
            Found(Rung.COORDINATED, table, exchanges), two_accounts(make_dataset), tmp_path / "out", {}
        )


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("key_volume", {"callz": "3"}, "Did you mean calls"),
        ("key_volume", {"calls": "many"}, "whole number from 1"),
        ("key_volume", {"calls": "0"}, "whole number from 1"),
        ("key_volume", {"window": "slide"}, "one of sliding, clock"),
        ("shared_infrastructure", {"ties": "payment,shoes"}, "Set ties to some of"),
        ("volume", {}, "Known baselines"),
    ],
)
def test_wrong_settings_are_told_with_what_is_allowed(name, given, words, make_dataset, tmp_path):
    with pytest.raises(UsageError) as told:
        execute(name, two_accounts(make_dataset), tmp_path / "out", given)
    assert words in str(told.value)


def test_no_dataset_is_told(tmp_path):
    with pytest.raises(UnreadableInputError):
        execute("key_volume", tmp_path, tmp_path / "out", {})


def test_the_command_runs_a_baseline_and_lists_all(make_dataset, tmp_path):
    dataset, out = str(two_accounts(make_dataset)), str(tmp_path / "out")
    run = CliRunner().invoke(
        app, ["lab", "baseline", "key_volume", dataset, "--out", out, "--set", "calls=3", "--json"]
    )
    assert run.exit_code == 0, run.output
    # a makes three calls within half a minute.
    assert (json.loads(run.stdout)["n_accounts"], json.loads(run.stdout)["settings"]["calls"]) == (1, 3)
    again = CliRunner().invoke(
        app, ["lab", "baseline", "key_volume", dataset, "--out", out, "--set", "calls"]
    )
    assert isinstance(again.exception, UsageError)
    listed = CliRunner().invoke(app, ["lab", "baselines", "--json"])
    assert [entry["name"] for entry in json.loads(listed.stdout)] == names()
    assert all(name in CliRunner().invoke(app, ["lab", "baselines"]).stdout for name in names())
