"""Whoever is accused chooses the strings in these tables: none of them may act, hide or deface."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from stillwatch.evidence.explain import explain, explain_dict
from stillwatch.evidence.report import write_report

from .example_results import SCHEMAS, Example, example
from .page import Page

ATTACKS = [
    "<script>document.documentElement.dataset.owned='1'</script>",
    '"><img src=x onerror="document.documentElement.dataset.owned=\'1\'">',
    "' onmouseover='document.documentElement.dataset.owned=1' x='",
    "</title></svg></style></script></details><iframe srcdoc='<script>parent.document.title=1</script>'>",
    "javascript:document.documentElement.dataset.owned='1'",
    "{{ 7 * 7 }}{% raw %}{# #}${7*7}",
    "\u202egnp.exe\u2066\u2069\u200b\u00ad\ufeff\U000e0041",
    "\x1b[2J\x1b]8;;https://example.org\x07click\x1b]8;;\x07\x00\x9b31m\x7f",
    "[bold red on blue]owned[/] [link=https://example.org]x[/link] :skull:",
    "-->]]><!--&lt;b&gt;&#x3c;script&#x3e;",
    "e\u0301\u0301\u0301\u0301\u0301\u0301\u0301\u0301" * 20,
    "W" * 5_000,
    "\n\r\n\u2028\u2029\t",
    "/..%2f?#[]~2 and x=1 where",
]


def poisoned(attack: str) -> Example:
    """The example with an attack at the end of every string of every table and of the summary."""
    written = example()
    for name, schema in SCHEMAS.items():
        for row in written.tables[name]:
            for column in schema:
                value = row.get(column.name)
                # Exchanges that are flagged are only counted; the ladder has names of its own.
                if (
                    column.name == "rung"
                    or (name, column.name) == ("flagged", "exchange_id")
                    or value is None
                ):
                    continue
                if isinstance(value, str):
                    row[column.name] = value + attack
                elif isinstance(value, list):
                    row[column.name] = [each + attack for each in value]
    written.summary["version"] += attack
    written.summary["generated_from"] = {"command": "stillwatch scan" + attack, "dataset" + attack: [attack]}
    written.summary["settings"] = {"a" + attack: attack, "b": {attack: attack}}
    for step in written.summary["steps"]:
        step["name"] += attack
    return written


def outline(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    return [(element.tag, tuple(sorted(element.attributes))) for element in page.elements]


@pytest.fixture(scope="module")
def harmless(tmp_path_factory) -> Page:
    folder = poisoned("").write(tmp_path_factory.mktemp("harmless"))
    return Page(write_report(folder).read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=ATTACKS, ids=range(len(ATTACKS)))
def attacked(request, tmp_path_factory) -> tuple[str, Path]:
    return request.param, poisoned(request.param).write(tmp_path_factory.mktemp("attacked"))


def test_values_add_no_element_and_no_attribute(attacked, harmless):
    text = write_report(attacked[1]).read_text(encoding="utf-8")
    page = Page(text)
    # Settings may merge or part by their names; everything else must be element for element the same.
    assert without_settings(outline(page)) == without_settings(outline(harmless))
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text
    )
    for element in page.elements:
        assert element.attributes.get("href", "#").startswith("#")
        # Long values are cut, whatever they hold.
        if element.attributes.get("class") in {"quote", "figure"}:
            assert len(element.text) < 4_000


def without_settings(elements: list[tuple[str, tuple[str, ...]]]) -> list[tuple[str, tuple[str, ...]]]:
    return [
        element
        for element in elements
        if element[0] not in {"dt", "dd"} and element != ("span", ("class", "data-source"))
    ]


def test_the_terminal_gets_text_only(attacked):
    attack, folder = attacked
    name = "c_7f3a91" + attack
    stream = io.StringIO()
    explain(folder, name, Console(file=stream, width=100, force_terminal=True, color_system="truecolor"))
    printed = stream.getvalue()
    # Of escape sequences only colours and weights, which are rich's own.
    rest = re.sub("\x1b\\[[0-9;]*m", "", printed)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2066-\u2069]", rest)
    if attack.startswith("[bold"):
        assert ":skull:" in rest
        assert "[link=" in rest
    assert explain_dict(folder, name)["group"]["words"].endswith(attack)


@pytest.fixture(scope="module")
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine: whether a browser runs anything is not tried")
    return found


def rendered(browser: str, file: Path, profile: Path) -> str:
    quiet = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    command = [browser, "--headless", *quiet.split(), "--disable-component-update", "--disable-sync"]
    return subprocess.run(
        [*command, f"--user-data-dir={profile}", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    ).stdout  # fmt: skip


def test_a_browser_runs_nothing_of_it(browser, tmp_path):
    file = write_report(poisoned("".join(ATTACKS[:6])).write(tmp_path))
    (tmp_path / "control.html").write_text(f"<!doctype html><html><body>{ATTACKS[0]}</body></html>")
    assert 'data-owned="1"' in rendered(browser, tmp_path / "control.html", tmp_path / "a")
    page = rendered(browser, file, tmp_path / "b")
    assert "data-owned" not in re.sub(r">[^<]*<", "><", page).split("<body", 1)[0]
    assert "<iframe" not in page
    assert page.count("<script") == 1
