"""Sittings: within one sitting, is the work one person's, or does it jump like draws from the group's pool?

What should move: whoever sits down to work stays with one thing for a while, so the topics of a sitting belong
together, also where an account serves many customers who come and go. An attacker who works his accounts in
sittings to hide his queue (which defeats the common stream) still deals every request from that queue. Null model:
at least two thirds of the sittings hold together, their topics Dirichlet-multinomial around what others ask of the
same templates that day, with a precision of at most `OF_ONE_PIECE`.

Sees: pools worked in sittings, by office hours or not. Says nothing where accounts send one request at a time.
Works badly: where customers have no topic of their own (texts to translate) or where very many share a busy
account at the same minute. So it is no evidence that accounts are coordinated: it only takes away the explanation
that many customers come and go in sittings of their own. Evaded by: sorting the queue so that each sitting gets one
topic, at the price of a sorted corpus and of waiting until a topic's turn comes.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.exchangeability import label_test
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.sample import GroupSample

PAUSE_US = 30 * 60 * 1_000_000
"""A longer pause ends a sitting (the usual limit of a session in web analytics)."""
OF_ONE_PIECE = 10.0


def sitting_of(entity: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the sitting of each exchange: 0, 1, ... in order of entity and time.

    Args:
        entity: shape (n,).
        ts: shape (n,), microseconds.
    """
    order = np.lexsort((ts, entity))
    who, when = entity[order], ts[order]
    begins = np.ones(len(who), dtype=np.int64)
    begins[1:] = (who[1:] != who[:-1]) | (when[1:] - when[:-1] > PAUSE_US)
    sitting = np.empty(len(who), dtype=np.int64)
    sitting[order] = np.cumsum(begins) - 1
    return sitting


def by_sitting(sample: GroupSample) -> GroupSample | None:
    """The same exchanges, with sittings in place of entities; None where no sitting has two held-out requests.

    Requests outside such sittings are one entity of the discovery half: the base is what the whole group asks. Spans
    and exposures stay those of the accounts: no test of topics asks for them.
    """
    sitting = sitting_of(sample.entity, sample.ts)
    tested = np.bincount(sitting[sample.held_out], minlength=int(sitting.max()) + 1)
    kept = tested[sitting] >= 2  # a single request says nothing of a sitting
    if not kept.any():
        return None
    names, number = np.unique(np.where(kept, sitting, -1), return_inverse=True)
    entity, held_out = number.reshape(-1).astype(np.int64), sample.held_out & kept
    return replace(sample, entity=entity, n_entities=len(names), held_out=held_out)


def sittings_test(sittings: GroupSample, topic: NDArray[np.int64], n_topics: int) -> Verdict:
    """E-value against sittings that hold together, on the held-out half; the verdict's ratios are by sitting.

    Args:
        sittings: see `by_sitting`.
        topic: shape (n,); topic of each exchange in 0..n_topics-1.
        n_topics: number of topics.
    """
    return label_test(sittings, topic, n_topics, loyal=OF_ONE_PIECE)
