"""Plans one campaign with the populations that it needs, and nothing is written to disk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from stillwatch.lab.plan.cells import stages
from stillwatch.lab.plan.events import possible
from stillwatch.lab.plan.planner import Plan
from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.simulate import simulation, surroundings
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render
from stillwatch.lab.traffic import Traffic
from stillwatch.lab.worldfile import Actor, World, make_world

HOSTS: dict[str, dict[str, Any]] = {
    "unofficial_reseller": {"kind": "reseller", "accounts": 20, "per_account": 200.0},
    "other_reseller": {"kind": "reseller", "accounts": 15, "per_account": 150.0},
    "coding_agent_a": {"kind": "coding_agent", "accounts": 25},
    "shop": {"kind": "enterprise", "accounts": 8, "exchanges": 300, "declared": "no"},
}
DEFAULT_HOSTS = {"reseller_mixture": ["unofficial_reseller"], "imitation": ["coding_agent_a"]}
MINUTE = 60 * 10**6
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Waged:
    """A campaign as its conduct planned it."""

    stage: Stage
    traffic: Traffic
    plan: Plan

    @property
    def rows(self) -> Any:
        return self.traffic.rows

    def host(self, name: str) -> Any:
        return self.plan.hosts[name]

    def texts(self, recipes: Recipes | None = None) -> list[str]:
        chosen = self.rows.prompt if recipes is None else recipes
        written: list[str] = render(self.stage.book.frozen(), chosen).to_pylist()
        return written


def wage(kind: str, *, seed: int = 5, **settings: Any) -> Waged:
    """The campaign of this kind with these settings, in a world of ten days."""
    hosts = [settings[key] for key in ("host", "other_host", "victim") if settings.get(key)]
    names = hosts or DEFAULT_HOSTS.get(kind, [])
    given = {"start_day": 1.0, "days": 4.0} | settings
    data = {
        "world": {"days": 10, "release_day": 3.0},
        "population": [{"name": name, **HOSTS[name]} for name in names],
        "campaign": [{"kind": kind, **given}],
    }
    return wage_all(make_world(data, "w", "w.toml"), seed)[0]


def wage_all(world: World, seed: int, factor: float = 1.0) -> list[Waged]:
    """Every campaign of a world, after the populations that they name."""
    around = surroundings(simulation(world, seed, "small"))
    made = Plan([*world.populations, *world.campaigns])
    scale = Scale("by hand", factor)
    found = []
    for actor in [a for a in world.populations if a.name in _named(world)]:
        for stage in stages(actor, around, scale, made.hosts):
            traffic = actor.module.live(stage)
            first = made.settle(traffic.accounts)
            kept = possible(traffic.rows, made.lives(traffic), stage.window)
            made.remember(actor.name, traffic, first, traffic.rows.take(kept))
    for actor in world.campaigns:
        waged = stages(actor, around, scale, made.hosts)
        found += [Waged(stage, actor.module.wage(stage), made) for stage in waged]
    return found


def _named(world: World) -> set[object]:
    return {_value(actor, p) for actor in world.campaigns for p in actor.module.PARAMETERS if p.population}


def _value(actor: Actor, parameter: Any) -> object:
    return actor.values[parameter.name]


def same(one: Waged, other: Waged) -> bool:
    """Whether two campaigns have the same rows and accounts."""
    columns = ("account", "ts", "system", "model", "answer", "session", "turn", "end_user", "n_tools")
    rows = all(np.array_equal(getattr(one.rows, c), getattr(other.rows, c)) for c in columns)
    prompt = all(
        np.array_equal(getattr(one.rows.prompt, c), getattr(other.rows.prompt, c))
        for c in ("program", "writer", "item", "draw")
    )
    mine, theirs = one.traffic.accounts, other.traffic.accounts
    accounts = theirs is None if mine is None else theirs is not None and _equal(mine.table(), theirs.table())
    return rows and prompt and accounts


def _equal(one: pa.Table, other: pa.Table) -> bool:
    return bool(one.equals(other))


def wordings(waged: Waged, anew: bool = False) -> list[str]:
    """Each request with one and the same task in it: what is left is the wording."""
    prompt = waged.rows.prompt
    draw = prompt.draw if anew else np.zeros_like(prompt.draw)
    return waged.texts(Recipes(prompt.program, prompt.writer, np.zeros_like(prompt.item), draw))


def chinese(text: str) -> bool:
    """Whether a text has Chinese characters."""
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)
