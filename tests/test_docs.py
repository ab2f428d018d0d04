"""The documentation says what the code does: commands, settings, formats, links, constants, and commands that run."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from stillwatch.campaigns import (
    common_stream,
    exchangeability,
    explanations,
    group,
    material,
    output_maximisation,
    partition,
    training_shape,
)
from stillwatch.campaigns.co_occurrence import TIED_SHARE
from stillwatch.campaigns.explanations import ONE_OWNER
from stillwatch.campaigns.families import FAMILIES
from stillwatch.campaigns.owners import CONNECTED
from stillwatch.campaigns.shown import MEMBER_THRESHOLD
from stillwatch.campaigns.tables import RESULTS, Rung
from stillwatch.cli.main import app
from stillwatch.engines.machine_memory import MOST
from stillwatch.lab.suites.readme import page_block, readme_block
from stillwatch.lab.suites.records import read_quality
from stillwatch.settings import ScanSettings
from stillwatch.signals.classifiers import load_classifiers
from stillwatch.sources.canonical_parquet import NAME as CANONICAL_PARQUET
from stillwatch.sources.registry import SOURCES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text()
README = (ROOT / "README.md").read_text()
DETECTION = (ROOT / "docs" / "detection.md").read_text()


def commands(command: Any = None, path: tuple[str, ...] = ("stillwatch",)) -> dict[str, Any]:
    """Every command that can be run: name -> click command."""
    command = command or typer.main.get_command(app)
    children = getattr(command, "commands", None)
    if not children:
        return {" ".join(path): command}
    found: dict[str, Any] = {}
    for name, child in children.items():
        found |= commands(child, (*path, name))
    return found


def sections(text: str) -> dict[str, str]:
    """Heading of the second level -> what stands under it."""
    parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def table_rows(text: str) -> list[list[str]]:
    """Cells of all Markdown table rows but headings and rules."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]
    rules = {index for index, row in enumerate(cells) if all(re.fullmatch(":?-+:?", cell) for cell in row)}
    return [row for index, row in enumerate(cells) if index not in rules and index + 1 not in rules]


def code(cell: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_readme_shows_the_committed_table():
    committed = ROOT / "benchmarks" / "quality.json"
    if not committed.exists():
        pytest.skip("benchmarks/quality.json is not made yet: make bench-quality")
    quality = read_quality(committed)
    assert readme_block(quality) in README, "make bench-quality"
    assert page_block(quality) in (ROOT / "docs" / "measured.md").read_text(encoding="utf-8"), (
        "make bench-quality"
    )
    assert quality["suite"] == "quality"


def test_every_command_is_documented_and_every_documented_command_exists():
    documented = {name.strip("`") for name in sections(COMMAND_LINE) if name.startswith("`")}
    assert documented == set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_is_documented_with_its_default(name):
    options = {tuple(p.opts): p for p in commands()[name].params if p.opts[0].startswith("-")}
    rows = {tuple(code(row[0])): row[1] for row in table_rows(sections(COMMAND_LINE)[f"`{name}`"])}
    assert set(rows) == set(options)
    for spelled, option in options.items():
        told = rows[spelled].strip("`")
        if option.required:
            assert told == "required"
        elif spelled[0].removeprefix("--").replace("-", "_") in ScanSettings.model_fields:
            assert told == "setting"
        else:
            words = {None: "none", False: "off"}
            assert told == words.get(option.default, str(option.default)), spelled


def test_every_setting_is_documented():
    rows = {code(row[0])[0]: row for row in table_rows(sections(COMMAND_LINE)["Settings"])}
    assert list(rows) == list(ScanSettings.model_fields)
    for name, field in ScanSettings.model_fields.items():
        _, variable, default, _, meaning = rows[name]
        assert code(variable) == [f"STILLWATCH_{name.upper()}"]
        shown = "none" if field.default is None else str(field.default)
        if field.default_factory is not None:  # it depends on the machine
            shown = f"{MOST // 10**9}GB or less"
        shown = shown.lower() if isinstance(field.default, bool) else shown
        assert default == shown, name
        assert meaning.startswith(str(field.description))


def test_the_example_of_a_settings_file_is_accepted(tmp_path):
    from stillwatch.settings import load_settings

    file = tmp_path / "stillwatch.toml"
    file.write_text(re.findall(r"```toml\n(.*?)```", COMMAND_LINE, re.DOTALL)[0])
    assert load_settings(file, {}).trusted_hops == 1


def test_every_exit_code_is_documented():
    from stillwatch.cli import main
    from stillwatch.exchange import errors

    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.StillwatchError)
    }
    codes |= {int(number) for number in re.findall(r"sys\.exit\((\d+)\)", Path(main.__file__).read_text())}
    documented = {int(row[0]) for row in table_rows(sections(COMMAND_LINE)["Exit codes"])}
    assert documented == codes | {1}  # 1 is the choice of --fail-on


