"""The accused write prompts, user agents and names: from the log to the page nothing of it acts."""

import re

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.cli.command import run
from tests.end_to_end.worlds import exchanges, scan
from tests.evidence.page import Page

ATTACK = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>'\"></title></style><svg/onload=alert(1)>"
    "{{ 7 * 7 }}{% raw %}javascript:alert(1) [bold red]x[/] [/nothing] \x1b[2J\x1b]8;;http://x\x07 \u202e\u200b"
)
# A preamble of forty words before everybody's few can leave one template for all of them, and no campaign in it: so
# only the accused write all of it into their prompts, everybody else its beginning.
BEGINNING = ATTACK[: ATTACK.index("'")]
NAMES = ["account_id", "model", "user_agent", "ja4", "org_id", "session_id", "operation", "finish_reason"]


@pytest.fixture(scope="module")
def attacked(world, tmp_path_factory):
    """The world with markup at the beginning of every text and at the end of every name."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "exchanges").mkdir()
    table = exchanges(world)
    labels = pq.read_table(world.labels)
    accused = labels.filter(pc.is_valid(labels["campaign_id"]))["exchange_id"].combine_chunks()
    markup = pc.if_else(pc.is_in(table["exchange_id"], accused), ATTACK, BEGINNING)
    for name in [*NAMES, "prompt", "system_prompt", "response"]:
        index = table.schema.get_field_index(name)
        before = markup if name == "prompt" else pa.scalar(ATTACK)
        parts = [before, table[name]] if name not in NAMES else [table[name], pa.scalar(ATTACK)]
        joined = pc.binary_join_element_wise(*parts, pa.scalar(" "), null_handling="emit_null")
        table = table.set_column(index, table.schema.field(index), joined)
    pq.write_table(table, folder / "exchanges" / "<b>[x] 'ÿ'.parquet")
    accounts = pq.read_table(world.dataset / "accounts.parquet")
    for name in ("account_id", "org_id", "program", "billing_country"):
        index = accounts.schema.get_field_index(name)
        joined = pc.binary_join_element_wise(accounts[name], pa.scalar(ATTACK), pa.scalar(" "))
        accounts = accounts.set_column(index, accounts.schema.field(index), joined)
    pq.write_table(accounts, folder / "accounts.parquet")
    return scan(tmp_path_factory.mktemp("results"), folder, "--show-text")


def test_the_page_is_text(attacked, scanned):
    assert attacked.summary["counts"]["campaigns"] == 1
    assert attacked.table("members")["account_id"][0].as_py().endswith(ATTACK)
    source = (attacked.folder / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    harmless = Page((scanned.folder / "report.html").read_text(encoding="utf-8"))
    # No element and no attribute that the page of the same world without markup does not have.
    kinds = {(element.tag, *sorted(element.attributes)) for element in harmless.elements}
    assert {(element.tag, *sorted(element.attributes)) for element in page.elements} <= kinds
    assert [e.tag for e in page.elements].count("script") == [e.tag for e in harmless.elements].count(
        "script"
    )
    for element in page.elements:
        assert not any(name.startswith("on") for name in element.attributes)
        assert element.attributes.get("href", "#").startswith("#")
        assert "src" not in element.attributes
    assert "alert(1)" in "\n".join(page.lines)  # it is there to be read
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", source)


def test_the_terminal_gets_text(attacked):
    name = attacked.table("campaigns")["campaign_id"][0].as_py()
    shown = run("explain", name, "--results", attacked.folder).done()
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    assert (
        run("explain", name, "--results", attacked.folder, "--json").done().json["group"]["group_id"] == name
    )


def test_the_commands_print_names_as_text(attacked, tmp_path):
    table = pa.table(
        {"exchange_id": ["1"], "ts": ["2026-03-02T12:00:00Z"], "account_id": ["a"], "model": ["m"]}
    )
    hostile = table.append_column(ATTACK, pa.array(["x"])).append_column("reason[/]", pa.array(["x"]))
    (tmp_path / "d").mkdir()
    pq.write_table(hostile, tmp_path / "d" / "exchanges.parquet")
    shown = run("validate", tmp_path / "d").done()
    assert "\x1b" not in shown.out + shown.err
    assert "reason[/]" in shown.out
    assert ATTACK in run("validate", tmp_path / "d", "--json").done().json["ignored_columns"]
    pq.write_table(hostile.drop_columns(["ts"]), tmp_path / "d" / "exchanges.parquet")
    refused = run("scan", tmp_path / "d", "--out", tmp_path / "r")
    refused.refused(3, "required columns are missing: ts", "<script>")
    assert "\x1b" not in refused.err
