import base64
import hashlib
import os
import re
from pathlib import Path

import pytest

from stillwatch.evidence.report import write_report
from stillwatch.exchange.errors import OutputError

from .example_results import Example, example
from .page import Page, Tables, says

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Example]:
    return example().write(tmp_path_factory.mktemp("results")), example()


@pytest.fixture(scope="module")
def page(made) -> Page:
    return Page(write_report(made[0]).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def nothing_found(tmp_path_factory) -> Page:
    folder = example(campaigns=False).write(tmp_path_factory.mktemp("none"))
    return Page(write_report(folder).read_text(encoding="utf-8"))


def agrees_with_golden(name: str, lines: list[str]) -> bool:
    file = GOLDEN / name
    if os.environ.get("STILLWATCH_RENEW_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").splitlines() == lines


def test_every_figure_stands_in_the_tables(made, page):
    folder, written = made
    tables = Tables(folder, written.summary)
    checked = 0
    for element in page.elements:
        source = element.attributes.get("data-source", "")
        if source and not source.endswith("#name") and source != "ties.kind":
            value = tables.value(source)
            assert says(element.text, value, source), (source, element.text, value)
            checked += 1
    assert checked > 900
    named = {
        e.attributes["data-source"].split("[")[0].split("(")[-1].split(".")[0]
        for e in page.elements
        if "data-source" in e.attributes
    }
    assert named >= {"summary", *(name for name in written.tables if name not in {"flagged", "timeline"})}


def test_tooltips_of_the_drawings_stand_in_the_tables(made, page):
    folder, written = made
    tables = Tables(folder, written.summary)
    titles = [element for element in page.elements if "data-sources" in element.attributes]
    assert any("timeline" in element.attributes["data-sources"] for element in titles)
    for element in titles:
        for source in element.attributes["data-sources"].split(" "):
            value = tables.value(source)
            shown = f"{value:,}" if isinstance(value, int) else str(value).replace("_", " ")
            assert shown in element.text.replace("_", " "), (source, element.text)


def test_no_number_is_shown_that_names_no_source(page, nothing_found):
    for element in (*page.elements, *nothing_found.elements):
        assert not re.search(r"\d", element.unsourced), element


def test_the_text_is_what_was_agreed(page):
    assert agrees_with_golden("report.txt", page.lines)


def test_without_campaigns_the_page_says_so(nothing_found):
    assert agrees_with_golden("report_without_campaigns.txt", nothing_found.lines)
    assert (
        nothing_found.lines[1]
        == "No campaign was found among 5,000 accounts and 150,214 exchanges; nobody is accused."
    )


def test_the_page_loads_nothing_and_runs_only_its_own_script(page):
    (policy,) = [
        e.attributes["content"]
        for e in page.elements
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert "default-src 'none'" in policy
    script = re.search(r"<script>(.*?)</script>", page.source, re.S)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [
        e for e in page.elements if e.tag in {"link", "img", "iframe", "object", "embed", "form", "base"}
    ]
    assert not re.search(r"url\(|@import|https?://", page.source)
    for element in page.elements:
        assert not {
            name for name in element.attributes if name.startswith("on") or name in {"src", "style", "srcset"}
        }
        assert element.attributes.get("href", "#").startswith("#")


def test_links_lead_somewhere(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert {e.attributes["href"][1:] for e in page.elements if "href" in e.attributes} <= set(ids)


def test_the_same_tables_give_the_same_bytes(made, page, tmp_path):
    again = write_report(made[0], tmp_path / "deep" / "again.html")
    assert again.read_text(encoding="utf-8") == page.source
    assert [file.name for file in again.parent.iterdir()] == ["again.html"]


def test_long_lists_are_cut_and_the_cut_is_told(tmp_path):
    written = example()
    for i in range(400):
        written.tables["busy"].append({**written.tables["busy"][0], "account_id": f"more_{i}"})
    text = "\n".join(Page(write_report(written.write(tmp_path)).read_text(encoding="utf-8")).lines)
    assert "The first 50 of 420 are shown; all of them stand in busy.parquet." in text


def test_asked_text_is_shown_instead_of_the_redacted(tmp_path):
    written = example()
    written.tables["samples"][0]["text"] = "Grade this <b>answer</b>"
    page = Page(write_report(written.write(tmp_path)).read_text(encoding="utf-8"))
    shown = [e.text for e in page.elements if e.attributes.get("data-source", "").startswith("samples.text[")]
    assert shown == ["Grade this <b>answer</b>"]


def test_groups_that_were_tested_and_not_kept_are_told(tmp_path):
    written = example()
    written.summary["counts"]["groups_tested"] = 141
    text = "\n".join(Page(write_report(written.write(tmp_path)).read_text(encoding="utf-8")).lines)
    assert "141 groups were tested; the tables keep 9 of them." in text
    assert "contradict" not in text


def test_samples_are_optional(tmp_path):
    page = write_report(example().write(tmp_path, samples=False)).read_text(encoding="utf-8")
    assert page.count("No prompt was kept with these results.") == 3


def test_contradictions_are_told(tmp_path):
    written = example()
    written.tables["campaigns"][0]["n_accounts"] += 1
    text = write_report(written.write(tmp_path)).read_text(encoding="utf-8")
    assert "The tables contradict each other." in text
    assert "campaigns.n_accounts of c_7f3a91 is 141, but members holds 140" in text


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), None, 1e300, -1e-300])
def test_odd_numbers_break_nothing(tmp_path, odd):
    written = example()
    for row in written.tables["evidence"]:
        row["value"] = row["expected"] = odd
        row["log10_e"] = 0.0 if odd is None else odd
    for row in written.tables["explanations"]:
        row["measure"] = row["threshold"] = odd
    assert "nan" not in Page(write_report(written.write(tmp_path)).read_text(encoding="utf-8")).lines


def test_empty_tables_make_a_page(tmp_path):
    written = example(campaigns=False)
    for rows in written.tables.values():
        rows.clear()
    written.summary |= {
        "counts": dict.fromkeys(written.summary["counts"], 0),
        "period": None,
        "steps": [],
        "settings": {},
    }
    text = "\n".join(Page(write_report(written.write(tmp_path)).read_text(encoding="utf-8")).lines)
    assert "No campaign was found among 0 accounts and 0 exchanges; nobody is accused." in text


def test_a_page_that_cannot_be_written_is_told(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_report(made[0], tmp_path / "file" / "report.html")
