"""The standing gate: the suite `quality`, compared with benchmarks/quality.json, which it then replaces.

    make bench-quality            # ends with 1 and replaces nothing if a run failed or anything became worse
    make bench-quality ACCEPT=1   # replaces in spite of it: say why in the commit

The tables of the README and of docs/measured.md are made from the new file. Finished runs of the same code are
kept in out/quality: to accept after a look costs no second run.
"""

import os
import sys
from pathlib import Path

from stillwatch.cli.console import progress
from stillwatch.cli.suites import print_comparison, print_suite
from stillwatch.lab.suite import SuiteRequest, run_suite
from stillwatch.lab.suites.against import Comparison, compare
from stillwatch.lab.suites.detectors import chosen, variants_of
from stillwatch.lab.suites.readme import page_block, readme_block, write_block
from stillwatch.lab.suites.records import read_quality, write_json
from stillwatch.lab.suites.settings import read_suite

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "benchmarks" / "quality.json"
OUT = ROOT / "out" / "quality"


def main(
    suite: str | Path = "quality",
    committed: Path = COMMITTED,
    out: Path = OUT,
    readme: Path = ROOT / "README.md",
    *,
    accept: bool = os.environ.get("ACCEPT", "") not in ("", "0"),
) -> None:
    settings = read_suite(suite)
    before = read_quality(committed) if committed.exists() else None
    request = SuiteRequest(settings, chosen(settings), variants=variants_of(settings))
    with progress(f"Suite {settings.name}") as report:
        found = run_suite(request, out, report)
    print_suite(found, markdown=False)
    changes = Comparison() if before is None else compare(before, found.quality, settings.tolerance)
    print_comparison(changes)
    if (found.failed or changes.regressions) and not accept:
        sys.exit(f"{committed.name} stays as it is; ACCEPT=1 replaces it")
    write_json(committed, found.quality)
    write_block(readme, readme_block(found.quality))
    page = readme.parent / "docs" / "measured.md"
    if page.exists():
        write_block(page, page_block(found.quality))


if __name__ == "__main__":
    main()
