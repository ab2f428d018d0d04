"""Adds what their answers say to the tests of all groups: a group's rank needs all groups to be judged before."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.families import OUTPUTS, training_shape_log_e
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.output_maximisation import TemplateScores, output_maximisation_test, words
from stillwatch.campaigns.tables import Rung

DEALT = float(np.log(100.0))
"""E-value of one task pool from which a group's templates are no reference for honest answers."""


def with_outputs(
    tests: Sequence[GroupTests], templates: NDArray[np.str_], scores: TemplateScores
) -> list[GroupTests]:
    """The tests with the family `output_maximisation` and the last rung's evidence, in place of what they had of it.

    Args:
        tests: of all groups.
        templates: names of the templates that candidates number.
        scores: of all template families.
    """
    names = [frozenset(templates[list(test.candidate.templates)].tolist()) for test in tests]
    dealt = {
        name
        for test, own in zip(tests, names, strict=True)
        if test.rung_log_e[Rung.ONE_TASK_POOL] >= DEALT
        for name in own
    }
    return [_with_output(test, own, dealt, scores) for test, own in zip(tests, names, strict=True)]


def _with_output(
    test: GroupTests, own: frozenset[str], dealt: set[str], scores: TemplateScores
) -> GroupTests:
    if OUTPUTS in test.left_out:
        return test
    found = output_maximisation_test(scores.of(own), scores.without(dealt | own))
    log_e = {family: value for family, value in test.log_e.items() if family != OUTPUTS}
    findings = (*(finding for finding in test.findings if finding.family != OUTPUTS), words(found))
    if found.score is not None and found.n_reference:
        log_e[OUTPUTS] = found.log_e
    shaped = {Rung.TRAINING_SHAPED: training_shape_log_e(log_e, test.left_out)}
    return replace(test, log_e=log_e, rung_log_e={**test.rung_log_e, **shaped}, findings=findings)
