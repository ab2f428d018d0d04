"""The findings of each family, in words a person can check."""

from dataclasses import replace

from stillwatch.campaigns.candidates import Candidate
from stillwatch.campaigns.co_occurrence import CONNECTED_BY, WORDS
from stillwatch.campaigns.common_stream import CLUMPED
from stillwatch.campaigns.evalues import LN10
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.mixture import Verdict
from stillwatch.campaigns.owners import CONNECTED
from stillwatch.campaigns.sample import GroupSample
from stillwatch.campaigns.tables import Rung
from stillwatch.campaigns.training_shape import MAJORITY, TrainingShape
from stillwatch.links.shared_attributes import SharedAttribute

FORM_WORDS = {
    "elicitation": "elicits a chain of thought",
    "rubric": "grades by a rubric",
    "rewriting": "rewrites to be safe from censorship",
    "answer_format": "demands a fixed answer format",
}

_ALL = 0.95
"""Part of the accounts' exchanges from which those that were looked at are as good as all."""


def repetition(candidate: Candidate, n: int) -> Finding:
    """Rung repetitive."""
    found = "template" if len(candidate.templates) == 1 else "templates"
    return Finding(
        Rung.REPETITIVE,
        "repetition",
        "templates used",
        float(len(candidate.templates)),
        None,
        n,
        candidate.log_e_repetitive,
        "everybody uses a template in proportion to their volume",
        f"{len(candidate.entities)} entities use {len(candidate.templates)} {found} far more than others do; "
        "sharing a template is what is conditioned on below, not evidence by itself",
    )


def tie(kind: str, shared: SharedAttribute, log_e: float, connected: float) -> Finding:
    """One kind of shared attribute."""
    text = f"{shared.n_tied} of {shared.n_entities} accounts share {WORDS[kind]} with another"
    if shared.n_rare > shared.expected_rare:
        text += (
            f"; {shared.n_rare} rare ones are each shared by two or more of the accounts where "
            f"{shared.expected_rare:.2g} are expected"
        )
    if shared.shared:
        best = shared.shared[0]
        text += (
            f"; the least likely is shared by {best.holders} of {shared.n_informed} where {best.expected:.2g} are "
            f"expected ({best.degree} have it in the whole dataset)"
        )
    if kind in CONNECTED_BY and connected < CONNECTED:
        text += (
            f"; but shared values hold at most {connected:.0%} of the accounts together: several customers, each "
            "tied to itself"
        )
    return Finding(
        Rung.COORDINATED,
        f"shared_{kind}",
        f"accounts that share {WORDS[kind]} with another",
        float(shared.n_tied),
        None,
        shared.n_informed,
        log_e,
        f"accounts and {WORDS[kind]} meet by chance, each as often as it does in the whole dataset",
        text,
    )


def stream(verdict: Verdict, dispersion: float, sample: GroupSample) -> Finding:
    """Common stream."""
    alone = round(100 * verdict.innocent_share)
    part = min(len(sample.ts) / max(float(sample.exposure.sum()), 1.0), 1.0)
    # Of sessions a part is seen, and clumps in proportion.
    clumped = 1.0 + part * (CLUMPED - 1.0)
    seen = f" in the {part:.1%} of their exchanges that were looked at" if part < _ALL else ""
    return Finding(
        Rung.COORDINATED,
        "common_stream",
        "chi2/df of accounts by hour",
        dispersion,
        clumped,
        sample.n_entities,
        verdict.log_e,
        f"at least two thirds of the accounts clump in hours by a factor of {CLUMPED} or more",
        f"{alone}% of the accounts look like working in their own sessions; the rest look like shares of one "
        f"stream (dispersion {dispersion:.2f}; 1.00 is one stream dealt out, own sessions give {clumped:.3g} and "
        f"more{seen})",
    )


