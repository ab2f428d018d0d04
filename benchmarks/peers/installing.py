"""Fill the environment of the peers: python -m benchmarks.peers.installing VENV LOCK

All at once, or, where that fails (no wheel for this machine), every package by itself; what could not be installed
is noted with the reason in VENV/not_installed.json, and the bench does without it. The standard library only.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NOTE = "not_installed.json"
_NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)


def main() -> None:
    venv, lock = Path(sys.argv[1]), Path(sys.argv[2])
    reasons: dict[str, str] = {}
    if _installed(venv, lock, "--require-hashes") is not None:
        with tempfile.TemporaryDirectory() as folder:
            for name, block in blocks(lock.read_text("utf-8")).items():
                one = Path(folder) / "one.txt"
                one.write_text(block, encoding="utf-8")
                why = _installed(venv, one, "--require-hashes", "--no-deps")
                if why is not None:
                    reasons[name] = why
                    print(f"could not be installed: {name}: {why}", file=sys.stderr)
    (venv / NOTE).write_text(json.dumps(reasons), encoding="utf-8")


def blocks(lock: str) -> dict[str, str]:
    """Lower-case name of each package of a lock -> its lines, those for other platforms and versions included."""
    starts = [match.start() for match in _NAME.finditer(lock)]
    found: dict[str, str] = {}
    for start, end in zip(starts, [*starts[1:], len(lock)], strict=True):
        name = lock[start : lock.index("==", start)].lower()
        found[name] = found.get(name, "") + lock[start:end]
    return found


def _installed(venv: Path, requirements: Path, *options: str) -> str | None:
    """Why pip could not install a file; None if it could."""
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, *options, "-r", str(requirements)], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return None
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return (errors or ["pip failed"])[-1].removeprefix("ERROR: ")[:200]


if __name__ == "__main__":
    main()
