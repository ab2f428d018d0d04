"""All candidates through all tests, up the ladder, and against the innocent explanations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.group import Asked, Background, GroupTests, run_tests
from stillwatch.campaigns.ladder import standings
from stillwatch.campaigns.output_maximisation import TemplateScores
from stillwatch.campaigns.outputs_of_groups import with_outputs
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.sample import GroupSample, content_vectors
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.training_shape import FORMS


@dataclass(frozen=True)
class Rates:
    """Error rates of the verdicts.

    Attributes:
        fdr: false-discovery rate of the rungs up to one task pool.
        shape_error: largest probability that a legitimate pool is called training-shaped.
        benign_form: probability that a legitimate template has a training form (from the classifiers' card).
        left_out: families of evidence that do not count, for ablations.
        thorough: run the dearer tests also where they cannot matter, for ablations.
    """

    fdr: float
    shape_error: float
    benign_form: float
    left_out: tuple[str, ...] = ()
    thorough: bool = False


@dataclass(frozen=True)
class Beside:
    """What is known of the traffic beside its exchanges.

    Attributes:
        models: attributes of the accounts and their null models.
        lives: births and bans of accounts; None if nothing is known.
        outputs: how long the answers to each template are; None if nothing is known.
    """

    models: AttributeModels
    lives: Lives | None = None
    outputs: TemplateScores | None = None


def judge(
    usage: Usage,
    found: Sequence[Candidate],
    samples: pa.Table,
    beside: Beside,
    rates: Rates,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[JudgedGroup]:
    """Judge every candidate.

    Args:
        usage: who used which template.
        found: the candidates.
        samples: the step table `candidate_sample`.
        beside: what is known of the traffic beside its exchanges.
        rates: error rates.
        progress: called with (done, total) after each candidate.
    """
    ordered = samples.sort_by([("candidate", "ascending"), ("ts", "ascending"), ("draw", "ascending")])
    number = ordered.column("candidate").to_numpy()
    background = Background(beside.models, rates.benign_form, beside.lives, rates.left_out, rates.thorough)
    tests: list[GroupTests] = []
    indices: list[int] = []
    for index, candidate in enumerate(found):
        start, stop = np.searchsorted(number, [index, index + 1])
        if stop > start:
            tests.append(_test(usage, candidate, ordered.slice(start, stop - start), background))
            indices.append(index)
        progress(index + 1, len(found))
    if beside.outputs is not None:
        tests = with_outputs(tests, usage.templates, beside.outputs)
    places = standings(tests, rates.fdr, rates.shape_error)
    return [
        JudgedGroup(index, test, place, tuple(explain(test, place)), _volume(usage, test.candidate))
        for index, test, place in zip(indices, tests, places, strict=True)
    ]


def _test(usage: Usage, candidate: Candidate, rows: pa.Table, background: Background) -> GroupTests:
    entities = usage.entities[candidate.entities]
    forms = np.column_stack([rows.column(form).to_numpy().astype(np.float64) for form in FORMS])
    _, model = np.unique(np.asarray(rows.column("model").to_pylist(), dtype=np.str_), return_inverse=True)
    sample = _sample(rows, usage, candidate)
    return run_tests(candidate, sample, entities, Asked(forms, model.astype(np.int64)), background)


def _sample(rows: pa.Table, usage: Usage, candidate: Candidate) -> GroupSample:
    entities, templates = usage.entities[candidate.entities], usage.templates[list(candidate.templates)]
    return GroupSample(
        n_entities=len(entities),
        entity=_positions(rows.column("entity"), entities),
        template=_positions(rows.column("template_id"), templates),
        ts=rows.column("ts").cast(pa.int64()).to_numpy(),
        content=content_vectors(rows.column("content")),
        repeated=rows.column("repeated").to_numpy(zero_copy_only=False).astype(bool),
        held_out=rows.column("held_out").to_numpy(zero_copy_only=False).astype(bool),
        span=usage.span[candidate.entities],
    )


def _positions(column: pa.ChunkedArray, names: NDArray[np.str_]) -> NDArray[np.int64]:
    """Index of each value in `names`."""
    order = np.argsort(names)
    values = np.asarray(column.to_pylist(), dtype=names.dtype)
    return np.asarray(order[np.searchsorted(names[order], values)], dtype=np.int64)


def _volume(usage: Usage, candidate: Candidate) -> csr_array:
    """Exchanges of the candidate by (entity, template), in the shape of the whole usage."""
    both = usage.both.tocoo()
    row, column = both.coords
    inside = np.isin(row, candidate.entities) & np.isin(column, list(candidate.templates))
    return csr_array((both.data[inside], (row[inside], column[inside])), shape=both.shape)
