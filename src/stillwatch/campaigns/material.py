"""What the families of evidence that look at a group's exchanges are given, and asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns import alternation, release_pivot, words
from stillwatch.campaigns.common_stream import common_stream_test, dispersion
from stillwatch.campaigns.exchangeability import (
    LOYAL_PRECISION,
    label_likelihoods,
    label_test,
    loyal_test,
)
from stillwatch.campaigns.families import RHYTHM, TASKS, TOPICS
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.likeness import PLAINLY_LOYAL, likeness_test
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.owners import by_owner
from stillwatch.campaigns.partition import REPEATING, partition_test
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.sittings import by_sitting, sittings_test

FloatArray = NDArray[np.float64]

OWN_MIX = 10.0
"""Highest precision of a mix of templates that is a customer's own: a stranger copies one wording of a prompt, and
users of a product use what they need of it."""


@dataclass(frozen=True)
class Material:
    """What the families that look at exchanges are given; arrays have shape (n,).

    Attributes:
        sample: the exchanges.
        topic: topic of each.
        n_topics: number of topics.
        wording: number of each one's wording.
        model: number of its model.
        documents: whether most tasks have so many words that a topic is no label of them.
    """

    sample: GroupSample
    topic: NDArray[np.int64]
    n_topics: int
    wording: NDArray[np.int64]
    model: NDArray[np.int64]
    documents: bool

    def of_owners(self, owner: NDArray[np.int64]) -> "Material":
        """The same exchanges, with owners in place of entities."""
        return replace(self, sample=by_owner(self.sample, owner))

    def verdicts(self) -> dict[str, Verdict]:
        """Outcomes by account (or owner) of what is asked of every group."""
        return {
            TOPICS: self._topics(),
            RHYTHM: common_stream_test(self.sample),
            TASKS: partition_test(self.sample),
        }

    def _topics(self) -> Verdict:
        return self._unless_alike(label_test(self.sample, self.topic, self.n_topics), self.sample)

    def _unless_alike(self, verdict: Verdict, sample: GroupSample) -> Verdict:
        """Topics are no evidence where accounts (or sittings) are plainly loyal to something finer than a topic.

        Args:
            verdict: what their topics say.
            sample: the exchanges, by accounts or by sittings as in the verdict.
        """
        if verdict.log_e <= 0 or not self.documents:
            return verdict
        alike = likeness_test(sample)
        if alike.log_e >= PLAINLY_LOYAL:
            return verdict
        return replace(verdict, log_e=alike.log_e, innocent_share=alike.innocent_share)

    def loyal_mix(self) -> Verdict:
        """Outcome by account of whether one mix of templates serves all."""
        return loyal_test(self._template_likelihoods, LOYAL_PRECISION)

    @cached_property
    def _template_likelihoods(self) -> FloatArray:
        return self._likelihoods(self.sample.template)

    def _likelihoods(self, label: NDArray[np.int64]) -> FloatArray:
        return label_likelihoods(self.sample, label, int(label.max()) + 1, by_template=False)

    def findings(self, verdicts: Mapping[str, Verdict]) -> list[Finding]:
        """What is asked of every group."""
        return [
            words.stream(verdicts[RHYTHM], dispersion(self.sample), self.sample),
            words.exchangeability(verdicts[TOPICS], self.sample),
            words.partition(verdicts[TASKS], self.sample, REPEATING),
        ]

    def further(self, rhythm: Verdict) -> list[Finding]:
        """More ways in which accounts may be coordinated.

        Args:
            rhythm: what their hours say.
        """
        mix = loyal_test(self._template_likelihoods, OWN_MIX)
        if rhythm.log_e <= 0:
            # Where no common stream is seen, one mix of a program's wordings is the program's.
            wording = np.unique(self.wording, return_inverse=True)[1].reshape(-1)
            of_wordings = loyal_test(self._likelihoods(wording), OWN_MIX)
            mix = min(mix, of_wordings, key=lambda verdict: verdict.log_e)
        return [
            alternation.words(alternation.alternation_test(self.sample)),
            words.mix(mix, len(np.unique(self.sample.template)), self.sample),
            release_pivot.words(release_pivot.model_choice_test(self.sample, self.model)),
        ]

    def sittings(self) -> Verdict:
        """Whether sittings hold together."""
        sittings = by_sitting(self.sample)
        if sittings is None:
            return Verdict(0.0, np.zeros(0), 1.0)
        return self._unless_alike(sittings_test(sittings, self.topic, self.n_topics), sittings)
