"""Training shape (rung *training_shaped*): is what the group asks for what trains a model?

What should move: the share of the group's exchanges whose form is that of collecting training data: eliciting a
chain of thought, grading by a rubric, rewriting to be safe from censorship. A fixed answer format is shown beside
them, but legitimate work demands it too often to count. Null model: the group's work is that of a legitimate
project, whose templates the classifiers label no more often than they label the legitimate templates of projects
they never saw (measured, in the classifiers' card).

The event "at least half of the exchanges carry such a form" has at most that probability, so 1/probability is its
e-value. A group is one observation, however many exchanges it has: its templates come from one hand.

Sees: forms, not guilt; judges of a benchmark and tutors have them too, so this rung needs all rungs below it.
Evaded by: asking in ordinary words, which costs the attacker the format that makes answers usable.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FORMS = ("elicitation", "rubric", "rewriting", "answer_format")
TRAINING_FORMS = ("elicitation", "rubric", "rewriting")
"""The forms whose joint rate among legitimate templates is in the classifiers' card."""
MAJORITY = 0.5


@dataclass(frozen=True)
class TrainingShape:
    """Outcome for one group.

    Attributes:
        share: part of the exchanges with a training form.
        any_share: part with any form, the fixed answer format included.
        by_form: part with each form.
        log_e: natural logarithm of the e-value.
    """

    share: float
    any_share: float
    by_form: dict[str, float]
    log_e: float


def training_shape_test(probabilities: NDArray[np.float64], benign_rate: float) -> TrainingShape:
    """Test the forms of a group's exchanges.

    Args:
        probabilities: shape (n, 4), one column per form in the order of `FORMS`; NaN where there is no text.
        benign_rate: probability that a legitimate template has a form (upper confidence bound).
    """
    known = probabilities[~np.isnan(probabilities).any(axis=1)]
    if len(known) == 0:
        return TrainingShape(0.0, 0.0, dict.fromkeys(FORMS, 0.0), 0.0)
    has = known >= 0.5
    share = float(has[:, [FORMS.index(form) for form in TRAINING_FORMS]].any(axis=1).mean())
    by_form = {form: float(has[:, column].mean()) for column, form in enumerate(FORMS)}
    # An e-value of 0 would say "impossible" where it only says "not seen"; a floor keeps tables readable.
    log_e = -np.log(max(benign_rate, 1e-6)) if share >= MAJORITY else np.log(1e-3)
    return TrainingShape(share, float(has.any(axis=1).mean()), by_form, float(log_e))
