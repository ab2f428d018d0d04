"""Probability of each exchange of a member to belong to the campaign.

Two layers, both mixtures fitted by EM (Dempster, Laird & Rubin 1977) on positive and unlabelled data (Elkan & Noto
2008: exchanges in the campaign's templates are positive, all others unlabelled, not negative):

1. *Shared accounts.* Each member has a share of its own; its campaign exchanges fall on pairs of templates and on
   settings as the campaign's do, the others on pairs as everybody else's or the same host's do. Everybody else is
   taken account by account and each says little, so that a few accounts of the same campaign that were not found
   cannot pass for honest use.
2. *Dedicated accounts.* Follow-ups, cover and new wording carry none of the templates. If *all* of an account's other
   exchanges have settings (model, limit of the answer) that the campaign's have, and fall into the campaign's days,
   the account either works for the campaign alone or is lucky. How lucky innocents are is counted on other accounts,
   how many members are dedicated is fitted over all members, and the least number that the data allow decides. A
   reseller's customers have models of their own.

Works badly: where everybody has the same settings all the time (then the layer of dedicated accounts is silent), or
where a reseller forces one model and one limit on all its customers for as long as the campaign lasts.
Evaded by: settings drawn anew for cover exchanges only; the templates' exchanges stay flagged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, expit, logsumexp

from stillwatch.campaigns.cells import Cells, UsualSettings
from stillwatch.exchange.numbering import numbered

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ROUNDS = 30
CAPPED = 2.0
"""Most exchanges of one other account that count as honest use of a pair of templates."""
HOST = 0.2
"""Exchanges of others, as a part of the campaign's, from which a host's own customers are a law of their own."""
ODD = 0.002
"""How often an exchange of a dedicated account has settings that the campaign's templates do not show."""
UNSEEN = 0.1
"""How many shared accounts have settings unlike those of all other accounts."""
SEEN = 0.01
"""Least part of the campaign's exchanges that makes settings the campaign's."""
SLACK_US = 6 * 3_600_000_000
"""How far before and after its known exchanges a campaign may be at work: six hours."""
WITHIN = 1.92
"""Drop of the log-likelihood at the ends of a 95 % interval (Wilks 1938)."""
_LOG_ODDS = (-12.0, 12.0, 241)
DOUBT = 0.02
"""Prior weight of a pair of templates never seen outside."""


@dataclass(frozen=True)
class Traffic:
    """What the exchanges of members are held against.

    Attributes:
        cells: of all entities that use a template of a campaign.
        usual: settings of everybody.
        n_exchanges: exchanges in the whole dataset.
    """

    cells: Cells
    usual: UsualSettings
    n_exchanges: float


@dataclass(frozen=True)
class ExchangeProbabilities:
    """Probabilities within one campaign, given that the account is a member.

    Attributes:
        cell: numbers of all cells of member accounts, shape (n,).
        shared: that an exchange of the cell is the campaign's if its account is shared, shape (n,).
        dedicated: that the account works for the campaign alone, at the least; shape (n_accounts,) over
            `Cells.accounts`, 0 for accounts that are no members.
        dedicated_most: the same at the most.
        given_member: `shared` and `dedicated` together, shape (n,).
    """

    cell: IntArray
    shared: FloatArray
    dedicated: FloatArray
    dedicated_most: FloatArray
    given_member: FloatArray


def exchange_probabilities(
    traffic: Traffic, core: BoolArray, member: BoolArray, suspect: BoolArray
) -> ExchangeProbabilities:
    """Probabilities of the exchanges of a campaign's members.

    Args:
        traffic: cells of all users of the campaign's templates, and the settings of everybody.
        core: shape (n_cells,); cells in the campaign's templates.
        member: shape (n_accounts,); accounts that are members.
        suspect: shape (n_accounts,); accounts that are members of any campaign, and so no witnesses of honest use.
    """
    cells = traffic.cells
    cell = np.flatnonzero(member[cells.account])
    inside = core[cell]
    shared = np.zeros(len(cell))
    shared[inside] = _shared(traffic, core, member | suspect, cell)[inside]
    least, most = _dedicated(traffic, cell, inside, member)
    alone = least[cells.account[cell]]
    return ExchangeProbabilities(cell, shared, least, most, alone + (1 - alone) * shared)


