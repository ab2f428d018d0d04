"""Groups worth testing: accounts that share templates, or that links tie together and who then share templates.

Discovery looks at who uses which template and who shares which attribute, never at what was asked, when, or (for
groups found through templates) at the shared attributes: those are left for the tests.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import betaln
from scipy.stats import hypergeom

from stillwatch.campaigns.overlap import overlaps
from stillwatch.campaigns.repetition import Usage, log_e_of_use
from stillwatch.campaigns.split import split_by_mix
from stillwatch.campaigns.uses import Uses
from stillwatch.ordered import in_order


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
        most_templates: an entity with more templates than this is no witness of which of them belong together: it
            would make the square of their number of pairs, and who uses everything says little of any two.
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
    most_templates: int = 1_000


@dataclass(frozen=True)
class Candidate:
    """A group to be tested: entities by templates (indices into `Usage`).

    Attributes:
        templates: ascending, as are the entities.
        entities: shape (n_entities,).
        discovered_by: templates or links.
        log_e_repetitive: natural logarithm of the e-value of the rung *repetitive*.
        volumes: exchanges of the entities in each of the templates, both halves, shape (n_templates,).
        each: exchanges of each entity in the templates, both halves, shape (n_entities,).
    """

    templates: tuple[int, ...]
    entities: NDArray[np.int64]
    discovered_by: str
    log_e_repetitive: float
    volumes: NDArray[np.float64]
    each: NDArray[np.float64]

    @property
    def n_exchanges(self) -> float:
        """Exchanges of the entities in the templates."""
        return float(self.volumes.sum())


@dataclass(frozen=True)
class _Bundle:
    """Templates, and all who used them.

    Attributes:
        usage: who used which template.
        templates: ascending.
    """

    usage: Usage
    templates: tuple[int, ...]

    @cached_property
    def users(self) -> Uses:
        """Everybody's uses of these templates, by entity."""
        return self.usage.by_template.users(self.templates)

    @cached_property
    def log_e(self) -> float:
        """Natural logarithm of the e-value that their use is a matter of the account."""
        known = self.usage.log_e_of_bundles
        if self.templates not in known:
            known[self.templates] = log_e_of_use(self.users, self.usage.exposures)
        return known[self.templates]


@dataclass(frozen=True)
class _Group:
    """A candidate with who of it used which of its templates.

    Attributes:
        candidate: the group.
        bundle: its templates, with all who used them.
        uses: of its entities, in its templates.
        row: place of each use's entity in the group.
    """

    candidate: Candidate
    bundle: _Bundle
    uses: Uses
    row: NDArray[np.int64]


def candidates(
    usage: Usage,
    communities: Iterable[NDArray[np.int64]],
    settings: CandidateSettings,
    kin: Iterable[tuple[int, ...]] = (),
    threads: int = 1,
) -> list[Candidate]:
    """All candidates, most exchanges first.

    Args:
        usage: who used which template.
        communities: arrays of entity indices that links tie together.
        settings: limits.
        kin: bundles of template indices whose wordings are alike.
        threads: how many bundles are looked at at once; no result depends on it.
    """
    found: dict[tuple[tuple[int, ...], bytes], Candidate] = {}
    bundles = sorted({*_bundles(usage, settings), *kin})
    sources = [partial(_of_bundle, usage, templates, settings) for templates in bundles]
    groups = [community for community in communities if len(community) >= settings.minimum_entities]
    if groups:
        often = _Often.of(usage, settings.minimum_exchanges)
        sources += [partial(_of_community, usage, community, often, settings) for community in groups]
    # Nothing is worth keeping back: all of them are kept in the end.
    with closing(in_order(sources, threads, lambda candidate: 0, 0)) as made:
        for candidate in made:
            found.setdefault((candidate.templates, candidate.entities.tobytes()), candidate)
    ranked = sorted(found.values(), key=lambda one: (-one.n_exchanges, one.templates, one.discovered_by))
    return ranked[: settings.maximum]


def _of_bundle(usage: Usage, templates: tuple[int, ...], settings: CandidateSettings) -> Iterator[Candidate]:
    """The users of a bundle, parts of them, and the cores of all these."""
    whole = _group(_Bundle(usage, templates), None, "templates", settings)
    if whole is None:
        return
    for group in (whole, *_parts(usage, whole, settings)):
        yield group.candidate
        if _repeated_share(usage, group) < settings.dealt_once:
            core = _core(usage, group, settings)
            if core is not None:
                yield core.candidate


