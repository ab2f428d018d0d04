"""docs/laboratory.md and docs/worlds.md say what the code does; their examples run and keep the contracts."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from tests.lab import test_conducts
from tests.lab import test_populations as conformance
from tests.lab.worlds_page import PAGE, filled
from tests.test_docs import code, commands, sections, table_rows

from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.tables import LABELS
from stillwatch.lab import conducts, populations, simulate
from stillwatch.lab.compare import RESAMPLES
from stillwatch.lab.honesty import arrivals, metadata
from stillwatch.lab.plan import cells, scales
from stillwatch.lab.plan.events import EVENT
from stillwatch.lab.score import MATCH_PRECISION, MATCH_RECALL, Score, score
from stillwatch.lab.scoring.price import TARGET
from stillwatch.lab.suites.detectors import chosen
from stillwatch.lab.suites.settings import read_suite
from stillwatch.lab.truth import REPLACEMENTS, SCENARIOS
from stillwatch.lab.worldfile import known, read_world, shipped_worlds

ROOT = Path(__file__).parents[2]
LABORATORY = (ROOT / "docs" / "laboratory.md").read_text()
WORLDS = PAGE.read_text()
SECTIONS = sections(LABORATORY)
KINDS = {"Benign life": populations, "Campaigns": conducts}


def block(section: str, language: str) -> str:
    """The first code block of a section in this language."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", SECTIONS[section], re.DOTALL)
    return blocks[0]


def test_the_generated_parts_are_up_to_date():
    assert filled(WORLDS) == WORLDS, "run `python -m tests.lab.worlds_page`"


@pytest.mark.parametrize("section", KINDS)
def test_every_kind_has_its_row_and_every_row_its_kind(section: str):
    rows = table_rows(sections(WORLDS)[section].split("###")[0])
    assert sorted(code(row[0])[0] for row in rows) == sorted(known(KINDS[section]))
    assert all(cell for row in rows for cell in row)


def test_the_page_names_no_kind_world_or_setting_that_does_not_exist():
    prose = re.sub(r"<!-- generated.*?<!-- end -->", "", WORLDS, flags=re.DOTALL)
    modules = known(populations) | known(conducts)
    settings = {p.name for module in modules.values() for p in module.PARAMETERS}
    names = {*modules, *shipped_worlds(), *settings, "family", "dose"}
    unknown = {word for word in code(prose) if re.fullmatch(r"[a-z_]+", word)} - names
    assert not unknown


def test_every_scale_is_listed_with_its_factor():
    rows = {code(row[0])[0]: row[1] for row in table_rows(SECTIONS["Make a world"]) if "--" not in row[0]}
    assert list(rows) == list(scales.SCALES)
    for name, factor in scales._FACTORS.items():
        assert rows[name].split(" ")[0] == f"{factor:g}"


def test_the_figures_of_memory_are_those_of_the_code():
    told = " ".join(SECTIONS["Make a world"].split())
    assert f"at most {cells.CELL:,} accounts of a population at a time" in told
    assert f"some {simulate._SLICE:,} exchanges at a time" in told
    assert f"{EVENT.itemsize} bytes an exchange" in told


def test_the_limits_of_the_honesty_checks_are_those_of_the_code():
    section = SECTIONS["Is the laboratory itself honest?"]
    told = {name: row[2] for row in table_rows(section) for name in code(row[1]) if name.endswith(".py")}
    for module in (arrivals, metadata):
        name = "lab/honesty/" + Path(str(module.__file__)).name
        assert told[name] == f"area under the curve at most {module.ALLOWED_AUC:.2f}"
    example = ast.parse(block("Is the laboratory itself honest?", "python"))
    attributes = {node.attr for node in ast.walk(example) if isinstance(node, ast.Attribute)}
    assert attributes <= set(arrivals.ArrivalCheck.__dataclass_fields__)


@pytest.mark.parametrize(
    ("section", "words", "holds"),
    [
        ("Score a detector", "It matches if at least half of them are", MATCH_PRECISION == 0.5),
        ("Score a detector", "they are at least a tenth of that campaign", MATCH_RECALL == 0.1),
        ("Score a detector", "exchange recall falls to 50 % or below", TARGET == 0.5),
        ("Compare two detectors", "10,000 resamples of the pairs", RESAMPLES == 10_000),
    ],
)
def test_the_constants_of_the_score_are_told(section: str, words: str, holds: bool):
    assert words in " ".join(SECTIONS[section].split())
    assert holds


