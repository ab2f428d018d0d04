import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from stillwatch.evidence.explain import explain, explain_dict
from stillwatch.exchange.errors import UsageError

from .example_results import SCHEMAS, example
from .test_report import agrees_with_golden


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return example().write(tmp_path_factory.mktemp("results"))


def printed(folder: Path, name: str, width: int = 100) -> list[str]:
    stream = io.StringIO()
    explain(folder, name, Console(file=stream, width=width, color_system=None))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("name", ["c_7f3a91", "c_19be04", "c_d2045c", "g_enterprise", "g_viral"])
def test_the_text_is_what_was_agreed(folder, name):
    assert agrees_with_golden(f"explain_{name}.txt", printed(folder, name))


def test_a_beginning_of_the_name_is_enough(folder):
    assert printed(folder, "c_d") == printed(folder, "c_d2045c")


def test_narrow_terminals_are_filled_not_broken(folder):
    assert max(len(line) for line in printed(folder, "c_7f3a91", width=60)) <= 60


@pytest.mark.parametrize(
    ("name", "told"), [("c_x", "c_19be04, c_7f3a91, c_d2045c"), ("", "g_viral"), ("c_", "could be c_19be04")]
)
def test_an_unknown_or_unclear_name_is_told_with_those_that_exist(folder, name, told):
    with pytest.raises(UsageError, match=told):
        explain(folder, name, Console(file=io.StringIO()))


def test_the_whole_name_comes_before_a_beginning(tmp_path):
    written = example()
    written.tables["groups"].append({**written.tables["groups"][-1], "group_id": "g_vir"})
    written.summary["counts"]["groups_tested"] += 1
    assert printed(written.write(tmp_path), "g_vir")[0].endswith("g_vir")


def test_plain_data_holds_the_rows_as_they_stand(folder):
    made = example()
    plain = json.loads(json.dumps(explain_dict(folder, "c_19be04"), allow_nan=False))
    for part in ("evidence", "explanations", "members", "timeline"):
        table = {"explanations": "explanations"}.get(part, part)
        key = SCHEMAS[table].names[0]
        own = [row for row in made.tables[table] if row[key] == "c_19be04"]
        assert len(plain[part]) == len(own)
    assert sum(row["n_exchanges"] for row in plain["members"]) == plain["campaign"]["n_exchanges"]
    assert sum(row["n_exchanges"] for row in plain["timeline"]) == plain["campaign"]["n_exchanges"]
    assert plain["enforceable"] is True
    assert [rung["holds"] for rung in plain["ladder"]] == [True] * 4
    assert plain["contradictions"] == []


def test_enforcement_needs_the_last_rung_and_two_families(tmp_path):
    written = example()
    first, second, third = written.tables["campaigns"]
    first["families"] = ["purpose"]
    folder = written.write(tmp_path)
    assert "fewer than two" in explain_dict(folder, first["campaign_id"])["enforcement"]
    assert explain_dict(folder, second["campaign_id"])["enforceable"]
    assert "last rung" in explain_dict(folder, third["campaign_id"])["enforcement"]


def test_numbers_that_json_lacks_are_written_so_that_it_can_be_read(tmp_path):
    written = example()
    for row, value in zip(
        written.tables["evidence"], [float("nan"), float("inf"), float("-inf")], strict=False
    ):
        row["value"] = value
    plain = explain_dict(written.write(tmp_path), "c_7f3a91")
    json.dumps(plain, allow_nan=False)
    values = [row["value"] for row in plain["evidence"]]
    assert {None, "Infinity", "-Infinity"} <= set(values)


def test_a_group_that_was_not_reported_is_explained_too(folder):
    plain = explain_dict(folder, "g_benchmark")
    assert plain["reported"] is False
    assert plain["enforceable"] is False
    assert "Explained: benchmark" in printed(folder, "g_benchmark")
