"""The ladder of verdicts in words: what each rung claims, and why it is not yet more than that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stillwatch.campaigns.tables import Rung

RUNGS: tuple[Rung, ...] = tuple(Rung)
FAMILIES_FOR_ENFORCEMENT = 2


@dataclass(frozen=True)
class RungText:
    """A rung in words.

    Attributes:
        name: as a person would say it.
        claim: what is held to be true of the accounts once it is reached.
        caution: why that is not more.
    """

    name: str
    claim: str
    caution: str


RUNG_TEXTS: Mapping[Rung, RungText] = {
    Rung.REPETITIVE: RungText(
        "Repetitive",
        "The accounts fill in the same few templates over and over.",
        "Harmless by itself: coding agents, courses, products and viral prompts do the same.",
    ),
    Rung.COORDINATED: RungText(
        "Coordinated",
        "What the accounts share, or when and how they act, is tied beyond chance.",
        "Not hostile by itself: enterprises balance their own keys, benchmarks are sharded, build servers "
        "fan out.",
    ),
    Rung.ONE_TASK_POOL: RungText(
        "One task pool",
        "The accounts draw from a single queue of work: tasks are dealt out to them, not chosen by each.",
        "Still possibly a customer's own batch of work; what the work is for is not yet shown.",
    ),
    Rung.TRAINING_SHAPED: RungText(
        "Training-shaped",
        "The work collects training data: most of it elicits reasoning, grades by a rubric or rewrites to pass a "
        "censor, or its answers are longer than nearly everybody else's and nobody talks on.",
        "Far less sure than the rungs below: legitimate projects look like this too. Says what the answers are "
        "fit for, not who asks or under which agreement.",
    ),
}


def height(rung: str | None) -> int:
    """How high a rung stands: 0 for none, 1 for the lowest, 4 for the last."""
    return 0 if rung is None else RUNGS.index(Rung(rung)) + 1


def allows_enforcement(rung: str | None, families: Sequence[str]) -> bool:
    """Whether the rules of evidence allow to act: the last rung and at least two independent families."""
    return height(rung) == len(RUNGS) and len(set(families)) >= FAMILIES_FOR_ENFORCEMENT


def enforcement_words(rung: str | None, families: Sequence[str]) -> str:
    """What the rules of evidence allow to do with a group, in a sentence."""
    if allows_enforcement(rung, families):
        return (
            "The rules of evidence allow enforcement: the last rung, and two or more independent "
            "families hold. The last rung is the least sure of them: read the templates before you act."
        )
    missing = []
    if height(rung) < len(RUNGS):
        missing.append("the last rung (training-shaped) is not reached")
    if len(set(families)) < FAMILIES_FOR_ENFORCEMENT:
        missing.append("fewer than two independent families of evidence hold")
    return f"Watch, do not enforce: {' and '.join(missing)}."