def test_the_columns_of_the_truth_are_listed():
    rows = {code(row[0])[0]: code(row[1]) for row in table_rows(SECTIONS["What is in the folder"])}
    wanted = {"labels": LABELS.arrow, "scenarios": SCENARIOS, "replacements": REPLACEMENTS}
    assert rows == {f"{name}.parquet": schema.names for name, schema in wanted.items()}


def test_every_command_on_the_page_exists_with_its_options():
    known_commands = commands()
    lines = [
        line for text in re.findall(r"```sh\n(.*?)```", LABORATORY, re.DOTALL) for line in text.splitlines()
    ]
    shown = [line.split("#")[0].split() for line in lines if line.startswith("stillwatch ")]
    names = {" ".join(words[: 3 if words[1] == "lab" else 2]) for words in shown}
    assert names <= set(known_commands)
    for words in shown:
        name = " ".join(words[: 3 if words[1] == "lab" else 2])
        options = {spelled for parameter in known_commands[name].params for spelled in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, words
    laboratory = {name for name in known_commands if name.startswith("stillwatch lab ")}
    elsewhere = {"stillwatch lab train-signals"}  # docs/signals.md
    assert laboratory - names == elsewhere, "show the command in docs/laboratory.md"


@pytest.mark.parametrize("row", table_rows(SECTIONS["A world of your own"]), ids=lambda row: row[0])
def test_wrong_settings_get_the_error_that_the_page_shows(row: list[str], tmp_path: Path):
    line, kind, told = code(row[0])[0], code(row[0])[1:], code(row[1])
    table = "population" if kind == ["chat_users"] or line.startswith("kind") else "campaign"
    entry = f'[[{table}]]\nkind = "{kind[0]}"\n{line}\n' if kind else f"[[{table}]]\n{line}\n"
    if line.startswith("extends"):
        entry = line
    elif table == "campaign":
        entry = f'extends = "everyday"\n{entry}'
    (tmp_path / "wrong.toml").write_text(entry)
    with pytest.raises(UsageError) as error:
        read_world(tmp_path / "wrong.toml")
    said = f"{error.value} {error.value.remedy}"
    assert [words for words in told if words not in said] == []


def test_the_suite_of_ones_own_is_accepted(tmp_path: Path):
    (tmp_path / "own.toml").write_text(
        re.findall(r"```toml\n(.*?)```", SECTIONS["Run a suite"], re.DOTALL)[0]
    )
    (tmp_path / "mine.toml").write_text(block("A world of your own", "toml"))
    suite = read_suite(tmp_path / "own.toml")
    assert [cell.name for cell in suite.cells][-1] == "mine-12-null"
    assert [detector.name for detector in chosen(suite)] == ["stillwatch", "shared_infrastructure", "mine"]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """The population and the conduct of the page, put where their kind is looked for."""
    found, modules = {}, []
    for section, package in (("Add a population", populations), ("Add a conduct", conducts)):
        name = re.findall(r"This one is complete,\s`(\w+)\.py`", SECTIONS[section])[0]
        folder = tmp_path_factory.mktemp(name)
        (folder / f"{name}.py").write_text(block(section, "python"))
        package.__path__.append(str(folder))
        found[name] = known(package)[name]
        modules.append((package, name, str(folder)))
    yield found
    for package, name, path in modules:
        package.__path__.remove(path)
        delattr(package, name)
        del sys.modules[f"{package.__name__}.{name}"]


def test_the_population_of_the_page_keeps_the_contract_of_all(examples: Mapping[str, ModuleType]):
    kind, module = "subtitlers", examples["subtitlers"]
    lived = {kind: conformance.live(kind)}
    conformance.test_a_population_says_whom_it_models_and_what_can_be_set(module)
    conformance.test_requests_fit_their_columns_and_stay_inside_the_window(kind, lived)
    conformance.test_accounts_live_when_they_are_used_and_hardly_a_request_is_lost(kind, lived)
    conformance.test_a_conversation_belongs_to_one_account_and_its_turns_are_in_order(kind, lived)
    conformance.test_all_texts_are_written_and_no_slot_is_left_open(kind, lived)
    conformance.test_the_same_seed_gives_the_same_plan_and_another_one_does_not(kind, lived)
    first, second = conformance.live(kind), conformance.live(kind, cell=1)
    assert first.traffic.shared == second.traffic.shared


def test_the_conduct_of_the_page_keeps_the_contract_of_all(
    examples: Mapping[str, ModuleType], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(test_conducts.KNOWN, "relay", examples["relay"])
    test_conducts.test_every_conduct_conforms("relay")


@pytest.fixture(scope="module")
def world(examples: Mapping[str, ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world of the page, with the examples of the page in it."""
    folder = tmp_path_factory.mktemp("own")
    added = '[[population]]\nkind = "subtitlers"\n[[campaign]]\nkind = "relay"\nstart_day = 1.0\n'
    dirty = '[[campaign]]\nkind = "hydra"\nname = "dirty"\nbans_per_day = 0.1\n'
    (folder / "mine.toml").write_text(block("A world of your own", "toml") + added + dirty)
    simulate.simulate(folder / "mine.toml", 7, folder / "world", "tiny")
    return folder / "world"


def test_the_world_of_the_page_holds_what_it_says(world: Path):
    own = tomllib.loads(block("A world of your own", "toml"))
    settings = read_world("first")
    kept = {actor.name for actor in settings.populations} | {e["name"] for e in own["population"]}
    strata = set(pq.read_table(world / "labels.parquet")["stratum"].to_pylist())
    assert strata <= {*kept, "subtitlers", "patient", "relay", "dirty"}
    assert {"cron_quarter_hour", "subtitlers", "patient", "relay", "dirty"} <= strata
    patient = {row["campaign_id"]: row for row in pq.read_table(world / "scenarios.parquet").to_pylist()}[
        "patient"
    ]
    assert (patient["family"], patient["dose"], patient["cost_delay_hours"]) == ("jitter", 2.0, 2.0)


def test_the_folder_is_the_one_that_is_drawn(world: Path):
    drawn = re.findall(r"[\w-]+(?:\.parquet|/)", block("What is in the folder", ""))
    made = {path.name + ("/" if path.is_dir() else "") for path in world.rglob("*")}
    assert set(drawn) - {"worlds/", "first-7/"} == made


def test_the_relay_of_the_page_works_in_shifts_and_names_its_price(world: Path):
    rows = pq.read_table(world / "scenarios.parquet").to_pylist()
    relay = next(row for row in rows if row["campaign_id"] == "relay")
    assert relay["kind"] == "relay"
    assert relay["cost_accounts"] >= relay["n_accounts"] > 5
    assert relay["cost_money_eur"] > 0
    labels, exchanges = (
        pq.read_table(world / "labels.parquet"),
        pq.read_table(world / "dataset" / "exchanges"),
    )
    both = exchanges.select(["exchange_id", "ts"]).join(labels, "exchange_id").to_pylist()
    spans: dict[str, list[datetime]] = {}
    for row in both:
        if row["campaign_id"] == "relay":
            spans.setdefault(row["account_id"], []).append(row["ts"])
    longest = max((max(ts) - min(ts)).total_seconds() for ts in spans.values())
    assert longest <= 25 * 3600  # a shift, and a retry


@pytest.fixture(scope="module")
def scored(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Score:
    """The detector of the page, run as a reader would run it."""
    folder = tmp_path_factory.mktemp("detector")
    (folder / "mine.py").write_text(block("Put your own detector on it", "python"))
    subprocess.run(
        [sys.executable, str(folder / "mine.py"), str(world / "dataset"), str(folder / "results")], check=True
    )
    assert {p.name for p in (folder / "results").iterdir()} == {
        "campaigns.parquet",
        "members.parquet",
        "flagged.parquet",
    }
    return score(folder / "results", world / "labels.parquet")


def test_the_detector_of_the_page_is_short_and_finds_what_the_page_says(scored: Score):
    assert len(block("Put your own detector on it", "python").splitlines()) <= 20
    told = scored.to_dict()
    found = {campaign["campaign_id"]: campaign["found"] for campaign in told["campaigns"]}
    assert found["dirty"]
    assert not found["relay"]
    assert {f["stratum"] for f in told["false_campaigns"]} >= {"enterprise_declared", "enterprise_undeclared"}
