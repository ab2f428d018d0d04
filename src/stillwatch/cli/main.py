"""The command line. Commands are thin: they read settings, call one function, and print what it returned.

Exit codes: 0 done (whatever was found), 1 campaigns found and `--fail-on` asks for it (or a suite got worse),
2 wrong usage or settings, 3 input that cannot be read, 4 output that cannot be written, 70 an error of our own,
130 interrupted.
"""

import os
import sys
from typing import Annotated

import typer

from stillwatch import __version__
from stillwatch.cli import lab, replay, run
from stillwatch.cli.console import messages, plain, print_notes
from stillwatch.exchange.errors import StillwatchError

app = typer.Typer(
    name="stillwatch",
    help=(
        "Finds whole campaigns of accounts that distil a language model through its API, from your own logs, "
        "with stated error rates.\n\n"
        "Start with `stillwatch demo`. Then `stillwatch scan LOGS --out DIR` on a log of your gateway, and "
        "`stillwatch explain CAMPAIGN --results DIR` on what it found. Nothing is ever sent anywhere."
    ),
    epilog=(
        "Exit codes: 0 done; 1 campaigns found and --fail-on asks for it, or a suite got worse; 2 wrong usage; "
        "3 unreadable input; 4 output cannot be written; 70 internal error; 130 interrupted."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,  # panels would cost as much time as all the rest of the start
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def common(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Options before the command."""
    if version:
        sys.stdout.write(f"stillwatch {__version__}\n")
        raise typer.Exit


run.register(app)
replay.register(app)
app.add_typer(lab.app, name="lab")


def main() -> None:
    """Entry point: errors become a message and an exit code, never a stack trace."""
    try:
        app()
    except StillwatchError as error:
        messages.print(f"[bold red]Error:[/] {plain(error)}")
        print_notes(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:  # where no progress was shown, which says how to go on
        messages.print("Interrupted.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        if os.environ.get("STILLWATCH_DEBUG"):
            raise
        messages.print(
            f"[bold red]Internal error:[/] {plain(type(error).__name__)}: {plain(str(error)[:500])}\n"
            "  What to do: run again with STILLWATCH_DEBUG=1 and report the trace (look through it first: it may "
            "hold values of your log)"
        )
        print_notes(error)
        sys.exit(70)
