"""Everything the tables say of one tested group, in the order in which a reader asks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stillwatch.campaigns.tables import Rung
from stillwatch.evidence.change import what_would_change
from stillwatch.evidence.figures import Figure, Row, Sentence, key_of
from stillwatch.evidence.graph import SharedValue, shared_values
from stillwatch.evidence.ladder import (
    RUNG_TEXTS,
    RUNGS,
    RungText,
    allows_enforcement,
    enforcement_words,
    height,
)
from stillwatch.evidence.numbers import Kind
from stillwatch.evidence.results import Results

TRAITS = {
    "elicitation": "elicit reasoning",
    "rubric": "grade by a rubric",
    "rewriting": "rewrite past a censor",
    "answer_format": "fix the answer's format",
}
"""Columns of `group_templates` that hold shares of exchanges, and what those exchanges do."""


@dataclass(frozen=True)
class RungView:
    """A rung of the ladder as one group stands to it."""

    rung: Rung
    number: int
    text: RungText
    holds: bool
    reached: bool
    evidence: tuple[Row, ...]


@dataclass(frozen=True)
class MixPart:
    """A capability and the exchanges that ask for it."""

    name: Figure | None
    exchanges: Figure
    part: float

    @property
    def label(self) -> str:
        """The capability, or that none was told."""
        return self.name.text if self.name else "not labelled"


@dataclass(frozen=True)
class GroupView:
    """One tested group, reported or not.

    Attributes:
        row: its row in `groups`.
        campaign: its row in `campaigns`; None if it is not reported.
        rungs: the four rungs, lowest first.
        evidence: its evidence, by rung and then strongest first.
        families: families that hold by themselves.
        nearest: the nearest innocent explanation; None if none was tried.
        explanations: the others, nearest first.
        change: what would change the verdict.
        mix: exchanges by capability, most first.
        templates: by exchanges, most first.
        members: by exchanges, most first.
        timeline: its hours in order.
        shared: values its accounts share, least expected first.
        samples: sample prompts, if the scan kept some.
    """

    row: Row
    campaign: Row | None
    rungs: tuple[RungView, ...]
    evidence: tuple[Row, ...]
    families: tuple[str, ...]
    nearest: Row | None
    explanations: tuple[Row, ...]
    change: tuple[Sentence, ...]
    mix: tuple[MixPart, ...]
    templates: tuple[Row, ...]
    members: tuple[Row, ...]
    timeline: tuple[Row, ...]
    shared: tuple[SharedValue, ...]
    samples: tuple[Row, ...]

    @property
    def group_id(self) -> str:
        """Name of the group; of the campaign, where it is reported."""
        return str(self.row["group_id"])

    @property
    def rung(self) -> str | None:
        """The highest rung that holds; the campaign's own word where there is one."""
        return (self.campaign or self.row)["rung"]  # type: ignore[no-any-return]

    @property
    def enforceable(self) -> bool:
        """Whether the rules of evidence allow to act on it."""
        return self.campaign is not None and allows_enforcement(self.rung, self.families)

    @property
    def enforcement(self) -> str:
        """What the rules of evidence allow, in a sentence."""
        return enforcement_words(self.rung, self.families)


def view_group(results: Results, group_id: str) -> GroupView:
    """Gather what the tables say of a group that stands in `groups`."""
    row = results.row("groups", group_id)
    if row is None:
        raise KeyError(group_id)
    campaign = results.row("campaigns", group_id)
    evidence = sorted(results.rows("evidence", group_id), key=lambda e: (height(e["rung"]), -e["log10_e"]))
    explanations = sorted(results.rows("explanations", group_id), key=lambda e: (e["rank"], e["explanation"]))
    families = campaign["families"] if campaign else [e["family"] for e in evidence if e["holds"]]
    templates = results.rows("group_templates", group_id)
    reached = height((campaign or row)["rung"])
    return GroupView(
        row=row,
        campaign=campaign,
        rungs=_rungs(reached, evidence),
        evidence=tuple(evidence),
        families=tuple(dict.fromkeys(families)),
        nearest=explanations[0] if explanations else None,
        explanations=tuple(explanations[1:]),
        change=what_would_change(row, campaign, evidence, explanations),
        mix=_mix(group_id, templates),
        templates=tuple(sorted(templates, key=lambda t: (-t["n_exchanges"], t["template_id"], t["field"]))),
        members=tuple(
            sorted(results.rows("members", group_id), key=lambda m: (-m["n_exchanges"], m["account_id"]))
        ),
        timeline=tuple(sorted(results.rows("timeline", group_id), key=lambda t: t["hour"])),
        shared=tuple(shared_values(group_id, results.rows("ties", group_id))),
        samples=tuple(results.rows("samples", group_id)),
    )


def _rungs(reached: int, evidence: Sequence[Row]) -> tuple[RungView, ...]:
    return tuple(
        RungView(
            rung=rung,
            number=number,
            text=RUNG_TEXTS[rung],
            holds=number <= reached,
            reached=number == reached,
            evidence=tuple(row for row in evidence if row["rung"] == rung),
        )
        for number, rung in enumerate(RUNGS, start=1)
    )


def _mix(group_id: str, templates: Sequence[Row]) -> tuple[MixPart, ...]:
    # An exchange stands in a template of its prompt and in one of its system prompt: count one of the fields.
    fields = {row["field"] for row in templates}
    if not fields:
        return ()
    field = "prompt" if "prompt" in fields else min(fields)
    sums: Counter[str | None] = Counter()
    for row in templates:
        if row["field"] == field:
            sums[row["capability"]] += row["n_exchanges"]
    total = max(1, sum(sums.values()))
    parts = []
    for capability, exchanges in sorted(sums.items(), key=lambda item: (-item[1], item[0] or "~")):
        chosen = "null" if capability is None else key_of(capability)
        where = f"field={key_of(field)} and capability={chosen}"
        source = f"sum(group_templates.n_exchanges[{key_of(group_id)}] where {where})"
        figure = Figure(exchanges, Kind.COUNT, source)
        named = next(row for row in templates if row["capability"] == capability and row["field"] == field)
        parts.append(MixPart(named.name("capability") if capability else None, figure, exchanges / total))
    return tuple(parts)
