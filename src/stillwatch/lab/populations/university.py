"""Students of one university with homework, all behind the same addresses and one e-mail domain.

Several courses with assignments and deadlines; most students paste an item word for word, others say it in
own words or ask for a hint; activity rises towards the deadline (exponential lead time, mean 30 hours).
Strangers cover the same items, which looks like a pool, but every student covers the same ones.
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, PRIVATE_HOURS, Rhythm, human_sessions
from stillwatch.lab.behaviour.living import conversation_rows, conversations, people_accounts
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts.grammar import Dice
from stillwatch.lab.texts.writers import Writer
from stillwatch.lab.traffic import RowList, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 20
PARAMETERS = (
    Parameter("accounts", 220, 10, 100_000, meaning="students with an account"),
    Parameter("courses", 4, 1, 200, meaning="courses"),
    Parameter("per_day", 0.5, 0.0, 50.0, meaning="mean private requests a day and student"),
)
_ASIDES = (
    "{item}",
    "{item}",
    "{item}",
    "{item}\n\nshow your work please",
    "hint only, no solution: {item}",
    "Homework, question {n}: {item}",
    "explain step by step so I understand it: {item}",
    "is this solvable? {item}",
    "Q{n}) {item}",
    "{item} I got {n} but the sheet says otherwise",
)
_FOLLOWS = (
    "why do you divide there?",
    "I don't get step {n}",
    "is {n} correct then?",
    "can you check my answer: {n}",
    "simpler please",
    "and question {n}?",
    "which formula is that",
    "show step {n} again",
)


def live(stage: Stage) -> Traffic:
    """Homework and some private use."""
    accounts = _accounts(stage)
    homework = _homework(stage)
    sessions = human_sessions(
        stage.rng,
        np.full(stage.accounts, stage.number("per_day")),
        *stage.window,
        Rhythm(PRIVATE_HOURS, 0.9, zones=np.array([1.0])),
    )
    people: dict[int, Writer] = {}
    prompts = conversations(sessions, lambda p: people.setdefault(p, stage.corpus.person(stage.dice)), stage)
    private = conversation_rows(stage, sessions.person, sessions, prompts, "plain")
    for place in range(len(private)):
        homework.account.append(int(private.account[place]))
        homework.ts.append(int(private.ts[place]))
        homework.prompt.append(prompts[place])
        homework.session.append(int(private.session[place]))
        homework.turn.append(int(private.turn[place]))
        homework.answer.append("plain")
    size = len(homework.ts)
    homework.system = [None] * size
    homework.end_user = [None] * size
    homework.n_tools = [0] * size
    favourites = stage.favourites(stage.accounts)
    homework.model = stage.models(favourites[np.array(homework.account)], np.array(homework.ts)).tolist()
    return Traffic(accounts, homework.rows())


def _homework(stage: Stage) -> RowList:
    rng, dice, rows = stage.rng, stage.dice, RowList()
    start, end = stage.window
    session = 1_000_000
    for _ in range(int(stage.number("courses"))):
        items = stage.corpus.homework(int(rng.integers(8, 22)), dice)
        weeks = int((end - start) // (7 * DAY)) + 1
        enrolled = np.flatnonzero(rng.random(stage.accounts) < 0.35)
        for week in range(weeks):
            deadline = start + week * 7 * DAY + int(rng.integers(2, 6)) * DAY + 22 * HOUR
            sheet = dice.sample(items, max(3, len(items) // weeks))
            for student in enrolled[rng.random(len(enrolled)) < 0.75].tolist():
                ts = deadline - int(rng.exponential(30) * HOUR)
                for item in dice.sample(sheet, dice.integer(1, len(sheet))):
                    session += 1
                    ts = _ask(rows, dice, (student, session, ts), item)
    keep = [i for i, t in enumerate(rows.ts) if start <= t < end]
    for name in ("account", "ts", "prompt", "session", "turn", "answer"):
        column = getattr(rows, name)
        setattr(rows, name, [column[i] for i in keep])
    return rows


def _ask(rows: RowList, dice: Dice, at: tuple[int, int, int], item: str) -> int:
    """One item and its follow-ups; returns the time after the last of them."""
    student, session, ts = at
    turns = 1 + sum(dice.uniform() < 0.45 for _ in range(3))
    for turn in range(turns):
        text = (
            dice.pick(_FOLLOWS if turn else _ASIDES)
            .replace("{item}", item)
            .replace("{n}", str(dice.integer(1, 40)))
        )
        rows.account.append(student)
        rows.ts.append(ts)
        rows.prompt.append(text)
        rows.session.append(session)
        rows.turn.append(turn)
        rows.answer.append("reasoning")
        ts += int((20 + 180 * dice.uniform() ** 2) * 1_000_000)
    return ts + int(dice.uniform() * 900 * 1_000_000)


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = people_accounts(stage, count, 0.01)
    campus = stage.around.internet.office(rng, 2)
    accounts.addresses = [
        [campus[int(rng.random() < 0.2)], own[0]] if rng.random() < 0.8 else own for own in accounts.addresses
    ]
    domain = f"stud.uni-{int(rng.integers(100, 999))}.example"
    accounts.email_domain = [domain if rng.random() < 0.85 else d for d in accounts.email_domain]
    accounts.program = ["edu" if d == domain else "none" for d in accounts.email_domain]
    term = stage.window[0] - 40 * DAY
    fresh = rng.random(count) < 0.5
    accounts.created_at[fresh] = term + (rng.exponential(6, int(fresh.sum())) * DAY).astype(np.int64)
    accounts.created_at[:] = np.minimum(accounts.created_at, stage.window[0])
    return accounts
