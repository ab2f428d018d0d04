"""Stillwatch side by side with what others have made, on the same data in one run (`make bench-peers`).

A comparison is one file: what each side does, in functions that import what they need when they run, since the
peers live in an environment of their own in which Stillwatch is not installed. `measuring` starts every side in
a process of its own, in turns; `child` is that process.
"""


def main() -> None:
    """For `python -m benchmarks peers`."""
    from benchmarks.peers.__main__ import main as run  # noqa: PLC0415

    run()