def _shared(traffic: Traffic, core: BoolArray, suspect: BoolArray, cell: IntArray) -> FloatArray:
    """Mixture of the campaign's and everybody else's pairs of templates, a share for each account."""
    cells = traffic.cells
    pairs, pair = numbered(cells.pair[cell], int(cells.pair.max(initial=0)) + 1)
    account, n = cells.account[cell], cells.n[cell]
    inside = core[cell]
    everybody = _elsewhere(traffic, core, suspect, pairs)
    elsewhere = everybody
    of_core = np.bincount(pair, weights=n * inside, minlength=len(pairs))
    campaign = of_core / max(of_core.sum(), 1.0)
    totals = np.bincount(account, weights=n, minlength=len(cells.accounts))
    share = np.bincount(account, weights=n * inside, minlength=len(totals)) / np.maximum(totals, 1.0)
    probability, setting = inside.astype(np.float64), cells.setting[cell]
    usual = _law(setting, n * ~inside, cells) + _settings_of(traffic.usual.setting, traffic.usual.n, cells)
    for _ in range(ROUNDS):
        own = _law(setting, n * probability, cells)
        ours = share[account] * campaign[pair] * own[setting]
        theirs = (1 - share[account]) * elsewhere[pair] * (usual / 2)[setting]
        probability = np.where(inside, ours / np.maximum(ours + theirs, 1e-300), 0.0)
        belongs = probability * n
        # One exchange's worth of doubt keeps a share off 1: an account of two exchanges is no proof.
        share = np.bincount(account, weights=belongs, minlength=len(totals)) / (totals + 1.0)
        of_core = np.bincount(pair, weights=belongs, minlength=len(pairs))
        campaign = of_core / max(of_core.sum(), 1e-9)
        # What the host's other customers use is learnt as well; little of it says little.
        rest = np.bincount(pair, weights=n - belongs, minlength=len(pairs))
        elsewhere = (everybody + rest / max(rest.sum() + HOST * of_core.sum(), 1e-9)) / 2
    return probability


def _settings_of(setting: IntArray, n: FloatArray, cells: Cells) -> FloatArray:
    """Law of the settings of these exchanges; settings that `cells` does not have are left out."""
    known = setting >= 0
    return _law(setting[known], n[known], cells)


def _law(setting: IntArray, n: FloatArray, cells: Cells) -> FloatArray:
    """Law of settings that `cells` has."""
    counts = np.bincount(setting, weights=n, minlength=len(cells.settings)) + 0.5
    return np.asarray(counts / counts.sum())


def _elsewhere(traffic: Traffic, core: BoolArray, suspect: BoolArray, pairs: IntArray) -> FloatArray:
    """Probability of each pair of templates in an exchange of somebody else."""
    cells = traffic.cells
    outside = core & ~suspect[cells.account]
    code = cells.account[outside] * (int(cells.pair.max(initial=0)) + 1) + cells.pair[outside]
    keys, merged = np.unique(code, return_inverse=True)
    uses = np.minimum(np.bincount(merged.reshape(-1), weights=cells.n[outside]), CAPPED)
    pair = keys % (int(cells.pair.max(initial=0)) + 1)
    counts = np.bincount(pair, weights=uses, minlength=int(cells.pair.max(initial=0)) + 1)
    rest = max(traffic.n_exchanges - float(cells.totals[suspect].sum()), 1.0)
    return np.asarray((counts[pairs] + DOUBT) / (rest + 1.0))


