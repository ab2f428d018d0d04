"""What `stillwatch lab attack` prints."""

from pathlib import Path

from rich.table import Table

from stillwatch.cli.console import output, plain
from stillwatch.lab.adversary import Tuned, settled
from stillwatch.lab.adversary_trials import Trial


def print_tuned(tuned: Tuned, out: Path) -> None:
    """A row for each try, the best marked, with what differs from the start."""
    table = Table("", "flagged", "log10 e", "EUR per 1,000", "delay h", "settings")
    for trial in tuned.trials:
        end = trial.outcome
        table.add_row(
            "best" if trial is tuned.best else "",
            f"{end.flagged:.1%}",
            f"{end.evidence:.0f}",
            f"{end.price_eur:.0f}",
            f"{end.delay_hours:.0f}",
            plain(_told(trial)),
        )
    output.print(table)
    output.print(
        f"World: {plain(out / 'attacker.toml')}\nThese are tuning seeds: score the world on others.",
        highlight=False,
    )


def _told(trial: Trial) -> str:
    start = settled({"kind": trial.settings["kind"]})
    changed = [f"{n}={v}" for n, v in trial.settings.items() if start.get(n) != v]
    return ", ".join([str(trial.settings["kind"]), *changed])
