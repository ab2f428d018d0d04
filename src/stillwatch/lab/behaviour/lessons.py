"""Exercises that many people get: how a class asks them before a deadline, one after the other, with follow-ups."""

from dataclasses import dataclass

import numpy as np

from stillwatch.lab.behaviour.clocks import HOUR, SECOND, Floats, Ints
from stillwatch.lab.texts.turns import rank_within


@dataclass(frozen=True)
class Questions:
    """Turns on exercises, one entry a turn, grouped by session (one exercise of one student at one sitting).

    Attributes:
        student: int64.
        item: int64, number of the exercise.
        session: int64, running number.
        turn: int64, 0 for the exercise itself.
        ts: int64, microseconds.
    """

    student: Ints
    item: Ints
    session: Ints
    turn: Ints
    ts: Ints


def sittings(
    rng: np.random.Generator, students: Ints, sheet: Ints, begin: Ints, back: float = 0.45
) -> Questions:
    """Each student sits down once and asks some of the sheet's exercises, in an order of his own.

    After each exercise there are up to three further turns (each with probability `back`), 20 to 200 s apart;
    the next exercise follows within fifteen minutes. Assumed.

    Args:
        rng: source of chance.
        students: int64, who sits down.
        sheet: int64 [students, exercises], the numbers of each one's exercises; or [exercises] for all.
        begin: int64 microseconds per student.
        back: how likely each of three further turns is.
    """
    size = sheet.shape[-1]
    wanted = rng.integers(1, size + 1, len(students))
    order = np.argsort(rng.random((len(students), size)), axis=1)
    taken = np.arange(size)[None, :] < wanted[:, None]
    sitting, _ = np.nonzero(taken)
    item = np.take_along_axis(np.broadcast_to(sheet, order.shape), order, axis=1)[taken]
    turns = 1 + (rng.random((len(item), 3)) < back).sum(axis=1)
    session = np.repeat(np.arange(len(item)), turns)
    turn = rank_within(session)
    gap: Floats = (20 + 180 * rng.random(len(session)) ** 2) * SECOND
    pause = np.where(turn == 0, rng.random(len(session)) * HOUR / 4, 0)
    elapsed = np.cumsum(gap + pause)
    of = sitting[session]
    first = np.searchsorted(of, np.arange(len(students)))
    ts = begin[of] + (elapsed - elapsed[first[of]]).astype(np.int64)
    return Questions(students[of], item[session], session, turn, ts)


def before_deadline(rng: np.random.Generator, count: int, deadline: int, mean_hours: float = 30.0) -> Ints:
    """When `count` students begin: the lead before the deadline is exponential."""
    moments: Ints = deadline - (rng.exponential(mean_hours, count) * HOUR).astype(np.int64)
    return moments
