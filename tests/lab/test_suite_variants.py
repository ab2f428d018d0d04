"""Suites that run Stillwatch another way, that give some worlds less, and that stop in time."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.lab.test_suite import DETECTOR, calls, suite_file

from benchmarks import quality_full
from stillwatch.exchange.errors import UsageError
from stillwatch.lab.simulate import simulate
from stillwatch.lab.suite import SuiteRequest, run_suite
from stillwatch.lab.suites.blinded import ACCOUNT_COLUMNS, EXCHANGE_COLUMNS, blinded
from stillwatch.lab.suites.detectors import Detector, built_in, chosen, variants, variants_of
from stillwatch.lab.suites.readme import FULL, full_block
from stillwatch.lab.suites.records import write_json
from stillwatch.lab.suites.settings import read_suite, shipped_suites
from stillwatch.lab.suites.variants import VARIANTS
from stillwatch.lab.worldfile import read_world


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    simulate("first", 3, folder, "tiny")
    return folder / "dataset"


def test_a_blinded_dataset_has_lost_its_network_and_payments_and_nothing_else(dataset: Path, tmp_path: Path):
    copy = blinded(dataset, tmp_path / "copy")
    for name, lost in (("exchanges", EXCHANGE_COLUMNS), ("accounts.parquet", ACCOUNT_COLUMNS)):
        before, after = pq.read_table(dataset / name), pq.read_table(copy / name)
        assert set(lost) <= set(before.column_names)
        assert after.schema == before.schema
        for column in before.column_names:
            if column in lost:
                assert before[column].null_count < len(before)
                assert after[column].null_count == len(after) == len(before)
            else:
                assert after[column].equals(before[column])
    assert {p.name for p in copy.iterdir()} == {p.name for p in dataset.iterdir()}


def with_variants(folder: Path, monkeypatch: pytest.MonkeyPatch, **world: str) -> tuple[Path, dict[str, Any]]:
    """A suite of one world, its settings, and variants that are detectors of the tests."""
    file = suite_file(folder, "truth", "blind")
    text = file.read_text()
    extra = "".join(f"{key} = {value}\n" for key, value in world.items())
    file.write_text(text.replace("name = 'first'\n", f"name = 'first'\n{extra}"))
    words = [sys.executable, str(folder / "detector.py"), "rash", str(folder / "calls"), "{dataset}", "{out}"]
    assert DETECTOR in (folder / "detector.py").read_text()
    made = {name: Detector(name, tuple(words), is_variant=True) for name in VARIANTS}
    monkeypatch.setattr("stillwatch.lab.suites.detectors.variants", lambda: made)
    return file, made


def test_variants_stand_in_the_targets_and_not_among_the_detectors(tmp_path, monkeypatch):
    file, _ = with_variants(tmp_path, monkeypatch, variants="['stillwatch_hash_only']", only="['blind']")
    suite = read_suite(file)
    request = SuiteRequest(suite, chosen(suite), variants=variants_of(suite))
    found = run_suite(request, tmp_path / "out")
    runs = {run["detector"]: run for run in found.quality["runs"]}
    assert list(runs) == ["blind", "stillwatch_hash_only"]
    assert {name: run["variant"] for name, run in runs.items()} == {
        "blind": False,
        "stillwatch_hash_only": True,
    }
    assert {run["days"] for run in runs.values()} == {read_world("first").days}
    assert {line["detector"] for line in found.quality["table"]} == {"blind"}
    assert "`first`, tiny | 1 | 1 |" in full_block(found.quality)
    # What was finished is taken as it is, variants too.
    before = calls(file)
    assert run_suite(request, tmp_path / "out").quality == found.quality
    assert calls(file) == before


def test_a_suite_without_time_begins_nothing_and_tells_what_is_there(tmp_path):
    file = suite_file(tmp_path, "blind", seeds="[1, 2]")
    suite = read_suite(file)
    found = run_suite(SuiteRequest(suite, chosen(suite), minutes=0), tmp_path / "out")
    assert (found.quality["runs"], found.failed, calls(file)) == ([], (), [])
    assert {row["static"]["standing"] for row in found.quality["targets"]} == {"not measured"}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("variants", "['stillwatch_upside_down']", r"variants = .* is not allowed"),
        ("variants", "3", "variants = 3 is not allowed"),
        ("only", "'blind'", "only = 'blind' is not allowed"),
        ("only", "['a/b']", "only = 'a/b' is not allowed"),
    ],
)
def test_variants_that_are_not_allowed(tmp_path, key, value, words):
    file = suite_file(tmp_path, "blind")
    file.write_text(file.read_text().replace("name = 'first'", f"name = 'first'\n{key} = {value}"))
    with pytest.raises(UsageError, match=words):
        read_suite(file)


def test_variants_are_commands_of_our_own_and_no_detectors_of_a_suite_that_names_none():
    assert tuple(variants()) == VARIANTS
    assert all(one.is_variant and not one.is_baseline for one in variants().values())
    assert not set(built_in()) & set(VARIANTS)
    for one in variants().values():
        words = one.words(Path("d"), Path("o"))
        assert {"d", "o"} <= set(words), shlex.join(words)
    suite = read_suite("quality")
    assert not {d.name for d in chosen(suite)} & set(VARIANTS)
    assert [d.name for d in chosen(suite, ["stillwatch_fdr_05"])] == ["stillwatch_fdr_05"]


def test_every_world_stands_in_the_long_bench_and_calibration_has_200_simulations():
    worlds = {cell.world for cell in read_suite("quality_full").cells}
    assert worlds >= {cell.world for cell in read_suite("quality").cells}
    calibration = read_suite("calibration")
    assert len(calibration.cells) == 200
    assert sum(not read_world(c.world).campaigns or c.null for c in calibration.cells) == 100
    assert all(calibration.only[c.name] == () for c in calibration.cells)
    names = [cell.name for name in shipped_suites() for cell in read_suite(name).cells]
    assert len(set(names)) == len(names)


def test_the_long_bench_goes_forward_seed_by_seed_in_all_its_parts():
    suites = [read_suite("quality_full"), read_suite("calibration")]
    suite = quality_full.together(suites)
    assert sorted(c.name for c in suite.cells) == sorted(c.name for s in suites for c in s.cells)
    half = suite.cells[: len(suite.cells) // 2]
    for one in suites:
        there = sum(cell in half for cell in one.cells)
        assert abs(there - len(one.cells) / 2) <= 1
    first = quality_full.by_seed(suites[0].cells)
    assert {cell.world for cell in first[:22]} == {cell.world for cell in suites[0].cells}
    only = quality_full.together(suites, ["jitter"])
    assert {cell.world for cell in only.cells} == {"jitter"}
    assert {cell.scale for cell in only.cells} == {"medium", "small"}


def test_the_long_bench_writes_its_file_and_its_place_on_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        quality_full, "PARTS", {"worlds": str(suite_file(tmp_path, "truth")), "calibration": "calibration"}
    )
    page = tmp_path / "page.md"
    page.write_text(f"a\n{FULL.begin}\nold\n{FULL.end}\nb\n")
    wanted = ["--part", "worlds", "--only", "first"]
    quality_full.main(wanted, tmp_path / "q.json", tmp_path / "out", page)
    text = page.read_text()
    assert text.startswith(f"a\n{FULL.begin}\n\nSimulations that were run\n\n| world | truth |")
    assert "| `first`, tiny | 1 |" in text
    assert "Where it must arrive" in text
    assert "Targets" in capsys.readouterr().out
    kept = (tmp_path / "q.json").read_bytes()
    write_json(tmp_path / "q.json", {})
    quality_full.main([*wanted, "--budget", "0"], tmp_path / "q.json", tmp_path / "out", page)
    assert (tmp_path / "q.json").read_bytes() == kept


def test_nulls_are_of_the_columns_type(tmp_path: Path):
    """A reader that looks at types first sees no difference."""
    folder = tmp_path / "d"
    (folder / "exchanges").mkdir(parents=True)
    table = pa.table(
        {"exchange_id": ["a"], "client_ip": ["1.2.3.4"], "ts": pa.array([0], pa.timestamp("us", "UTC"))}
    )
    pq.write_table(table, folder / "exchanges" / "part-0.parquet")
    copy = pq.read_table(blinded(folder, tmp_path / "copy") / "exchanges" / "part-0.parquet")
    assert copy.schema == table.schema
    assert pc.all(copy["client_ip"].is_null()).as_py()