def exchangeability(verdict: Verdict, sample: GroupSample) -> Finding:
    """Exchangeability."""
    loyal = verdict.innocent_share
    return Finding(
        Rung.ONE_TASK_POOL,
        "exchangeability",
        "share of accounts loyal to their own topics",
        loyal,
        2 / 3,
        int(sample.held_out.sum()),
        verdict.log_e,
        "at least two thirds of the accounts stay with topics of their own",
        f"{loyal:.0%} of the accounts are estimated to stay with topics of their own; for the others, knowing the "
        "account says nothing about what is asked: any account could have sent any of the prompts",
    )


def mix(verdict: Verdict, n_templates: int, sample: GroupSample) -> Finding:
    """Mix of templates."""
    own = verdict.innocent_share
    text = (
        f"{own:.0%} of the accounts are estimated to have a mix of the {n_templates} templates of their own; "
        "the others use them as if each request had drawn its template from one bag"
        if n_templates > 1
        else "one template, which says nothing of a mix"
    )
    return Finding(
        Rung.COORDINATED,
        "template_mix",
        "share of accounts with a mix of templates of their own",
        own if n_templates > 1 else None,
        2 / 3,
        int(sample.held_out.sum()),
        verdict.log_e,
        "at least two thirds of the accounts use the templates in a mix of their own",
        text,
    )


def sittings(verdict: Verdict) -> Finding:
    """What a sitting holds."""
    n = len(verdict.log_ratios)
    return Finding(
        Rung.ONE_TASK_POOL,
        "sittings",
        "share of sittings that hold together",
        verdict.innocent_share if n else None,
        2 / 3,
        n,
        verdict.log_e,
        "at least two thirds of the sittings stay with topics of their own",
        f"{verdict.innocent_share:.0%} of {n} sittings are estimated to hold together; within the others, one "
        "request says nothing of the next"
        if n
        else "the accounts send one request at a time: there are no sittings to look into",
    )


def partition(verdict: Verdict, sample: GroupSample, expected: float) -> Finding:
    """Partition."""
    repeated = sample.repeated_share
    return Finding(
        Rung.ONE_TASK_POOL,
        "partition",
        "share of tasks asked before by anybody",
        repeated,
        expected,
        int(sample.held_out.sum()),
        verdict.log_e,
        f"at least two thirds of the accounts repeat tasks (their own or others') at a rate of {expected:.0%} or more",
        f"{repeated:.1%} of the tasks had been asked before, more than an hour earlier; a queue dealt out hands "
        "each task to one account, while people and benchmarks come back to theirs",
    )


def by_owner(of_accounts: Finding, of_owners: Finding, n_owners: int) -> Finding:
    """A finding on accounts that are no independent customers: it counts as much as it does for their owners.

    Args:
        of_accounts: the finding, account by account.
        of_owners: the same with all accounts of an owner as one.
        n_owners: how many owners there are.
    """
    if of_owners.log_e >= of_accounts.log_e:
        return of_accounts
    if of_accounts.log_e <= 0:
        return replace(of_accounts, log_e=of_owners.log_e)
    says = f"10^{of_owners.log_e / LN10:.1f}" if of_owners.log_e > 0 else "nothing for it"
    text = (
        f"{of_accounts.words}; but accounts that share a payment instrument or e-mail domain count as one, and of "
        f"{n_owners} such owners this says {says}"
    )
    return replace(of_accounts, log_e=of_owners.log_e, words=text)


def shape(found: TrainingShape, benign_rate: float, n: int) -> Finding:
    """Training shape."""
    parts = [f"{share:.0%} {FORM_WORDS[form]}" for form, share in found.by_form.items() if share >= 0.05]
    return Finding(
        Rung.TRAINING_SHAPED,
        "training_shape",
        "share of exchanges with a training form",
        found.share,
        MAJORITY,
        n,
        found.log_e,
        f"a legitimate project's work, which has a training form with probability {benign_rate:.1%} at most",
        f"{found.share:.0%} of the exchanges have the form of collecting training data"
        + (f" ({', '.join(parts)})" if parts else ""),
    )