def _of_community(
    usage: Usage, community: NDArray[np.int64], often: "_Often", settings: CandidateSettings
) -> Iterator[Candidate]:
    """The users, among accounts that links tie together, of what these share."""
    shared = _shared(community, often, settings)
    group = _group(_Bundle(usage, shared), community, "links", settings) if shared else None
    if group is not None:
        yield group.candidate


def _parts(usage: Usage, group: _Group, settings: CandidateSettings, depth: int = 2) -> list[_Group]:
    """Parts of a bundle whose accounts differ in their mix of templates, and parts of those."""
    candidate, uses = group.candidate, group.uses
    shape = (len(candidate.entities), len(candidate.templates))
    if shape[1] < 2:
        return []
    counts = csr_array((uses.found, (group.row, uses.template)), shape=shape)
    halves = split_by_mix(counts, settings.minimum_entities)
    if halves is None:
        return []
    result = []
    for rows in halves:
        inside = np.zeros(shape[0], dtype=bool)
        inside[rows] = True
        users = np.bincount(uses.template[inside[group.row] & (uses.found >= 1)], minlength=shape[1])
        used = np.flatnonzero(users >= settings.minimum_entities)
        if len(used) == 0:
            continue
        bundle = _Bundle(usage, tuple(candidate.templates[column] for column in used))
        part = _group(bundle, candidate.entities[rows], candidate.discovered_by, settings)
        if part is not None:
            result.append(part)
            result += _parts(usage, part, settings, depth - 1) if depth > 1 else []
    return result


def _core(usage: Usage, group: _Group, settings: CandidateSettings) -> _Group | None:
    """The entities of like volume and devotion: without strays, and without the one firm that does much more.

    A few accounts that use a pool's templates for work of their own can hide a small pool. Only volumes are looked
    at, which no test of the group uses.
    """
    candidate = group.candidate
    use = candidate.each
    share = use / np.maximum(usage.exposures.of(candidate.entities), 1.0)
    middle, devotion = _typical(use, use), _typical(share, use)
    like = (use * settings.core >= middle) & (use <= middle * settings.core) & (2 * share >= devotion)
    if use[~like].sum() < settings.foreign * use.sum() or like.sum() < settings.minimum_entities:
        return None
    return _group(group.bundle, candidate.entities[like], candidate.discovered_by, settings)


def _repeated_share(usage: Usage, group: _Group) -> float:
    templates = list(group.candidate.templates)
    volume = np.asarray(np.bincount(group.uses.template, group.uses.found, len(templates)), dtype=np.float64)
    return float(volume @ usage.repeated[templates] / max(volume.sum(), 1.0))


