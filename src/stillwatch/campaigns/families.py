"""The families of evidence, and how those of one group make the e-value of each rung of the ladder."""

from collections.abc import Collection, Mapping

from stillwatch.campaigns.co_occurrence import TIED_BY
from stillwatch.campaigns.evalues import log_average
from stillwatch.campaigns.tables import Rung

TIES = tuple(f"shared_{kind}" for kind in TIED_BY)
BIRTHS = "births_after_bans"
RHYTHM = "common_stream"
TURNS = "alternation"
MODELS = "model_choice"
TOPICS = "exchangeability"
TASKS = "partition"
SITTINGS = "sittings"
MIX = "template_mix"
SHAPE = "training_shape"
OUTPUTS = "output_maximisation"
HANDS = (*TIES, BIRTHS)
FLOW = (RHYTHM, TURNS)
FAMILIES: tuple[str, ...] = (*HANDS, *FLOW, MIX, MODELS, TOPICS, TASKS, SITTINGS, SHAPE, OUTPUTS)
"""Every family that can be left out (setting `leave_out`)."""

_ONE_POOL = (TOPICS, TASKS)


def coordinated_log_e(log_e: Mapping[str, float], left_out: Collection[str] = ()) -> float:
    """Average of one hand (ties, births), flow (rhythm, turns), mix of templates, choice of models, and flow times mix.

    Families that may depend on each other in any way are averaged; those of one kind count as one, whichever of them
    the dataset has. Flow and mix may also be multiplied: the flow looks at times alone, and the mix holds given all
    times (its base is that of each account's own days), so the mean of the product is at most 1 where both null
    models are true.

    Args:
        log_e: natural logarithms of e-values by family; a family that could not be tested is missing.
        left_out: families that do not count.
    """
    hands, flow, mix, models = (
        _average(log_e, [family for family in kind if family not in left_out])
        for kind in (HANDS, FLOW, (MIX,), (MODELS,))
    )
    both = None if flow is None or mix is None else flow + mix
    return log_average([part for part in (hands, flow, mix, models, both) if part is not None])


def training_shape_log_e(log_e: Mapping[str, float], left_out: Collection[str] = ()) -> float:
    """Form of the prompts and lengths of the answers, averaged over what is known."""
    known = [family for family in (SHAPE, OUTPUTS) if family not in left_out and family in log_e]
    return _average(log_e, known) or 0.0


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
        Rung.TRAINING_SHAPED: training_shape_log_e(log_e, left_out),
    }


def _average(log_e: Mapping[str, float], families: Collection[str]) -> float | None:
    """Of one kind of evidence; a family that could not be tested is 1. None where all are left out."""
    return log_average([log_e.get(family, 0.0) for family in families]) if families else None
