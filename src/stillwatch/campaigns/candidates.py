"""Groups worth testing: accounts that share templates, or that links tie together and who then share templates.

Discovery looks at who uses which template and who shares which attribute, never at what was asked, when, or (for
groups found through templates) at the shared attributes: those are left for the tests.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import hypergeom

from stillwatch.campaigns.repetition import Usage, log_e_repetitive, row_sums
from stillwatch.campaigns.split import split_by_mix


@dataclass(frozen=True)
class CandidateSettings:
    """What makes a candidate.

    Attributes:
        minimum_entities: smallest group that is tested (entities: accounts, with declared organisations joined).
        minimum_exchanges: fewest exchanges of an entity in the group's templates to count as its user.
        similarities: cosine similarities of two templates' user sets from which they are taken as one bundle;
            a low one gathers a loose group, a high one tells a pool from the reseller's customers around it.
        fresh: templates that repeat less than this are bundled by themselves as well: what repeats is not dealt.
        log_e_repetitive: natural logarithm of the e-value from which a bundle's use is a matter of the account.
        own_use: least part of that evidence (natural logarithm) that falls to each entity: in a wave of a few days
            many accounts use a template a little more than their volume explains, because they were awake then.
        maximum: most candidates tested; the largest are kept and the number left out is reported.
        core: entities of a core use its templates at most so many times more or less than half of the exchanges'
            entities do.
        dealt_once: cores are only looked for where less of the discovery half's work is repeated.
        foreign: least part of a bundle's exchanges that a core must leave out to be worth a test of its own.
    """

    minimum_entities: int = 5
    minimum_exchanges: int = 2
    similarities: tuple[float, ...] = (0.5, 0.7, 0.85)
    fresh: float = 0.05
    log_e_repetitive: float = float(np.log(1e4))
    own_use: float = 1.0
    maximum: int = 2_000
    core: float = 4.0
    dealt_once: float = 0.1
    foreign: float = 0.05


@dataclass(frozen=True)
class Candidate:
    """A group to be tested: entities by templates (indices into `Usage`)."""

    templates: tuple[int, ...]
    entities: NDArray[np.int64]
    discovered_by: str
    log_e_repetitive: float


def candidates(
    usage: Usage,
    communities: Iterable[NDArray[np.int64]],
    settings: CandidateSettings,
    kin: Iterable[tuple[int, ...]] = (),
) -> list[Candidate]:
    """All candidates, most exchanges first.

    Args:
        usage: who used which template.
        communities: arrays of entity indices that links tie together.
        settings: limits.
        kin: bundles of template indices whose wordings are alike.
    """
    both = usage.both
    found: dict[tuple[tuple[int, ...], bytes], Candidate] = {}

    def add(candidate: Candidate | None) -> None:
        if candidate is not None:
            found.setdefault((candidate.templates, candidate.entities.tobytes()), candidate)

    bundles = {*_bundles(both, usage.repeated < settings.fresh, settings), *kin}
    for templates in sorted(bundles):
        bundle = _candidate(usage, templates, None, settings)
        if bundle is None:
            continue
        for part in (bundle, *_parts(usage, bundle, settings)):
            add(part)
            if _repeated_share(usage, part) < settings.dealt_once:
                add(_core(usage, part, settings))
    for community in communities:
        shared = _shared_by(both, community, settings)
        add(_candidate(usage, shared, community, settings) if shared else None)
    ranked = sorted(
        found.values(), key=lambda c: (-usage.volume(c.entities, c.templates), c.templates, c.discovered_by)
    )
    return ranked[: settings.maximum]


def _parts(
    usage: Usage, candidate: Candidate, settings: CandidateSettings, depth: int = 2
) -> list[Candidate]:
    """Parts of a bundle whose accounts differ in their mix of templates, and parts of those."""
    columns = list(candidate.templates)
    counts = usage.discovery[candidate.entities][:, columns].toarray()
    halves = split_by_mix(counts, settings.minimum_entities)
    if halves is None:
        return []
    result = []
    for rows in halves:
        used = np.flatnonzero((counts[rows] >= 1).sum(axis=0) >= settings.minimum_entities)
        templates = tuple(candidate.templates[column] for column in used)
        part = _candidate(usage, templates, candidate.entities[rows], settings) if templates else None
        if part is not None:
            part = replace(part, discovered_by=candidate.discovered_by)
            result.append(part)
            result += _parts(usage, part, settings, depth - 1) if depth > 1 else []
    return result


def _core(usage: Usage, candidate: Candidate, settings: CandidateSettings) -> Candidate | None:
    """The entities of like volume and devotion: without strays, and without the one firm that does much more.

    A few accounts that use a pool's templates for work of their own can hide a small pool. Only volumes are looked
    at, which no test of the group uses.
    """
    use = row_sums(usage.both[candidate.entities][:, list(candidate.templates)])
    share = use / np.maximum(usage.totals[candidate.entities].sum(axis=1), 1.0)
    middle, devotion = _typical(use, use), _typical(share, use)
    like = (use * settings.core >= middle) & (use <= middle * settings.core) & (2 * share >= devotion)
    if use[~like].sum() < settings.foreign * use.sum() or like.sum() < settings.minimum_entities:
        return None
    core = _candidate(usage, candidate.templates, candidate.entities[like], settings)
    return None if core is None else replace(core, discovered_by=candidate.discovered_by)


def _repeated_share(usage: Usage, candidate: Candidate) -> float:
    columns = list(candidate.templates)
    volume = np.asarray(usage.discovery[candidate.entities][:, columns].sum(axis=0), dtype=np.float64).ravel()
    return float(volume @ usage.repeated[columns] / max(volume.sum(), 1.0))


def _typical(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Median of values where each exchange has a vote."""
    order = np.argsort(values, kind="stable")
    votes = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(votes, votes[-1] / 2)])


