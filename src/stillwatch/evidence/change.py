"""What would change a verdict: what carries it, which explanation comes nearest, what the next rung lacks."""

from collections.abc import Iterator, Sequence

from stillwatch.evidence.figures import Figure, Row, Sentence, sentence
from stillwatch.evidence.ladder import RUNG_TEXTS, RUNGS, allows_enforcement, height
from stillwatch.evidence.numbers import Kind


def what_would_change(
    group: Row, campaign: Row | None, evidence: Sequence[Row], explanations: Sequence[Row]
) -> tuple[Sentence, ...]:
    """Say what would lower the verdict on a group, and what would raise it.

    Args:
        group: its row in `groups`.
        campaign: its row in `campaigns`, or None.
        evidence: its rows in `evidence`.
        explanations: its rows in `explanations`, nearest first.
    """
    found: list[Sentence] = []
    if campaign is not None:
        found += _carried_by(campaign, evidence)
        found += _families(campaign)
        found += _error_rate(campaign)
        found.append(
            sentence(
                "If these accounts belong to one customer who may do this (a licensed distiller, a research "
                "programme, an enterprise), declare them as one organisation in accounts.parquet and scan "
                "again: declared accounts are joined before anything is tested."
            )
        )
    found += _nearest(explanations)
    found += _next_rung((campaign or group)["rung"], evidence)
    return tuple(found)


def _carried_by(campaign: Row, evidence: Sequence[Row]) -> Iterator[Sentence]:
    reached = height(campaign["rung"])
    carrying = [row for row in evidence if row["rung"] == campaign["rung"] and row["holds"]]
    below = f"to {RUNG_TEXTS[RUNGS[reached - 2]].name.lower()}" if reached > 1 else "to nothing"
    if len(carrying) == 1:
        (row,) = carrying
        yield sentence(
            "The verdict's rung rests on one finding, ",
            row.name("statistic"),
            *_value_and_expected(row),
            f". If it fell to what innocent traffic gives, the verdict would drop {below}.",
        )
    elif carrying:
        source = f"count(evidence[{campaign.key}] where rung={campaign['rung']} and holds=true)"
        yield sentence(
            "The verdict's rung rests on ",
            Figure(len(carrying), Kind.COUNT, source),
            f" findings. All of them would have to fall for the verdict to drop {below}.",
        )


def _families(campaign: Row) -> Iterator[Sentence]:
    families = list(dict.fromkeys(campaign["families"]))
    if len(families) == 2 and allows_enforcement(campaign["rung"], families):
        source = f"len(campaigns.families[{campaign.key}])"
        yield sentence(
            "Exactly ",
            Figure(len(campaign["families"]), Kind.COUNT, source),
            " independent families of evidence hold. If one of them fell, the verdict would stand, but "
            "would no longer allow enforcement.",
        )


def _error_rate(campaign: Row) -> Iterator[Sentence]:
    yield sentence(
        "It is reported at every false-discovery rate down to ",
        campaign.share("fdr"),
        "; only a stricter one would drop it.",
    )


def _nearest(explanations: Sequence[Row]) -> Iterator[Sentence]:
    for row in explanations[:1]:
        if row["measure"] is None or row["threshold"] is None:
            continue
        verb = "stop fitting" if row["fits"] else "fit"
        yield sentence(
            "The nearest innocent explanation, ",
            row.name("explanation"),
            f", would {verb} if its deciding figure crossed ",
            row.number("threshold"),
            "; it is ",
            row.number("measure"),
            ".",
        )


def _next_rung(rung: str | None, evidence: Sequence[Row]) -> Iterator[Sentence]:
    reached = height(rung)
    if reached == len(RUNGS):
        return
    following = RUNGS[reached]
    missing = [row for row in evidence if row["rung"] == following and not row["holds"]]
    name = RUNG_TEXTS[following].name.lower()
    if not missing:
        yield sentence(f"The next rung, {name}, has no finding that speaks for it.")
    for row in missing[:2]:
        yield sentence(
            f"For the next rung, {name}, ",
            row.name("statistic"),
            *_value_and_expected(row),
            " is not enough.",
        )


def _value_and_expected(row: Row) -> tuple[str | Figure, ...]:
    if row["value"] is None:
        return ()
    if row["expected"] is None:
        return (" (", row.number("value"), ")")
    return (" (", row.number("value"), ", where innocent traffic gives ", row.number("expected"), ")")
