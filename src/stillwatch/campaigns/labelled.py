"""Judged groups in the light of analysts' verdicts: moved thresholds, and groups that were found benign before."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion
from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.explanations import Explanation, explain
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.judge import Rates
from stillwatch.campaigns.ladder import CLIMB, Standing, standings
from stillwatch.campaigns.prior import DECADES, SIGNS, FloatArray, Label, likeness, normalised, weight_scores
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup

MOSTLY = 0.5
"""Share of a candidate's exchanges from which it is the group that a label is about."""
TOLD = 0.1
"""Decades by which verdicts on other groups have to move a threshold to be worth a sentence."""
FOUND_BENIGN = "what an analyst found benign before"


@dataclass(frozen=True)
class Labelled:
    """Judged groups, and what labels did to them.

    Attributes:
        groups: with standings and explanations under the verdicts.
        without: the standings that the same groups have without verdicts.
        labels: those on groups.
        alike: shape (len(labels), len(groups)), how far each group is what each label is about.
        accounts: labels on single accounts.
    """

    groups: tuple[JudgedGroup, ...]
    without: tuple[Standing, ...]
    labels: tuple[Label, ...]
    alike: FloatArray
    accounts: tuple[Label, ...] = ()

    def only(self, indices: Iterable[int]) -> "Labelled":
        """Without the other groups, whose tests fill much memory."""
        wanted = set(indices)
        kept = [place for place, group in enumerate(self.groups) if group.index in wanted]
        groups = tuple(self.groups[place] for place in kept)
        without = tuple(self.without[place] for place in kept)
        return replace(self, groups=groups, without=without, alike=self.alike[:, kept])

    def words(self, group: JudgedGroup) -> str:
        """How verdicts moved a group's threshold; empty where they hardly did."""
        position = next(i for i, one in enumerate(self.groups) if one.index == group.index)
        before = self.without[position].required_log_e / LN10
        now = group.standing.required_log_e / LN10
        said = "; ".join(label.verdict.words for label in _about(self.labels, self.alike[:, position]))
        if not said and abs(now - before) < TOLD:
            return ""
        moved = f"{'lowered' if now < before else 'raised'} from 10^{before:.2f} to 10^{now:.2f}"
        stayed = f"stayed at 10^{now:.2f}"
        needed = f"the e-value that it needs {stayed if abs(now - before) < 0.005 else f'was {moved}'}"
        if said:
            return f"Of this group: {said}; with all verdicts {needed}."
        return f"By analysts' verdicts on other groups {needed}."


def unlabelled(judged: Sequence[JudgedGroup]) -> Labelled:
    """Judged groups of a run without verdicts."""
    before = tuple(group.standing for group in judged)
    return Labelled(tuple(judged), before, (), np.zeros((0, len(judged))))


def labelled(judged: Sequence[JudgedGroup], found: Sequence[Label], usage: Usage, rates: Rates) -> Labelled:
    """Judge again with prior weights.

    Args:
        judged: groups as they stand without verdicts.
        found: the labels of the run.
        usage: who used which template.
        rates: error rates.
    """
    tests = [group.tests for group in judged]
    candidates = [test.candidate for test in tests]
    of_groups = tuple(label for label in found if label.templates is not None)
    alike = likeness(of_groups, usage, candidates)
    weights = normalised(weight_scores(found, alike, usage, candidates))
    places = standings(tests, rates.fdr, rates.shape_error, weights)
    groups = tuple(
        replace(group, standing=place, explanations=_explanations(group, place, _about(of_groups, shares)))
        for group, place, shares in zip(judged, places, alike.T, strict=True)
    )
    of_accounts = tuple(label for label in found if label.templates is None)
    return Labelled(groups, tuple(group.standing for group in judged), of_groups, alike, of_accounts)


def with_words(groups: pa.Table, added: Mapping[str, str]) -> pa.Table:
    """The table `groups`, with something added to the words of some of them."""
    words = [
        " ".join(filter(None, (told, added.get(name, ""))))
        for name, told in zip(groups["group_id"].to_pylist(), groups["words"].to_pylist(), strict=True)
    ]
    at = groups.schema.get_field_index("words")
    return groups.set_column(at, groups.schema.field(at), pa.array(words, pa.string()))


def climb_log_e(test: GroupTests) -> float:
    """Natural logarithm of the e-value of all rungs up to one task pool."""
    return min(test.rung_log_e[rung] for rung in CLIMB)


def with_account_verdicts(group: ShownGroup, accounts: Sequence[Label], usage: Usage) -> ShownGroup:
    """A group in which the odds of single accounts are moved by the verdicts on them, within the same bound.

    Args:
        group: under the name by which it is known.
        accounts: labels on accounts, of this group or on the account by itself.
        usage: names of the entities.
    """
    decades: dict[str, float] = {}
    for label in accounts:
        if label.verdict.group_id in (None, group.group_id):
            for entity in usage.entities[label.entities].tolist():
                decades[entity] = decades.get(entity, 0.0) + DECADES * SIGNS[label.verdict.opinion]
    moved = {
        entity: _moved(probability, float(np.clip(decades[entity], -DECADES, DECADES)))
        for entity, probability in group.probabilities.items()
        if decades.get(entity)
    }
    return replace(group, probabilities={**group.probabilities, **moved}) if moved else group


def _moved(probability: float, decades: float) -> float:
    odds: float = 10.0**decades
    return probability * odds / (probability * odds + 1.0 - probability)


def _about(found: Sequence[Label], shares: FloatArray) -> list[Label]:
    """Labels that are about a group, the most alike first."""
    near = [
        (-share, label.verdict.row, place)
        for place, (label, share) in enumerate(zip(found, shares, strict=True))
        if share >= MOSTLY
    ]
    return [found[place] for *_, place in sorted(near)]


def _explanations(group: JudgedGroup, place: Standing, about: Sequence[Label]) -> tuple[Explanation, ...]:
    found = explain(group.tests, place)
    benign = [label.verdict for label in about if label.verdict.opinion is Opinion.BENIGN]
    if benign:
        found.append(_found_benign(group.tests, place, benign[0]))
    return tuple(sorted(found, key=lambda explanation: (not explanation.fits, explanation.margin)))


def _found_benign(test: GroupTests, place: Standing, verdict: AnalystVerdict) -> Explanation:
    """A stratum of its own, but only while its evidence is what chance could give under the moved threshold."""
    measure, threshold = climb_log_e(test) / LN10, place.required_log_e / LN10
    fits = measure < threshold
    words = (
        f"{verdict.words}, and its e-value of 10^{measure:.2f} is below the 10^{threshold:.2f} that it needs now"
        if fits
        else f"{verdict.words}, but its e-value of 10^{measure:.2f} is beyond the 10^{threshold:.2f} up to which "
        "a verdict can excuse it; look at it again"
    )
    return Explanation(FOUND_BENIGN, fits, measure - threshold, measure, threshold, words)