def test_the_readme_lists_the_formats_that_are_read():
    listed = [code(row[0])[0] for row in table_rows(sections(README)["What it reads"])]
    assert sorted(listed) == sorted([CANONICAL_PARQUET, *(source.name for source in SOURCES)])


def test_the_readme_shows_each_format_and_its_commands_exist():
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines() if ".venv/bin/" in line]
    shown = "\n".join(lines)
    for fixture in sorted((ROOT / "tests" / "fixtures" / "logs").glob("*.*")):
        assert f"tests/fixtures/logs/{fixture.name}" in shown
    known = commands()
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        name = next(n for n in (" ".join(["stillwatch", *words[:2]]), f"stillwatch {words[0]}") if n in known)
        options = {spelled for parameter in known[name].params for spelled in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_the_readme_names_every_result_table():
    listed = {name for row in table_rows(sections(README)["What comes out"]) for name in code(row[0])}
    assert listed == {f"{schema.name}.parquet" for schema in RESULTS} | {"report.html", "summary.json"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        if anchor:
            headings = re.findall(r"^#+ +(.+)$", file.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, target


def test_every_page_can_be_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"]({page.name})" in index


def test_decisions_are_listed_in_order():
    folder = ROOT / "docs" / "decisions"
    listed = re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text())
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))
    numbers = [name[:4] for name in listed]
    assert len(set(numbers)) == len(numbers)


def test_pages_name_no_machine_and_no_registry():
    for page in PAGES:
        text = page.read_text()
        assert not re.search(r"/(work|home|root|tmp|Users)/|//[^/\s]*(pypi|registry|mirror)", text), page


def test_every_family_and_every_rung_is_described():
    assert set(FAMILIES) <= set(code(DETECTION))
    for rung in Rung:
        spelled = rung.value.replace("training_shaped", "training-shaped").replace("_", " ")
        assert f"*{spelled}*" in DETECTION
        assert f"*{spelled}*" in README.replace("*Repetitive*", "*repetitive*").lower()


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("by a factor of 1.3 or more", common_stream.CLUMPED == 1.3),
        ("precision of at most 50", exchangeability.LOYAL_PRECISION == 50),
        ("At most 160 topics", exchangeability.MOST_TOPICS == 160),
        ("at a rate of 10 % or more", partition.REPEATING == 0.1),
        ("At least half of the exchanges", training_shape.MAJORITY == 0.5),
        ("fewer than half of the accounts share", TIED_SHARE == 0.5),
        ("do not hold seven tenths of the group together", CONNECTED == 0.7),
        ("mix of their own (precision of at most 10", material.OWN_MIX == 10),
        ("tasks come back at a rate below 5 %", group.FRESH_RATE == 0.05),
        ("Among the highest 5 %, e is 20", output_maximisation.LEVEL == 0.05),
        ("stands behind nine tenths", ONE_OWNER == 0.9),
        ("1 % unless `--fdr`", ScanSettings.model_fields["fdr"].default == 0.01),
        ("`shape_error` (20 % unless", ScanSettings.model_fields["shape_error"].default == 0.2),
        ("Accounts below 0.8 are not members", MEMBER_THRESHOLD == 0.8),
    ],
)
def test_the_constants_of_the_tests_are_told(words, value):
    assert words in " ".join(DETECTION.split())
    assert value


def test_what_is_said_of_the_last_rung_holds():
    rate = load_classifiers().benign_training_form_rate
    assert f"1 / {rate:.2f}" in DETECTION
    assert rate <= ScanSettings.model_fields["shape_error"].default, "no group could reach the last rung"


def test_the_steps_of_a_scan_are_listed(tmp_path):
    """Each step that a scan makes stands in concepts.md, and no other."""
    from stillwatch.lab.simulate import simulate
    from stillwatch.scan import ScanRequest, scan
    from stillwatch.settings import load_settings

    simulate("first", seed=3, out=tmp_path / "world", scale="tiny")
    request = ScanRequest((str(tmp_path / "world" / "dataset"),), keep_steps=True)
    scan(request, tmp_path / "out", load_settings(None, {"key_file": tmp_path / "key"}))
    # A table is a file, or a folder of files.
    made = {path.stem for path in (tmp_path / "out" / "steps").glob("*.parquet")}
    made |= {path.parent.name for path in (tmp_path / "out" / "steps").glob("*/part-*.parquet")}
    section = sections((ROOT / "docs" / "concepts.md").read_text())["What stands in OUT/steps"]
    listed = {name for row in table_rows(section) for name in code(row[0])} - {"input/"}
    families = {name for name in listed if name.endswith("*")}
    missing = {n for n in made - listed if not any(n.startswith(f[:-1]) for f in families)}
    assert (missing, listed - made - families) == (set(), set())


def test_every_innocent_explanation_is_listed():
    tree = ast.parse(Path(explanations.__file__).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if getattr(call.func, "id", "") == "Explanation"]
    names = {ast.literal_eval(call.args[0]) for call in made}
    assert len(names) >= 4
    assert names == {row[0] for row in table_rows(sections(DETECTION)["Innocent explanations"])}
