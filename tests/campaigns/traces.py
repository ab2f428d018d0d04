"""Small groups of accounts, told by what they do: when they ask, what about, and whether they asked before.

Nothing here knows a score. A customer has tastes, a rhythm and a memory; a queue has an order of work and
deals it out. `World.sample` looks at the outcome the way the steps do: a task is repeated where anybody asked
it more than an hour before.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stillwatch.campaigns.sample import HOUR_US, GroupSample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rng = np.random.Generator

DIMENSIONS = 64
HOURS = 14 * 24


@dataclass(frozen=True)
class Events:
    """What one account did, in any order: hours since the start, subject, template, task."""

    hour: Floats
    subject: Ints
    template: Ints
    task: Ints


@dataclass
class World:
    """Subjects that can be asked about, the day that everybody lives in, and the tasks already asked."""

    rng: Rng
    n_subjects: int = 40
    noise: float = 0.06
    history: Ints = field(default_factory=lambda: np.arange(2_000, dtype=np.int64))

    def __post_init__(self) -> None:
        centres = self.rng.normal(size=(self.n_subjects, DIMENSIONS))
        self.centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self.mix = self.rng.dirichlet(np.full(self.n_subjects, 3.0))
        clock = np.arange(HOURS) % 24
        self.day = 1.0 + 0.8 * np.sin((clock - 9) / 24 * 2 * np.pi)
        self._next_task = len(self.history)

    def fresh(self, n: int) -> Ints:
        """Tasks that nobody asked before."""
        self._next_task += n
        return np.arange(self._next_task - n, self._next_task, dtype=np.int64)

    def tasks(self, n: int, repeating: float) -> Ints:
        """Each task is an old one with probability `repeating`, else new."""
        old = self.rng.random(n) < repeating
        return np.asarray(np.where(old, self.rng.choice(self.history, n), self.fresh(n)), dtype=np.int64)

    def hours(self, n: int, clumping: float, life: tuple[int, int] = (0, HOURS)) -> Floats:
        """Times of n exchanges whose held-out half has a chi2/df of `clumping` against the day."""
        base = np.zeros(HOURS)
        base[life[0] : life[1]] = self.day[life[0] : life[1]]
        base /= base.sum()
        if clumping > 1.0:
            precision = max(n / 2 - clumping, 0.05) / (clumping - 1.0)
            weights = self.rng.gamma(np.maximum(precision * base, 1e-300))
            base = weights / weights.sum() if weights.sum() > 0 else base
        return self.rng.choice(HOURS, n, p=base) + self.rng.random(n)

    def tastes(self, loyalty: float, mix: Floats | None = None) -> Floats:
        """Subjects of one customer, loyal to its own with precision `loyalty`."""
        around = self.mix if mix is None else mix
        return around if np.isinf(loyalty) else self.rng.dirichlet(np.maximum(loyalty * around, 1e-12))

    def customer(
        self,
        n: int,
        *,
        loyalty: float = 50.0,
        clumping: float = 1.3,
        repeating: float = 0.1,
        life: tuple[int, int] = (0, HOURS),
        n_templates: int = 1,
    ) -> Events:
        """A customer with own work; the defaults are the boundary of what counts as innocent."""
        subject = self.rng.choice(self.n_subjects, n, p=self.tastes(loyalty))
        template = self.rng.integers(0, n_templates, n)
        return Events(self.hours(n, clumping, life), subject, template, self.tasks(n, repeating))

    def session(self, n: int, length: float, *, loyalty: float = 50.0, repeating: float = 0.1) -> Events:
        """A customer seen once: one sitting of `length` hours and never again."""
        start = self.rng.uniform(0, HOURS - length)
        subject = self.rng.choice(self.n_subjects, n, p=self.tastes(loyalty))
        hour = start + self.rng.uniform(0, length, n)
        return Events(hour, subject, np.zeros(n, dtype=np.int64), self.tasks(n, repeating))

    def queue(
        self,
        n_accounts: int,
        n: int,
        *,
        repeating: float = 0.0,
        n_templates: int = 1,
        drifting: bool = False,
        shares: Floats | None = None,
    ) -> list[Events]:
        """One queue of n tasks dealt to a pool at random; a drifting one has its subjects day by day."""
        hour = self.hours(n, 1.0)
        subject = self.rng.choice(self.n_subjects, n, p=self.mix)
        if drifting:
            of_day = self.rng.dirichlet(np.full(self.n_subjects, 0.2), size=HOURS // 24)
            mixes = 0.5 * of_day + 0.5 * self.mix
            subject = np.array(
                [self.rng.choice(self.n_subjects, p=mixes[int(h) // 24]) for h in hour], dtype=np.int64
            )
        template, task = self.rng.integers(0, n_templates, n), self.tasks(n, repeating)
        dealt_to = self.rng.choice(n_accounts, n, p=shares)
        return [
            Events(hour[mine], subject[mine], template[mine], task[mine])
            for mine in (dealt_to == account for account in range(n_accounts))
        ]

    def sample(self, accounts: Sequence[Events]) -> GroupSample:
        """The group as the tests get it."""
        entity = np.concatenate([np.full(len(e.hour), i, dtype=np.int64) for i, e in enumerate(accounts)])
        hour, subject, template, task = (
            np.concatenate([getattr(e, name) for e in accounts])
            for name in ("hour", "subject", "template", "task")
        )
        order = np.argsort(hour, kind="stable")
        entity, hour, subject, template, task = (
            column[order] for column in (entity, hour, subject, template, task)
        )
        n = len(hour)
        ts = (hour * HOUR_US).astype(np.int64)
        span = np.tile(np.array([ts.max(), ts.min()]), (len(accounts), 1))
        np.minimum.at(span[:, 0], entity, ts)
        np.maximum.at(span[:, 1], entity, ts)
        content = self.centres[subject] + self.noise * self.rng.normal(size=(n, DIMENSIONS))
        content /= np.linalg.norm(content, axis=1, keepdims=True)
        _, first, back = np.unique(task, return_index=True, return_inverse=True)
        repeated = (hour > hour[first][back] + 1.0) | np.isin(task, self.history)
        return GroupSample(
            n_entities=len(accounts),
            entity=entity,
            template=template.astype(np.int64),
            ts=ts,
            content=content.astype(np.float32),
            repeated=repeated,
            held_out=self.rng.random(n) < 0.5,
            span=span,
            exposure=np.bincount(entity, minlength=len(accounts)).astype(np.float64),
        )


def volumes(rng: Rng, n: int, mean: float) -> Ints:
    """Heavy-tailed volumes of n accounts."""
    drawn = rng.lognormal(0.0, 1.0, n)
    return np.asarray(np.maximum(drawn / drawn.mean() * mean, 1), dtype=np.int64)
