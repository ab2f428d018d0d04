"""The command line as a user meets it: exit code, standard output, standard error."""

import contextlib
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from stillwatch.cli.main import main

PROGRAM = str(Path(sys.executable).with_name("stillwatch"))


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def done(self) -> "Finished":
        assert self.code == 0, self
        return self

    def refused(self, code: int, *words: str | Path) -> "Finished":
        """It ended with a message that holds the words and says what to do, and printed no data."""
        assert self.code == code, self
        assert self.out == "", self
        assert "Traceback" not in self.err
        assert "Internal error" not in self.err
        assert "What to do: " in self.err
        for word in words:
            assert str(word) in self.err, (word, self.err)
        return self


def run(*arguments: str | Path) -> Finished:
    """A command in this process: compiled kernels are ready, and coverage and monkeypatches see it."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    typed = ["stillwatch", *map(str, arguments)]
    with (
        mock.patch.object(sys, "argv", typed),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Finished(code, out.getvalue(), err.getvalue())


def run_apart(*arguments: str | Path, before: str = "", **options: Any) -> Finished:
    """A command in a process of its own, maybe after a shell command such as a limit."""
    command: list[str] = [PROGRAM, *map(str, arguments)]
    if before:
        command = ["/bin/sh", "-c", f'{before}; exec "$@"', "sh", *command]
    ended = subprocess.run(command, capture_output=True, timeout=300, check=False, **options)
    return Finished(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def bytes_below(*folders: Path) -> dict[Path, bytes]:
    """Every file below some folders."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file())
    return {file: file.read_bytes() for file in files}
