"""One campaign, or any group that was tested, explained in the terminal or as JSON."""

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from stillwatch.evidence.figures import Figure, Sentence
from stillwatch.evidence.find import find_group
from stillwatch.evidence.group import TRAITS, GroupView, RungView, view_group
from stillwatch.evidence.headline import plural
from stillwatch.evidence.plain import explain_dict
from stillwatch.evidence.replay import replay_of
from stillwatch.evidence.results import Results, load_results
from stillwatch.evidence.timeline import bin_timeline, sparkline

MOST_MEMBERS = 10
MOST_TEMPLATES = 4
MOST_TIES = 5

__all__ = ["explain", "explain_dict", "render_group"]

Piece = str | Figure | Sentence
Styled = tuple[Piece, str]


def explain(results: Path, campaign_id: str, console: Console) -> None:
    """Print why a campaign was reported, or why a tested group was not.

    Args:
        results: folder that `stillwatch scan` wrote.
        campaign_id: name of a campaign or a tested group, or the beginning of one that no other shares.
        console: where to print.

    Raises:
        UsageError: no such group, or several; the message names those that exist.
        UnreadableInputError: the results are missing or unfit.
    """
    loaded = load_results(results)
    console.print(render_group(loaded, view_group(loaded, find_group(loaded, campaign_id))))


def render_group(results: Results, view: GroupView) -> Group:
    """The explanation as something that rich can print; values are `Text`, never markup."""
    parts: list[RenderableType] = [*_head(view)]
    parts += _part("How far the evidence climbs", [_ladder(view)])
    parts += _part("Evidence", [_evidence(view)] if view.evidence else [_line("No finding is on record.")])
    parts += _part("Innocent explanations that were tried", _explanations(view))
    parts += _part("What would change the verdict", [_bullet(s) for s in view.change])
    parts += _part("Activity", _activity(view))
    parts += _part("What ties the accounts", _ties(view))
    parts += _part("Templates", _templates(view))
    parts += _part("Member accounts", _members(view))
    parts += _part("Replay", _replay(results))
    return Group(*parts)


def _head(view: GroupView) -> Iterable[RenderableType]:
    row = view.campaign or view.row
    kind = "Campaign" if view.campaign else "Tested group, not reported:"
    yield _line((kind, "bold"), " ", (view.row.label("group_id"), "bold cyan"))
    yield _line(view.row.words("words"))
    yield _line("")
    yield _line(
        row.count("n_accounts"),
        f" {plural(row.count('n_accounts'), 'account')}, ",
        row.count("n_exchanges"),
        f" {plural(row.count('n_exchanges'), 'exchange')}, ",
        row.time("first_seen"),
        " to ",
        row.time("last_seen"),
    )
    if view.campaign:
        chance = view.campaign.chance("log10_e")
        yield _line(
            (view.campaign.name("rung"), "bold"), ": ", chance, " if the accounts were independent customers."
        )
        yield _line((view.enforcement, "red" if view.enforceable else "yellow"))
        yield _line("Families that hold by themselves: ", *_joined(view.campaign.names("families")))
    else:
        held = "Explained" if view.row["explanation_holds"] else "Evidence too weak; nearest explanation"
        yield _line((f"{held}: ", "green"), view.row.name("explanation"))
    yield _line("Models, most used first: ", *_joined(view.row.labels("models")))


def _ladder(view: GroupView) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2)
    table.add_column(no_wrap=True)
    table.add_column()
    for rung in reversed(view.rungs):
        pieces = _rests_on(rung)
        mark = "◉" if rung.reached else "●" if rung.holds else "○"
        style = "bold red" if rung.reached else "" if rung.holds else "dim"
        table.add_row(
            Text(mark, style or "red"),
            Text(rung.text.name, style),
            _line(*pieces, style="dim" if not rung.holds else ""),
        )
    return table


def _rests_on(rung: RungView) -> list[Piece]:
    holding = [row for row in rung.evidence if row["holds"]]
    shown = holding or rung.evidence
    if not shown:
        return ["no finding speaks to it"]
    pieces: list[Piece] = ["rests on " if holding or rung.holds else "tried, and not enough: "]
    for row in shown:
        pieces += [
            ", " if row is not shown[0] else "",
            row.name("statistic"),
            " (",
            row.chance("log10_e"),
            ")",
        ]
    return pieces + ([" together"] if rung.holds and not holding else [])


