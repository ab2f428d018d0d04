"""Groups of customers with own work, with the features that a careless test would trip over."""

from collections.abc import Callable

import numpy as np

from tests.campaigns.traces import HOURS, Events, World, volumes


def _born_and_dead(w: World) -> list[Events]:
    starts = w.rng.integers(0, HOURS - 60, 20)
    return [w.customer(40, life=(int(s), int(min(HOURS, s + w.rng.integers(24, 200))))) for s in starts]


INNOCENTS: dict[str, Callable[[World], list[Events]]] = {
    "twenty at the boundary": lambda w: [w.customer(40) for _ in range(20)],
    "six busy ones": lambda w: [w.customer(200) for _ in range(6)],
    "born late, dead early": _born_and_dead,
    "one after the other": lambda w: [w.customer(300, life=(d * 24, d * 24 + 24)) for d in range(14)],
    "one sitting each": lambda w: [w.session(40, 6) for _ in range(20)],
    "heavy tail": lambda w: [w.customer(int(v)) for v in volumes(w.rng, 30, 40)],
    "one to three exchanges": lambda w: [w.customer(int(w.rng.integers(1, 4))) for _ in range(100)],
    "one giant": lambda w: [w.customer(800)] + [w.customer(20) for _ in range(20)],
    "many templates": lambda w: [w.customer(40, n_templates=8) for _ in range(20)],
    "all in one hour": lambda w: [w.customer(40, life=(50, 51), clumping=1.0) for _ in range(20)],
    "a third is dealt": lambda w: [*w.queue(7, 280), *(w.customer(40) for _ in range(14))],
}


def world(seed: int = 0) -> World:
    """A world of its own for each seed."""
    return World(np.random.default_rng(seed))
