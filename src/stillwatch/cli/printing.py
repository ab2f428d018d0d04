"""What the commands print for people; `--json` prints the same values for programs."""

from pathlib import Path

from rich.table import Column, Table

from stillwatch.cli.console import messages, output, plain
from stillwatch.exchange.quality import Quality
from stillwatch.lab.compare import Comparison
from stillwatch.lab.score import Score
from stillwatch.lab.scoring.compared import comparison_tables
from stillwatch.lab.scoring.render import to_tables
from stillwatch.replay import ReplayOutcome
from stillwatch.scan import ScanOutcome
from stillwatch.sources.ingest import IngestReport


def print_outcome(outcome: ScanOutcome) -> None:
    """The campaigns of a scan, one line each."""
    import pyarrow.parquet as pq

    counts = outcome.summary["counts"]
    output.print(
        f"{counts['campaigns']} campaigns among {counts['accounts']:,} accounts and {counts['exchanges']:,} "
        f"exchanges; {counts['groups_tested']} groups tested at a false-discovery rate of {outcome.summary['fdr']:.0%}"
    )
    quarantine = outcome.results / "quarantine.jsonl"
    _print_unfit(counts["quarantined"], quarantine)
    if not counts["quarantined"] and quarantine.exists():
        messages.print(f"Parts of the input could not be read; see {plain(quarantine)}")
    if not counts["groups_tested"]:
        messages.print(
            "Nothing could be tested: no template is shared by enough accounts (too few accounts, or no prompts in "
            "the data); this is not a clean bill of health"
        )
    rows = pq.read_table(outcome.results / "campaigns.parquet").to_pylist()
    if not rows:
        return
    table = Table(
        Column("campaign", no_wrap=True),
        Column("rung", no_wrap=True),
        "accounts",
        "exchanges",
        "log10 e",
        "asks for",
    )
    for row in rows:
        table.add_row(
            row["campaign_id"],
            row["rung"],
            f"{row['n_accounts']:,}",
            f"{row['n_exchanges']:,}",
            f"{row['log10_e']:.1f}",
            plain(", ".join(row["capabilities"][:3])),
        )
    output.print(table)


def print_replay(outcome: ReplayOutcome) -> None:
    """The campaigns of a replay, one line each, with the time of the verdict."""
    import pyarrow.parquet as pq

    counts, told = outcome.summary["counts"], outcome.summary["replay"]
    output.print(
        f"{counts['campaigns']} campaigns among {counts['accounts']:,} accounts and {counts['exchanges']:,} "
        f"exchanges, in slices of {told['every']}; {told['looks']:,} looks at {told['groups_ever_tested']:,} groups "
        f"at a false-discovery rate of {outcome.summary['fdr']:.0%} over all time"
    )
    _print_unfit(counts["quarantined"], outcome.results / "quarantine.jsonl")
    rows = pq.read_table(outcome.results / "campaigns.parquet").to_pylist()
    if not rows:
        return
    headings = "rung", "accounts", "exchanges", "first seen", "verdict", "asks for"
    table = Table(Column("campaign", no_wrap=True), *headings)
    for row in rows:
        table.add_row(
            row["campaign_id"],
            row["rung"],
            f"{row['n_accounts']:,}",
            f"{row['n_exchanges']:,}",
            f"{row['first_seen']:%Y-%m-%d %H:%M}",
            f"{row['flagged_at']:%Y-%m-%d %H:%M}",
            plain(", ".join(row["capabilities"][:3])),
        )
    output.print(table)


def print_score(score: Score) -> None:
    """Verdicts against the truth."""
    output.print(to_tables(score))


def print_comparison(compared: Comparison) -> None:
    """Differences between two detectors."""
    output.print(comparison_tables(compared))


def print_quality(quality: Quality) -> None:
    """What is fit and what is not."""
    table = Table("measure", "of", "count", "meaning")
    for measure, subject, value, words in quality.measures():
        # Columns that are always there say nothing in a terminal; --json has them.
        if not (measure == "null share" and value == 0):
            table.add_row(plain(measure), plain(subject), f"{value:,.6g}", plain(words))
    output.print(table)
    output.print("Every row can be used." if quality.is_clean else "Some rows cannot be used; see above.")


def print_ingest(found: IngestReport) -> None:
    """What was read from which file."""
    table = Table(Column("file", overflow="fold"), "format", "records", "exchanges", "share read")
    for file in found.files:
        table.add_row(
            plain(file.file),
            plain(file.format or "none known"),
            f"{file.records:,}",
            f"{file.fit:,}",
            f"{file.share_read:.1%}",
        )
    output.print(table)
    _print_unfit(sum(file.unfit + file.unreadable.total() for file in found.files), found.quality.quarantine)
    for advice in found.advice():
        messages.print(plain(advice))
    output.print(f"Dataset: {plain(found.out)} ({found.fit:,} exchanges)", highlight=False)


def _print_unfit(rows: int, quarantine: Path | None) -> None:
    if rows:
        messages.print(f"{rows:,} rows were unfit and left out; reasons in {plain(quarantine)}")
