"""Plans a world: every population and campaign in turn, kept on disk as numbers, with the accounts in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.plan.cells import stages
from stillwatch.lab.plan.events import as_events, possible, with_retries
from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.plan.spill import Spill
from stillwatch.lab.stage import Stage, Surroundings, sequence_of
from stillwatch.lab.traffic import NONE, Cost, Host, Rows, Traffic
from stillwatch.lab.worldfile import Actor

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Waged:
    """A campaign as it was planned.

    Attributes:
        actor: its place among the actors.
        cost: what it cost.
        capabilities: what it collects.
        replaced: int64 pairs (account, account that it replaced), numbers among all accounts.
    """

    actor: int
    cost: Cost
    capabilities: tuple[str, ...]
    replaced: np.ndarray


@dataclass
class Plan:
    """All that rendering needs besides the spill.

    Attributes:
        actors: populations, then campaigns.
        campaigns: the campaigns as planned.
        public: accounts in the ACCOUNTS schema, a table a cell.
        rendering: the same accounts as the renderer wants them.
        hosts: the populations by name.
        created_at: int64, an array a cell.
        banned_at: int64, an array a cell.
        accounts: number of accounts.
    """

    actors: list[Actor]
    campaigns: list[Waged] = field(default_factory=list)
    public: list[pa.Table] = field(default_factory=list)
    rendering: list[pa.Table] = field(default_factory=list)
    hosts: dict[str, Host] = field(default_factory=dict)
    created_at: list[Ints] = field(default_factory=list)
    banned_at: list[Ints] = field(default_factory=list)
    accounts: int = 0

    @cached_property
    def _wanted(self) -> set[object]:
        """Populations whose accounts a campaign joins or copies."""
        return {
            actor.values[parameter.name]
            for actor in self.actors
            if actor.is_campaign
            for parameter in actor.module.PARAMETERS
            if parameter.population
        }

    def settle(self, accounts: Accounts) -> int:
        """Adds accounts and gives the number of the first of them."""
        first = self.accounts
        self.public.append(accounts.table())
        self.rendering.append(accounts.render_table())
        self.created_at.append(accounts.created_at)
        self.banned_at.append(accounts.banned_at)
        self.accounts += len(accounts)
        return first

    def lives(self, traffic: Traffic) -> tuple[Ints, Ints]:
        """Births and bans of the accounts that the traffic counts in."""
        if traffic.accounts is not None:
            return traffic.accounts.created_at, traffic.accounts.banned_at
        return np.concatenate(self.created_at), np.concatenate(self.banned_at)

    def remember(self, name: str, traffic: Traffic, first: int, rows: Rows) -> None:
        """Adds a cell to the population of this name, so that others may use its accounts."""
        if traffic.accounts is None:
            return
        own = Host(
            first,
            np.bincount(rows.account, minlength=len(traffic.accounts)),
            traffic.accounts.created_at,
            traffic.shared,
            traffic.accounts if name in self._wanted else None,
        )
        known = self.hosts.get(name)
        self.hosts[name] = own if known is None else known.joined(own)


def plan(around: Surroundings, scale: Scale, spill: Spill, *, null: bool, progress: Progress) -> Plan:
    """Plans every population and, unless `null`, every campaign of the world."""
    world = around.world
    made = Plan([*world.populations, *world.campaigns])
    wanted = world.populations if null else tuple(made.actors)
    for number, actor in enumerate(wanted):
        progress(actor.name, number, len(wanted))
        for stage in stages(actor, around, scale, made.hosts):
            traffic = actor.module.wage(stage) if actor.is_campaign else actor.module.live(stage)
            first = made.settle(traffic.accounts) if traffic.accounts is not None else 0
            lives = made.lives(traffic)
            rows = _at(traffic.rows, possible(traffic.rows, lives, stage.window))
            made.remember(actor.name, traffic, first, rows)
            tried, failed, rng = _tried(stage, actor, rows, lives)
            spill.add(as_events(rng, tried, failed, first, number))
            if traffic.cost is not None:
                made.campaigns.append(_waged(traffic, first, number))
    return made


def _tried(
    stage: Stage, actor: Actor, rows: Rows, lives: tuple[Ints, Ints]
) -> tuple[Rows, NDArray[np.bool_], np.random.Generator]:
    """The requests with second attempts, whether each failed, and the chance that names them."""
    # Its own chance: what a population draws must not depend on what is done with its requests.
    rng = np.random.Generator(
        np.random.PCG64(sequence_of(stage.around.seed, f"{stage.name} sent", stage.group, stage.cell))
    )
    anywhere = getattr(actor.module, "BALANCED", actor.is_campaign)
    tried, failed = with_retries(rng, rows, anywhere=anywhere)
    # Nobody tries again after a ban, and the account that is served next may not be born yet.
    kept = possible(tried, lives, stage.window)
    return _at(tried, kept), failed[kept], rng


def _at(rows: Rows, places: Ints) -> Rows:
    """The rows at rising places; not copied where that is all of them."""
    return rows if len(places) == len(rows) else rows.take(places)


def _waged(traffic: Traffic, first: int, number: int) -> Waged:
    assert traffic.cost is not None
    pairs = np.empty((0, 2), np.int64)
    if traffic.replaces is not None:
        heirs = np.flatnonzero(traffic.replaces != NONE)
        pairs = np.stack([heirs, traffic.replaces[heirs]], axis=1) + first
    return Waged(number, traffic.cost, traffic.capabilities, pairs)
