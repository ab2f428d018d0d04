"""Renews the locked requirements: versions and hashes for every platform, without any registry's address."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
BUILD = "hatchling>=1.27\neditables>=0.5\n"


def compile_lock(output: str, sources: list[str], constraints: list[str]) -> None:
    """Resolve `sources` into requirements/`output` for Python 3.11 and newer on any platform."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-annotate", "--no-header", "--python-version", "3.11", *sources]
    for constraint in constraints:
        command += ["--constraint", str(HERE / constraint)]
    subprocess.run([*command, "--output-file", str(HERE / output)], check=True)  # noqa: S603


def main() -> None:
    """Write core.txt (what a user needs), dev.txt, spark.txt, integration.txt and peers.txt."""
    build = HERE / "build.in"
    build.write_text(BUILD)
    compile_lock("core.txt", [str(PROJECT), str(build)], [])
    compile_lock("dev.txt", ["--group", f"{PROJECT}:dev"], ["core.txt"])
    compile_lock("spark.txt", [str(PROJECT), "--extra", "spark"], ["core.txt", "dev.txt"])
    compile_lock("integration.txt", ["--group", f"{PROJECT}:integration"], [])
    compile_lock("peers.txt", [str(HERE / "peers.in")], [])
    build.unlink()


if __name__ == "__main__":
    main()