def _evidence(view: GroupView) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("finding", ratio=1, overflow="fold")
    for name in ("found", "expected", "rests on"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("chance, if innocent", overflow="fold")
    table.add_column("holds")
    for row in view.evidence:
        finding = _line(
            row.words("words"),
            "\n",
            (row.name("family"), "dim"),
            (": ", "dim"),
            (row.name("statistic"), "dim"),
        )
        cells = [
            _line(row.number("value")),
            _line("–" if row["expected"] is None else row.number("expected")),
            _line(row.count("n")),
            _line(row.chance("log10_e")),
        ]
        table.add_row(finding, *cells, Text("yes", "red") if row["holds"] else Text("no", "dim"))
    return table


def _explanations(view: GroupView) -> Iterable[RenderableType]:
    if view.nearest is None:
        yield _line("None is on record.")
    for row in (view.nearest, *view.explanations):
        if row is None:
            continue
        pieces: list[Piece | Styled] = [("fits  ", "green") if row["fits"] else ("fails ", "red")]
        pieces += [(row.name("explanation"), "bold"), ": ", row.words("words")]
        if row["measure"] is not None and row["threshold"] is not None:
            pieces += [" (", row.number("measure"), "; the line is drawn at ", row.number("threshold"), ")"]
        yield _line(*pieces)


def _activity(view: GroupView) -> Iterable[RenderableType]:
    timeline = bin_timeline(view.timeline)
    if timeline is None:
        yield _line("No hours are on record.")
        return
    yield Text(sparkline(timeline), "cyan")
    yield _line(
        "exchanges, from ", view.row.time("first_seen"), " to ", view.row.time("last_seen"), style="dim"
    )


def _ties(view: GroupView) -> Iterable[RenderableType]:
    if not view.shared:
        yield _line("They share no rare attribute that the tables know of.")
    for value in view.shared[:MOST_TIES]:
        row = value.row
        yield _line(
            *(row.name("kind"), " ", (row.label("value"), "cyan"), ": ", value.n_here, " here, "),
            *(row.count("n_accounts_everywhere"), " anywhere; ", row.probability("log10_p")),
        )
    yield from _more(len(view.shared), MOST_TIES, "ties")


def _templates(view: GroupView) -> Iterable[RenderableType]:
    if not view.templates:
        yield _line("None is on record.")
    for row in view.templates[:MOST_TEMPLATES]:
        yield _line(
            *(
                (row.label("template_id"), "cyan"),
                " ",
                row.name("field"),
                ", ",
                row.count("n_exchanges"),
                " exchanges, ",
            ),
            *(
                row.count("n_accounts"),
                " of the ",
                row.count("n_accounts_everywhere"),
                " accounts that use it anywhere",
            ),
        )
        traits: list[Piece] = []
        if row["capability"] is not None:
            traits += ["asks for ", row.name("capability"), "; "]
        for trait, does in TRAITS.items():
            if row[trait] is not None:
                traits += [", " if traits and traits[-1] != "; " else "", f"{does} ", row.share(trait)]
        yield _line(*traits, style="dim")
        if row["skeleton"] is not None:
            yield Padding(_line(row.skeleton("skeleton")), (0, 0, 0, 4))
        else:
            yield Padding(_line("(text was not kept)", style="dim"), (0, 0, 0, 4))
    yield from _more(len(view.templates), MOST_TEMPLATES, "group_templates")


def _members(view: GroupView) -> Iterable[RenderableType]:
    if not view.members:
        yield _line("No account is accused." if view.campaign is None else "The tables hold no member.")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("account", overflow="fold")
    for name in ("probability", "exchanges", "share of its own traffic"):
        table.add_column(name, justify="right")
    for row in view.members[:MOST_MEMBERS]:
        cells = (
            row.label("account_id"),
            row.share("probability"),
            row.count("n_exchanges"),
            row.share("share"),
        )
        table.add_row(*(_line(cell) for cell in cells))
    yield table
    yield from _more(len(view.members), MOST_MEMBERS, "members")


def _replay(results: Results) -> Iterable[RenderableType]:
    replay = replay_of(results.summary)
    yield _line(
        "Stillwatch ", replay.version, " on the same input with the same settings gives the same tables."
    )
    if replay.command:
        yield _line((replay.command, "cyan"))
    for setting in (*replay.inputs, *replay.settings):
        yield _line((f"{setting.shown_name} = ", "dim"), setting.value)


def _more(n: int, shown: int, table: str) -> Iterable[RenderableType]:
    if n > shown:
        yield _line(f"the first {shown} of {n:,}; all of them stand in {table}.parquet", style="dim")


def _part(title: str, content: Iterable[RenderableType]) -> list[RenderableType]:
    return [Text(""), Text(title, "bold underline"), *content]


def _bullet(sentence: Sentence) -> Text:
    return _line("• ", sentence)


def _joined(names: list[Figure]) -> list[Piece]:
    pieces: list[Piece] = []
    for name in names:
        pieces += [", ", name] if pieces else [name]
    return pieces or ["none"]


def _line(*pieces: Piece | Styled, style: str = "") -> Text:
    line = Text(style=style)
    for piece in pieces:
        shown, own = piece if isinstance(piece, tuple) else (piece, "")
        line.append(str(shown), own or None)
    return line
