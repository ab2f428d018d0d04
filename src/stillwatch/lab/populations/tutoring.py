"""A tutoring platform that asks for step-by-step reasoning for each student: one template, one account a school.

Every request elicits a full chain of thought, in the platform's one template, thousands of times: what a campaign that
collects reasoning looks like. But exercises come from the platform's own book, classes do the same chapter at the same
time, and students ask back. The accounts are declared as one organisation or not. Students, chapters and follow-ups
are assumed, in the manner of homework (behaviour/lessons.py).
"""

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts, hex_names
from stillwatch.lab.behaviour.clocks import DAY, HOUR
from stillwatch.lab.behaviour.lessons import sittings
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.behaviour.offices import employ, opened_together
from stillwatch.lab.behaviour.templated import asked, system_of
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.stage import LARGE, Stage
from stillwatch.lab.traffic import Rows, Traffic

SCALES = "groups"
MIN_ACCOUNTS = 8
PARAMETERS = (
    Parameter("accounts", 60, 2, 20_000, meaning="schools, one account each"),
    Parameter("students", 4, 1, 5000, meaning="mean students of a school who use it"),
    Parameter("weekly", 1.0, 0.0, 50.0, meaning="mean sittings of a student a week"),
    Parameter("exercises", 900, 12, 1_000_000, meaning="exercises in the platform's book"),
    Parameter(
        "declared", "no", choices=("yes", "no"), meaning="whether the accounts declare their organisation"
    ),
)
_CHAPTER = 8
_BACK = 0.2


def live(stage: Stage) -> Traffic:
    """What the students ask through it."""
    rng, schools = stage.rng, stage.accounts
    template = stage.texts.bulk("tutoring", stage.dice)
    templates = [template, stage.texts.homework_follow()]
    size = np.maximum(1, rng.poisson(stage.number("students"), schools))
    school_of = np.repeat(np.arange(schools), size)
    wanted = rng.poisson(stage.number("weekly") * stage.volume * stage.days / 7, len(school_of))
    student = np.repeat(np.arange(len(school_of)), wanted)
    begin, week = _times(stage, school_of, student)
    # A class goes through the book chapter by chapter, each from where it stands.
    chapters = int(stage.number("exercises")) // _CHAPTER
    chapter = (rng.integers(0, chapters, schools)[school_of[student]] + week) % chapters
    said = sittings(rng, student, chapter[:, None] * _CHAPTER + np.arange(_CHAPTER)[None, :], begin, _BACK)
    later = said.turn > 0
    book = int(stage.seeds(1)[0] >> np.uint64(2))
    own = rng.integers(0, 2**62, len(later))
    requests = asked(
        stage, templates, later.astype(np.int64), said.item, np.where(later, own, book).astype(np.uint64)
    )
    rows = Rows.of(
        school_of[said.student],
        said.ts,
        requests.prompts,
        system=system_of(stage, template.system),
        answer="reasoning",
        model=stage.models(np.full(len(said.ts), LARGE), said.ts),
        session=said.session,
        turn=said.turn,
        end_user=said.student,
    )
    keep = np.flatnonzero((rows.ts >= stage.window[0]) & (rows.ts < stage.window[1]))
    return Traffic(_accounts(stage), rows.take(keep), shared=template)


def _times(stage: Stage, school_of: np.ndarray, student: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Begin (microseconds) and week of each sitting: afternoons, most on the day on which the class has it."""
    rng = stage.rng
    schools = stage.accounts
    zone = rng.choice(np.array([-6.0, -5.0, 0.0, 1.0, 5.5]), schools)[school_of[student]]
    usual = rng.integers(0, 5, schools)[school_of[student]]
    any_day = rng.integers(0, 7, len(student))
    weekday = np.where(rng.random(len(student)) < 0.55, usual, any_day)
    week = rng.integers(0, max(1, int(np.ceil(stage.days / 7))), len(student))
    hour = np.clip(rng.normal(17.5, 2.3, len(student)), 7, 23) - zone
    begin = stage.window[0] + (week * 7 + weekday) * DAY + (hour * HOUR).astype(np.int64)
    return begin, week


def _accounts(stage: Stage) -> Accounts:
    rng, count = stage.rng, stage.accounts
    accounts = developer_accounts(stage, count, [stage.catalogue.sdk(rng)] * count)
    servers = stage.internet.neighbours("cloud", 6, rng, 2)
    firm = np.zeros(count, np.int64)
    employ(rng, accounts, firm, declared=stage.word("declared") == "yes")
    opened_together(rng, accounts, firm, stage.window[0], 50)
    accounts.addresses = [servers] * count
    # Schools are customers by themselves: each has its own mail.
    accounts.email_domain = [f"{name}.example" for name in hex_names(rng, count, 3)]
    return accounts
