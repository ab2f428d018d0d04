"""All candidates through all tests, up the ladder, and against the innocent explanations."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.group import Asked, Background, Entities, GroupTests, run_tests
from stillwatch.campaigns.ladder import standings
from stillwatch.campaigns.output_maximisation import TemplateScores
from stillwatch.campaigns.outputs_of_groups import with_outputs
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.sample import GroupSample, SampleRows, unit_vectors
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.training_shape import FORMS
from stillwatch.engines.unused_memory import return_unused
from stillwatch.ordered import in_order

_MANY = 1_000_000
"""Exchanges in the sample from which what was needed to read them is worth being given back."""


@dataclass(frozen=True)
class Rates:
    """Error rates of the verdicts, and how they are computed.

    Attributes:
        fdr: false-discovery rate of the rungs up to one task pool.
        shape_error: largest probability that a legitimate pool is called training-shaped.
        benign_form: probability that a legitimate template has a training form (from the classifiers' card).
        left_out: families of evidence that do not count, for ablations.
        thorough: run the dearer tests also where they cannot matter, for ablations.
        threads: how many groups are tested at once; no result depends on it.
    """

    fdr: float
    shape_error: float
    benign_form: float
    left_out: tuple[str, ...] = ()
    thorough: bool = False
    threads: int = 1


@dataclass(frozen=True)
class Beside:
    """What is known of the traffic beside its exchanges.

    Attributes:
        models: attributes of the accounts and their null models.
        lives: births and bans of accounts; None if nothing is known.
        outputs: how long the answers to each template are; None if nothing is known.
        wordings: number of the wording of every template (`steps.wordings`); None if each is one of its own.
    """

    models: AttributeModels
    lives: Lives | None = None
    outputs: TemplateScores | None = None
    wordings: NDArray[np.int64] | None = None


def judge(
    usage: Usage,
    found: Sequence[Candidate],
    samples: Iterable[pa.RecordBatch],
    beside: Beside,
    rates: Rates,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[JudgedGroup]:
    """Judge every candidate.

    Args:
        usage: who used which template.
        found: the candidates.
        samples: the step table `candidate_sample`, piece by piece in any order.
        beside: what is known of the traffic beside its exchanges.
        rates: error rates.
        progress: called with (done, total) after each candidate that has exchanges, and at the end.
    """
    rows = SampleRows.from_batches(samples, len(found), FORMS)
    del samples
    if len(rows.ts) > _MANY:
        return_unused()
    background = Background(
        beside.models, rates.benign_form, beside.lives, beside.wordings, rates.left_out, rates.thorough
    )
    everybody = Entities.of(usage.entities.tolist(), background)
    own = [rows.of(index) for index in range(len(found))]
    indices = [index for index, part in enumerate(own) if part.stop > part.start]

    def tested(index: int) -> Iterator[GroupTests]:
        entities = everybody.some(found[index].entities)
        yield _test(usage, found[index], entities, (rows, own[index]), background)

    # No results are worth keeping back: what a group leaves behind is smaller than what it was made from.
    made = in_order((partial(tested, index) for index in indices), rates.threads, lambda test: 0, 0)
    tests: list[GroupTests] = []
    # The matrices are small: threads inside a product cost half as much again as they save.
    with threadpool_limits(1, "blas"), closing(made):
        for index, test in zip(indices, made, strict=True):
            tests.append(test)
            progress(index + 1, len(found))
    progress(len(found), len(found))
    if beside.outputs is not None:
        tests = with_outputs(tests, usage.templates, beside.outputs)
    places = standings(tests, rates.fdr, rates.shape_error)
    return [
        JudgedGroup(index, test, place, tuple(explain(test, place)))
        for index, test, place in zip(indices, tests, places, strict=True)
    ]


def _test(
    usage: Usage,
    candidate: Candidate,
    entities: Entities,
    sampled: tuple[SampleRows, slice],
    background: Background,
) -> GroupTests:
    rows, own = sampled
    sample = GroupSample(
        n_entities=len(candidate.entities),
        entity=rows.entity[own].astype(np.int64),
        template=rows.template[own].astype(np.int64),
        ts=rows.ts[own],
        content=unit_vectors(rows.content[own]),
        repeated=rows.repeated[own],
        held_out=rows.held_out[own],
        span=usage.span[candidate.entities],
        exposure=usage.exposures.of(candidate.entities),
    )
    asked = Asked(rows.forms[own].astype(np.float64), rows.model[own].astype(np.int64), rows.words[own])
    return run_tests(candidate, sample, entities, asked, background)
