"""The innocent explanations of a group, each with the figure that rejects it or lets it stand.

A group is reported only where none of them fits. The nearest is the one that came closest to fitting.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.families import FLOW, HANDS, MIX, MODELS, RHYTHM, TASKS, TIES, TOPICS
from stillwatch.campaigns.families import SITTINGS as WITHIN
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.ladder import Standing
from stillwatch.campaigns.tables import Rung

SITTINGS = -2.0
"""E-value (decimal logarithm) of a common stream below which accounts plainly work in sittings of their own."""
ONE_OWNER = 0.9


@dataclass(frozen=True)
class Explanation:
    """One row of the `explanations` table, before ranking.

    Attributes:
        name: short name.
        fits: whether it could not be rejected.
        margin: how far the figure is from fitting, in decades of evidence (negative or zero = fits).
        measure: the figure that decides.
        threshold: what it would have to be.
        words: why it fails, or why it fits.
    """

    name: str
    fits: bool
    margin: float
    measure: float
    threshold: float
    words: str


def explain(test: GroupTests, standing: Standing) -> list[Explanation]:
    """All explanations, nearest first; one whose family was left out is not tried."""
    tried: list[tuple[set[str], Callable[[GroupTests, Standing], Explanation]]] = [
        ({TOPICS}, _own_work),
        ({TASKS}, _public_items),
        ({*HANDS, *FLOW, MIX, MODELS}, _strangers),
        ({RHYTHM}, _own_sittings),
        (set(TIES), _one_customer),
    ]
    left_out = set(test.left_out)
    found = [judge(test, standing) for families, judge in tried if not families <= left_out]
    return sorted(found, key=lambda explanation: (not explanation.fits, explanation.margin))


def _decided_by(log_e: float, standing: Standing) -> tuple[bool, float, float, float]:
    measure, threshold = log_e / LN10, standing.required_log_e / LN10
    return log_e < standing.required_log_e, measure - threshold, measure, threshold


def _owners_decide(test: GroupTests, family: str) -> str:
    """Why accounts that look dealt may be several customers; empty where they count one by one."""
    if test.log_e[family] >= test.verdicts[family].log_e:
        return ""
    shared = "accounts that share a payment instrument or e-mail domain count as one customer"
    return f"{shared}, and those differ or are few"


def _own_work(test: GroupTests, standing: Standing) -> Explanation:
    verdict = test.verdicts[TOPICS]
    fits, margin, measure, threshold = _decided_by(test.log_e[TOPICS], standing)
    text = (
        _owners_decide(test, TOPICS)
        or f"accounts stay with topics of their own ({verdict.innocent_share:.0%} of them), as users of one tool do"
        if fits
        else "knowing the account says nothing about what is asked; users of one tool stay in their own work"
    )
    return Explanation(
        "customers of one tool or template, each with own work", fits, margin, measure, threshold, text
    )


def _public_items(test: GroupTests, standing: Standing) -> Explanation:
    fits, margin, measure, threshold = _decided_by(test.log_e[TASKS], standing)
    repeated = f"{test.repeated_share:.1%} of the tasks had been asked before"
    text = (
        _owners_decide(test, TASKS)
        or f"{repeated}: a set that is gone through again and again, such as a benchmark, homework or a fixed job"
        if fits
        else f"only {repeated}: the tasks are ever new, and each goes to one account"
    )
    return Explanation("a public or fixed set of tasks", fits, margin, measure, threshold, text)


def _strangers(test: GroupTests, standing: Standing) -> Explanation:
    fits, margin, measure, threshold = _decided_by(test.rung_log_e[Rung.COORDINATED], standing)
    text = (
        "nothing but the template ties the accounts: no shared attribute, rhythm or mix of templates beyond chance"
        if fits
        else "accounts of strangers would not share so many attributes, one rhythm or one mix of templates"
    )
    return Explanation("strangers who found the same prompt", fits, margin, measure, threshold, text)


def _own_sittings(test: GroupTests, standing: Standing) -> Explanation:
    """A reseller's accounts are tied and hold everybody's work, but its customers come and go in sittings, each
    with work of their own, and come back to it."""
    log10_rhythm = test.log_e[RHYTHM] / LN10
    measure = threshold = SITTINGS
    fits, margin = False, log10_rhythm - SITTINGS
    text = "the accounts' hours are not those of many customers who come and go in sittings of their own"
    if margin > 0:
        measure = log10_rhythm
    else:
        inside = [test.fresh.log_e]
        if WITHIN not in test.left_out:
            inside.append(test.sittings.log_e)
        fits, margin, measure, threshold = _decided_by(min(inside), standing)
        alone = test.verdicts[RHYTHM].innocent_share
        text = f"{alone:.0%} of the accounts work in sittings, as many customers behind a reseller do"
        text = _owners_decide(test, RHYTHM) or text
        if not fits:
            text += "; but a sitting does not hold together, and hardly any task comes back"
    return Explanation("a reseller's or product's many customers", fits, margin, measure, threshold, text)


def _one_customer(test: GroupTests, standing: Standing) -> Explanation:
    measure = test.owner_share
    open_owner = measure >= ONE_OWNER
    shaped = standing.rung == Rung.TRAINING_SHAPED
    forms = f"{test.shape.any_share:.0%} of the exchanges have a form that training data has"
    if not open_owner:
        text = f"no one payment instrument or e-mail domain is behind the exchanges (at most {measure:.0%}); {forms}"
    elif shaped:
        text = f"{measure:.0%} of the exchanges have one owner, but what they collect is training-shaped: {forms}"
    else:
        text = f"{measure:.0%} of the exchanges have one owner in the open, and only {forms}"
    margin = (ONE_OWNER - measure) * 10
    return Explanation(
        "one customer with a product of its own behind several accounts",
        open_owner and not shaped,
        margin,
        measure,
        ONE_OWNER,
        text,
    )
