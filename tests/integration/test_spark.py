"""The same scan on DuckDB, on Spark in one process, under spark-submit, and on a cluster that loses a worker."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.lab.simulate import Simulated, simulate
from tests.cli.command import PROGRAM, run_apart
from tests.end_to_end.worlds import SEED, WORLD, own_key_file
from tests.engines.comparing import differences
from tests.engines.every_engine import GAPS, why_no_spark
from tests.integration.spark_cluster import PATIENCE, running

lacking = why_no_spark()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(lacking is not None, reason=str(lacking)),
    pytest.mark.usefixtures("own_key_file"),
]
__all__ = ["own_key_file"]

# Small tables want few partitions; the address is this machine's own, whatever its name resolves to.
SPARK = """
[spark]
"spark.sql.shuffle.partitions" = "4"
"spark.driver.host" = "127.0.0.1"
"spark.driver.bindAddress" = "127.0.0.1"
"spark.ui.enabled" = "false"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return simulate(WORLD, SEED, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "spark.toml"
    file.write_text(SPARK)
    return file


@pytest.fixture(scope="module")
def expected(world: Simulated, tmp_path_factory: pytest.TempPathFactory, own_key_file: None) -> Path:
    """The results of the embedded engine."""
    out = tmp_path_factory.mktemp("duckdb")
    run_apart("scan", world.dataset, "--out", out).done()
    return out


def require_same_tables(found: Path, expected: Path, *, copied: bool = False) -> None:
    """Every result table of one folder is that of the other; `copied` where exchanges went to a folder elsewhere."""
    names = sorted(file.name for file in expected.glob("*.parquet"))
    assert names == sorted(file.name for file in found.glob("*.parquet"))
    assert {"campaigns.parquet", "members.parquet", "flagged.parquet"} <= set(names)
    for name in names:
        tables = [pq.read_table(folder / name) for folder in (expected, found)]
        if copied and name == "quality.parquet":
            gap = pa.array(sorted(GAPS["identifiers"].values))
            tell = pc.field("measure").isin(gap) & (pc.field("subject") == "exchanges")
            assert [table.filter(tell).num_rows for table in tables] == [1, 1]
            tables = [table.filter(~tell) for table in tables]
        assert differences(*tables) == [], name
    assert pq.read_table(expected / "campaigns.parquet").num_rows > 0
    assert pq.read_table(expected / "flagged.parquet").num_rows > 100


def test_one_process(world, settings, expected, tmp_path):
    out = tmp_path / "results"
    ended = run_apart(
        "scan",
        world.dataset,
        "--out",
        out,
        "--engine",
        "spark",
        "--master",
        "local[2]",
        "--settings",
        settings,
    ).done()
    require_same_tables(out, expected)
    assert not (out / "steps").exists()
    for chatter in ("WARN", "Spark", "log4j", "Stage"):
        assert chatter not in ended.out + ended.err


def test_spark_submit_and_a_folder_named_by_a_url(world, expected, tmp_path):
    import pyspark

    job = tmp_path / "job.py"
    job.write_text("from stillwatch.cli.main import main\n\nmain()\n")
    shared = tmp_path / "shared store"
    settings = tmp_path / "settings.toml"
    settings.write_text(f'engine = "spark"\nspark_folder = "file://{shared}"\n')
    command = [
        str(Path(pyspark.__file__).parent / "bin" / "spark-submit"),
        *(
            "--master",
            "local[2]",
            "--conf",
            "spark.sql.shuffle.partitions=4",
            "--conf",
            "spark.ui.enabled=false",
        ),
        *(str(job), "scan", str(world.dataset), "--out", str(tmp_path / "results")),
        *("--settings", str(settings), "--keep-steps", "--json"),
    ]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stderr.decode()[-3000:]
    require_same_tables(tmp_path / "results", expected, copied=True)
    # Inputs were copied there too, since workers elsewhere could not read this machine's files.
    assert (shared / "signals" / "_SUCCESS").exists() and list(
        (shared / "exchanges.attached").glob("*.parquet")
    )


def test_a_worker_is_killed_in_the_middle(world, settings, expected, tmp_path):
    out = tmp_path / "results"
    with running(tmp_path / "cluster") as cluster:
        scan = subprocess.Popen(
            [
                *(PROGRAM, "scan", str(world.dataset), "--out", str(out)),
                *("--engine", "spark", "--master", cluster.url, "--settings", str(settings)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            wait_for(scan, out / "steps", "*signatures.partial/_temporary/0/*")
            cluster.kill(0)
            assert scan.poll() is None, "the scan ended before a worker was killed"
            _, told = scan.communicate(timeout=900)
        finally:
            if scan.poll() is None:
                scan.kill()
                scan.wait()
        assert scan.returncode == 0, told.decode()[-3000:]
        cluster.wait_for(1)
    require_same_tables(out, expected)


def wait_for(process: "subprocess.Popen[bytes]", folder: Path, pattern: str) -> None:
    """Wait until something of that name stands in a folder."""
    end = time.monotonic() + 3 * PATIENCE
    while not any(folder.glob(pattern)):
        assert process.poll() is None, process.stderr.read().decode()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.005)
