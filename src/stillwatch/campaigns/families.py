"""The families of evidence, and how those of one group make the e-value of each rung of the ladder."""

from collections.abc import Collection, Mapping

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

_ONE_POOL = (TOPICS, TASKS)


def coordinated_log_e(log_e: Mapping[str, float], left_out: Collection[str] = ()) -> float:
    """Average of the ties, the rhythm, the mix of templates, and rhythm times mix.

    Families that may depend on each other in any way are averaged; the kinds of ties count as one, whichever of them
    the dataset has. Rhythm and mix may also be multiplied: the rhythm looks at times alone, and the mix holds given
    all times (its base is that of each account's own days), so the mean of the product is at most 1 where both null
    models are true.

    Args:
        log_e: natural logarithms of e-values by family; a family that could not be tested is missing.
        left_out: families that do not count.
    """
    parts = [[log_e.get(kind, 0.0) for kind in TIES if kind not in left_out]]
    flow = [log_e.get(family, 0.0) for family in (RHYTHM, MIX) if family not in left_out]
    parts += [[value] for value in flow]
    if len(flow) > 1:
        parts.append([sum(flow)])
    return log_average([log_average(part) for part in parts if part])


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
