"""Students of one university with homework, all behind the same addresses and one e-mail domain.

Several courses with assignments and deadlines; most students paste an item word for word, others say it in
own words or ask for a hint; activity rises towards the deadline (exponential lead time, mean 30 hours: assumed).
Strangers cover the same items, which looks like a pool, but every student covers the same ones.
"""

from dataclasses import replace

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, PRIVATE_HOURS, Ints, Rhythm, human_sessions
from stillwatch.lab.behaviour.lessons import before_deadline, sittings
from stillwatch.lab.behaviour.living import conversation_rows, people_accounts
from stillwatch.lab.behaviour.templated import asked
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 20
PARAMETERS = (
    Parameter("accounts", 220, 10, 100_000, meaning="students with an account"),
    Parameter("courses", 4, 1, 200, meaning="courses"),
    Parameter("per_day", 0.5, 0.0, 50.0, meaning="mean private requests a day and student"),
)
_WEEK = 7 * DAY


def live(stage: Stage) -> Traffic:
    """Homework and some private use."""
    accounts = _accounts(stage)
    private = _private(stage)
    parts = [private]
    for _ in range(int(stage.number("courses"))):
        # Conversations of one part must not bear the numbers of another's.
        first = sum(int(part.session.max(initial=-1)) + 1 for part in parts)
        course = _course(stage)
        parts.append(replace(course, session=course.session + first))
    rows = Rows.concatenate(parts)
    favourites = stage.favourites(stage.accounts)
    rows = replace(rows, model=stage.models(favourites[rows.account], rows.ts))
    keep = np.flatnonzero((rows.ts >= stage.window[0]) & (rows.ts < stage.window[1]))
    return Traffic(accounts, rows.take(keep))


def _private(stage: Stage) -> Rows:
    per_day = np.full(stage.accounts, stage.number("per_day") * stage.volume)
    rhythm = Rhythm(PRIVATE_HOURS, 0.9, zones=np.array([1.0]))
    sessions = human_sessions(stage.rng, per_day, *stage.window, rhythm)
    prompts = stage.texts.chat(
        sessions.person, sessions.session, sessions.turn, stage.seeds(stage.accounts), stage.rng
    )
    return conversation_rows(stage, sessions.person, sessions, prompts)


def _course(stage: Stage) -> Rows:
    """A course's weekly sheets."""
    rng = stage.rng
    start, end = stage.window
    forms = stage.texts.homework(stage.dice)
    follow = len(forms)
    templates = [*forms, stage.texts.homework_follow()]
    items, weeks = int(rng.integers(8, 22)), int((end - start) // _WEEK) + 1
    enrolled = np.flatnonzero(rng.random(stage.accounts) < 0.35)
    parts, first = [], 0
    for week in range(weeks):
        deadline = start + week * _WEEK + int(rng.integers(2, 6)) * DAY + 22 * HOUR
        sheet = rng.permutation(items)[: max(3, items // weeks)]
        asking = enrolled[rng.random(len(enrolled)) < 0.75 * min(1.0, stage.volume)]
        said = sittings(rng, asking, sheet, before_deadline(rng, len(asking), deadline))
        form = np.where(said.turn > 0, follow, rng.integers(0, len(forms), len(said.turn)))
        requests = asked(stage, templates, form, said.item, _salt(said.turn, rng))
        parts.append(
            Rows.of(
                said.student,
                said.ts,
                requests.prompts,
                answer="reasoning",
                session=said.session + first,
                turn=said.turn,
            )
        )
        first += int(said.session.max(initial=-1)) + 1
    return Rows.concatenate(parts)


def _salt(turn: Ints, rng: np.random.Generator) -> np.ndarray:
    """Everybody gets the same exercise; what is said after it is everybody's own."""
    return np.where(turn > 0, rng.integers(1, 2**63, len(turn)), 0).astype(np.uint64)


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count, 0.01)
    campus = stage.internet.office(rng, 2)
    there, which = rng.random(count) < 0.8, (rng.random(count) < 0.2).astype(int)
    accounts.addresses = [
        [campus[w], own[0]] if t else own
        for t, w, own in zip(there.tolist(), which.tolist(), accounts.addresses, strict=True)
    ]
    domain = f"stud.uni-{int(rng.integers(100, 999))}.example"
    own = rng.random(count) < 0.85
    accounts.email_domain = [
        domain if o else d for o, d in zip(own.tolist(), accounts.email_domain, strict=True)
    ]
    accounts.program = ["edu" if o else "none" for o in own.tolist()]
    fresh = rng.random(count) < 0.5
    term = stage.window[0] - 40 * DAY
    joined = term + (rng.exponential(6, count) * DAY).astype(np.int64)
    accounts.created_at[fresh] = np.minimum(
        joined[fresh], stage.window[0] - rng.integers(1, DAY, fresh.sum())
    )
    earlier = (rng.random(count) * 300 * DAY).astype(np.int64)
    late = accounts.created_at >= stage.window[0]
    accounts.created_at[late] = stage.window[0] - earlier[late]
    return accounts