def _dedicated(
    traffic: Traffic, cell: IntArray, inside: BoolArray, member: BoolArray
) -> tuple[FloatArray, FloatArray]:
    cells = traffic.cells
    settings, start, end = _conduct(cells, cell[inside])
    rest = cell[~inside]
    fits = settings[cells.setting[rest]] & (cells.first[rest] >= start) & (cells.last[rest] <= end)
    n_accounts = len(cells.accounts)
    like = _by_account(cells.account[rest], cells.n[rest] * fits, n_accounts)
    odd = _by_account(cells.account[rest], cells.n[rest] * ~fits, n_accounts)
    usual = _usual_fit(traffic.usual, settings, (start, end), cells.accounts[member])
    log_alone = like * np.log1p(-ODD) + odd * np.log(ODD)
    log_lucky = _log_lucky(like, odd, usual)
    ratio = log_alone - log_lucky
    # Accounts without other exchanges say nothing of the question and are no matter of it either.
    asked = member & (like + odd > 0)
    least, most = (np.where(asked, expit(ratio + part), 0.0) for part in _part_bounds(ratio[asked]))
    return least, most


def _part_bounds(ratio: FloatArray) -> tuple[float, float]:
    """Bounds (log odds) of the part of members that are dedicated: where the likelihood is within `WITHIN` of its top.

    The smaller one decides what is flagged: where settings tell nothing, nobody is dedicated.
    """
    odds = np.linspace(*_LOG_ODDS)
    likelihood = np.logaddexp(ratio[:, None] - np.logaddexp(0, -odds), -np.logaddexp(0, odds)).sum(axis=0)
    near = odds[likelihood >= likelihood.max() - WITHIN]
    return float(near[0]), float(near[-1])


def _by_account(account: IntArray, n: FloatArray, n_accounts: int) -> FloatArray:
    return np.asarray(np.bincount(account, weights=n, minlength=n_accounts), dtype=np.float64)


def _conduct(cells: Cells, core: IntArray) -> tuple[BoolArray, int, int]:
    """Settings that the campaign's exchanges have, and its days."""
    n = np.bincount(cells.setting[core], weights=cells.n[core], minlength=len(cells.settings))
    settings = n >= max(SEEN * float(n.sum()), 1.0)
    if len(core) == 0:
        return settings, 0, 0
    return settings, int(cells.first[core].min()) - SLACK_US, int(cells.last[core].max()) + SLACK_US


def _usual_fit(
    usual: UsualSettings, settings: BoolArray, days: tuple[int, int], members: NDArray[np.str_]
) -> FloatArray:
    """Of each account that is no member, which part of its exchanges fits the campaign's settings and days."""
    others = ~np.isin(usual.accounts, members)
    fits = (usual.setting >= 0) & settings[np.maximum(usual.setting, 0)]
    fits &= (usual.first >= days[0]) & (usual.last <= days[1])
    like = np.bincount(usual.account, weights=usual.n * fits, minlength=len(usual.accounts))
    total = np.bincount(usual.account, weights=usual.n, minlength=len(usual.accounts))
    mean = (float(like[others].sum()) + 0.5) / (float(total[others].sum()) + 1.0)
    return np.asarray((like[others] + mean) / (total[others] + 1.0))


def _log_lucky(like: FloatArray, odd: FloatArray, usual: FloatArray) -> FloatArray:
    """Log-probability of the counts for an account that serves others, too.

    It is like one of all other accounts, or (a reseller with a house rule for settings) like none of them: then any
    part of its exchanges may fit.
    """
    if len(usual) == 0:
        return np.zeros(len(like))
    levels, weight = np.unique(np.round(np.clip(usual, 1e-4, 1 - 1e-4), 4), return_counts=True)
    asked, back = np.unique(np.stack([like, odd]), axis=1, return_inverse=True)
    terms = asked[0][:, None] * np.log(levels) + asked[1][:, None] * np.log1p(-levels)
    seen = logsumexp(terms + np.log(weight / weight.sum()), axis=1)
    unseen = betaln(asked[0] + 1, asked[1] + 1)
    # Added, not shared out: where all have the same settings, no number of members may speak for dedication.
    found = np.logaddexp(seen, np.log(UNSEEN) + unseen)
    return np.asarray(found[back.reshape(-1)])