def _candidate(
    usage: Usage, templates: tuple[int, ...], within: NDArray[np.int64] | None, settings: CandidateSettings
) -> Candidate | None:
    columns = list(templates)
    used, held_out = csr_array(usage.discovery[:, columns]), csr_array(usage.held_out[:, columns])
    volume = np.asarray((used + held_out).sum(axis=1)).ravel()
    entities = np.flatnonzero(volume >= settings.minimum_exchanges)
    if within is not None:
        entities = np.intersect1d(entities, within)
    if len(entities) < settings.minimum_entities:
        return None
    log_e = log_e_repetitive(used, held_out, usage.totals)
    if log_e < max(settings.log_e_repetitive, settings.own_use * len(entities)):
        return None
    return Candidate(templates, entities, "templates" if within is None else "links", log_e)


def _bundles(both: csr_array, fresh: NDArray[np.bool_], settings: CandidateSettings) -> list[tuple[int, ...]]:
    """Single templates, and templates that much the same entities use."""
    users = csr_array((both >= 1).astype(np.float64))
    n_users = np.asarray(users.sum(axis=0), dtype=np.float64).ravel()
    popular = np.flatnonzero(n_users >= settings.minimum_entities)
    bundles: set[tuple[int, ...]] = {(int(template),) for template in popular}
    for among in (popular, popular[fresh[popular]]):
        for similarity in settings.similarities:
            bundles.update(_alike(users, n_users, among, similarity))
    return sorted(bundles)


def _alike(
    users: csr_array, n_users: NDArray[np.float64], among: NDArray[np.int64], similarity: float
) -> set[tuple[int, ...]]:
    """Connected components of templates whose user sets are alike."""
    if len(among) == 0:
        return set()
    overlap = csr_array(users[:, among].T @ users[:, among]).tocoo()
    row, column = overlap.coords
    cosine = overlap.data / np.sqrt(n_users[among[row]] * n_users[among[column]])
    near = cosine >= similarity
    graph = csr_array((np.ones(int(near.sum())), (row[near], column[near])), shape=(len(among), len(among)))
    _, label = connected_components(graph, directed=False)
    order = np.argsort(label, kind="stable")
    parts = np.split(among[order], np.flatnonzero(np.diff(label[order])) + 1)
    return {tuple(int(template) for template in np.sort(part)) for part in parts}


def _shared_by(both: csr_array, community: NDArray[np.int64], settings: CandidateSettings) -> tuple[int, ...]:
    """Templates that the community uses far more widely than its size explains (hypergeometric, Bonferroni)."""
    n_entities, n_templates = both.shape
    users = csr_array((both >= settings.minimum_exchanges).astype(np.float64))
    everywhere = np.asarray(users.sum(axis=0)).ravel()
    inside = np.asarray(users[community].sum(axis=0)).ravel()
    enough = np.flatnonzero(inside >= settings.minimum_entities)
    log_p = hypergeom.logsf(inside[enough] - 1, n_entities, everywhere[enough], len(community))
    return tuple(int(template) for template in enough[log_p < np.log(1e-6 / max(n_templates, 1))])