def _typical(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Median of values where each exchange has a vote; votes are whole numbers, so that ties may come in any order."""
    order = np.argsort(values)
    votes = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(votes, votes[-1] / 2)]])


def _group(
    bundle: _Bundle, within: NDArray[np.int64] | None, discovered_by: str, settings: CandidateSettings
) -> _Group | None:
    """Those who used a bundle often enough, where they are a group that is worth a test.

    Args:
        bundle: the templates.
        within: entities (ascending) that are looked at; None for all.
        discovered_by: what the candidate says of that.
        settings: limits.
    """
    asked = bundle.users.entity if within is None else within
    everything = bundle.usage.by_template
    if within is None:
        each = bundle.users.both
    else:
        _, uses, row = everything.of_group(within, bundle.templates)
        each = np.asarray(np.bincount(row, uses.both, len(within)), dtype=np.float64)
    kept = each >= settings.minimum_exchanges
    entities, each = asked[kept], each[kept]
    if len(entities) < settings.minimum_entities:
        return None
    if bundle.log_e < max(settings.log_e_repetitive, settings.own_use * len(entities)):
        return None
    _, uses, row = everything.of_group(entities, bundle.templates)
    volumes = np.asarray(np.bincount(uses.template, uses.both, len(bundle.templates)), dtype=np.float64)
    candidate = Candidate(bundle.templates, entities, discovered_by, bundle.log_e, volumes, each)
    return _Group(candidate, bundle, uses, row)


def followed_up(
    usage: Usage,
    templates: tuple[int, ...],
    entities: NDArray[np.int64],
    discovered_by: str,
    settings: CandidateSettings,
) -> Candidate | None:
    """A candidate of these entities (ascending) however little it now repeats; None where too few are left."""
    kept = replace(settings, log_e_repetitive=-np.inf, own_use=-np.inf)
    group = _group(_Bundle(usage, templates), entities, discovered_by, kept)
    return None if group is None else group.candidate


def _bundles(usage: Usage, settings: CandidateSettings) -> list[tuple[int, ...]]:
    """Single templates, and templates that much the same entities use."""
    n_users = np.diff(usage.by_template.starts).astype(np.float64)
    popular = np.flatnonzero(n_users >= settings.minimum_entities)
    bundles: set[tuple[int, ...]] = {(int(template),) for template in popular}
    if len(popular) == 0:
        return []
    fresh = usage.repeated[popular] < settings.fresh
    found = overlaps(_users(usage, popular), settings.most_templates)
    for inside in (np.ones(len(popular), dtype=bool), fresh):
        for similarity in settings.similarities:
            bundles.update(
                tuple(popular[part].tolist()) for part in found.components(similarity, inside) if len(part)
            )
    return sorted(bundles)


def _users(usage: Usage, templates: NDArray[np.int64]) -> csr_array:
    """Who used which of these templates, shape (n_entities, len(templates)), ones."""
    uses = usage.by_template.of_templates(templates.tolist())
    shape = (len(usage.entities), len(templates))
    return csr_array((np.ones(len(uses.entity)), (uses.entity, uses.template)), shape=shape)


@dataclass(frozen=True)
class _Often:
    """Who uses which template often enough to count.

    Attributes:
        users: shape (n_entities, n_templates), ones.
        everywhere: users of each template, shape (n_templates,).
    """

    users: csr_array
    everywhere: NDArray[np.int64]

    @classmethod
    def of(cls, usage: Usage, least: int) -> "_Often":
        users = usage.by_template.used_often(least)
        return cls(users, np.bincount(users.indices, minlength=users.shape[1]).astype(np.int64))


def _shared(community: NDArray[np.int64], often: _Often, settings: CandidateSettings) -> tuple[int, ...]:
    """Templates that a community uses far more widely than its size explains (hypergeometric, Bonferroni)."""
    n_entities, n_templates = often.users.shape
    everywhere = often.everywhere
    threshold = np.log(1e-6 / max(n_templates, 1))
    inside = np.bincount(often.users[community].indices, minlength=n_templates).astype(np.int64)
    # At or below its expectation a count has no small p-value.
    more = inside * n_entities > everywhere * len(community)
    enough = np.flatnonzero((inside >= settings.minimum_entities) & more)
    few = _rare(inside[enough], everywhere[enough], len(community), n_entities, threshold)
    return tuple(int(template) for template in enough[few])


def _rare(
    inside: NDArray[np.int64], everywhere: NDArray[np.int64], drawn: int, n: int, threshold: float
) -> NDArray[np.bool_]:
    """Where the natural logarithm of P(as many inside or more) is below a threshold (hypergeometric law).

    The exact tail, whose cost grows with the community, is only summed where bounds do not decide: the probability of
    exactly so many from below, Hoeffding's bound from above (JASA 58, 13, 1963; it holds without replacement).
    """
    share, expected = inside / drawn, everywhere / n
    rest = np.maximum(1.0 - share, 1e-300)
    apart = share * np.log(share / expected)
    apart += (1.0 - share) * np.log(rest / np.maximum(1.0 - expected, 1e-300))
    rare = np.asarray(-drawn * apart < threshold)
    least = _log_probability(inside, everywhere, drawn, n)
    open_ = np.flatnonzero(~rare & (least < threshold))
    rare[open_] = hypergeom.logsf(inside[open_] - 1, n, everywhere[open_], drawn) < threshold
    return rare


def _log_probability(
    inside: NDArray[np.int64], everywhere: NDArray[np.int64], drawn: int, n: int
) -> NDArray[np.float64]:
    """Natural logarithm of P(exactly so many inside).

    As `hypergeom.logpmf`, most of whose time goes into looking at its arguments.
    """
    others = n - everywhere
    ways = betaln(everywhere + 1, 1) + betaln(others + 1, 1) + betaln(n - drawn + 1, drawn + 1)
    ways -= betaln(inside + 1, everywhere - inside + 1) + betaln(
        drawn - inside + 1, others - drawn + inside + 1
    )
    return np.asarray(ways - betaln(n + 1, 1))
