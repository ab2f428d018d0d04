"""The families of evidence, and how those of one group make the e-value of each rung of the ladder."""

from collections.abc import Collection, Mapping, Sequence

from stillwatch.campaigns.evalues import log_average
from stillwatch.campaigns.tables import Rung

TIES = ("shared_payment", "shared_prefix", "shared_email_domain", "shared_birth")
RHYTHM = "common_stream"
TOPICS = "exchangeability"
TASKS = "partition"
SITTINGS = "sittings"
MIX = "template_mix"
SHAPE = "training_shape"
FAMILIES: tuple[str, ...] = (*TIES, RHYTHM, MIX, TOPICS, TASKS, SITTINGS, SHAPE)
"""Every family that can be left out (setting `leave_out`)."""

_COORDINATED: tuple[Sequence[str], ...] = (TIES, (RHYTHM,), (MIX,))
_ONE_POOL = (TOPICS, TASKS)


def coordinated_log_e(log_e: Mapping[str, float], left_out: Collection[str] = ()) -> float:
    """Ties, rhythm and mix of templates averaged: they may depend on each other in any way.

    The kinds of ties count as one of the three, whichever of them the dataset has.

    Args:
        log_e: natural logarithms of e-values by family; a family that could not be tested is missing.
        left_out: families that do not count.
    """
    kinds = [[log_e.get(family, 0.0) for family in kind if family not in left_out] for kind in _COORDINATED]
    return log_average([log_average(kind) for kind in kinds if kind])


def one_pool_log_e(log_e: Mapping[str, float], left_out: Collection[str] = ()) -> float:
    """Dealt topics *and* tasks that are handed out once: the smaller one, since either alone has honest users."""
    kept = [log_e[family] for family in _ONE_POOL if family not in left_out]
    return min(kept, default=0.0)


def rungs(
    log_e: Mapping[str, float], log_e_repetitive: float, left_out: Collection[str]
) -> dict[Rung, float]:
    """E-value (natural logarithm) of each rung by itself."""
    return {
        Rung.REPETITIVE: log_e_repetitive,
        Rung.COORDINATED: coordinated_log_e(log_e, left_out),
        Rung.ONE_TASK_POOL: one_pool_log_e(log_e, left_out),
        Rung.TRAINING_SHAPED: 0.0 if SHAPE in left_out else log_e[SHAPE],
    }
