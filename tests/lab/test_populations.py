"""Every population keeps its contract, and each new stratum has the property that makes it hard to judge."""

from collections import Counter
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from stillwatch.lab import populations
from stillwatch.lab.behaviour.accounts import Accounts
from stillwatch.lab.behaviour.clocks import DAY, HOUR, SECOND
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.plan import cells
from stillwatch.lab.plan.events import possible
from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.simulate import simulation, surroundings
from stillwatch.lab.stage import LARGE, NEWEST, Stage, Surroundings
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.texts.render import render
from stillwatch.lab.traffic import NONE, Host, Rows, Traffic
from stillwatch.lab.worldfile import Actor, known, make_world, read_world, shipped_worlds

MODULES = known(populations)
NEEDS_HOST = [n for n, m in MODULES.items() if any(p.population and p.default for p in m.PARAMETERS)]
OWN = [name for name in MODULES if name not in NEEDS_HOST]
# Enough accounts for what a test measures, few enough to be quick.
SIZES = {"chat_users": 200, "coding_agent": 60, "university": 60, "tutoring": 40, "hackathon": 120}


@dataclass(frozen=True)
class Lived:
    """One cell of a population, as it was planned."""

    around: Surroundings
    stage: Stage
    traffic: Traffic

    @property
    def accounts(self) -> Accounts:
        assert self.traffic.accounts is not None
        return self.traffic.accounts

    @property
    def rows(self) -> Rows:
        """The requests that can have happened."""
        if self.traffic.accounts is None:
            return self.traffic.rows
        lives = self.accounts.created_at, self.accounts.banned_at
        return self.traffic.rows.take(possible(self.traffic.rows, lives, self.stage.window))

    def texts(self, places: np.ndarray | None = None) -> list[str]:
        prompts = self.rows.prompt if places is None else self.rows.prompt.take(places)
        texts: list[str] = render(self.around.book.frozen(), prompts).to_pylist()
        return texts


def live(kind: str, seed: int = 5, cell: int = 0, group: int = 0, **values: Any) -> Lived:
    wanted: list[dict[str, Any]] = [{"kind": kind, "accounts": SIZES.get(kind, 24), **values}]
    if kind in NEEDS_HOST:
        wanted.insert(0, {"kind": "chat_users", "accounts": 300})
    world = make_world({"population": wanted}, "test", "test.toml")
    around = surroundings(simulation(world, seed, "small"))
    hosts: dict[str, Host] = {}
    for actor in world.populations:
        stage = _stage(around, actor, hosts, group, cell)
        traffic = actor.module.live(stage)
        if traffic.accounts is not None:
            activity = np.bincount(traffic.rows.account, minlength=len(traffic.accounts))
            hosts[actor.name] = Host(0, activity, traffic.accounts.created_at, traffic.shared)
    return Lived(around, stage, traffic)


def _stage(around: Surroundings, actor: Actor, hosts: dict[str, Host], group: int, cell: int) -> Stage:
    return Stage(around, actor.name, actor.values, int(actor.values["accounts"]), 1.0, group, cell, hosts)


@pytest.fixture(scope="module")
def lived() -> dict[str, Lived]:
    return {kind: live(kind) for kind in MODULES}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
def test_a_population_says_whom_it_models_and_what_can_be_set(module: ModuleType):
    assert module.__doc__
    assert len(module.__doc__) > 200
    assert module.SCALES in ("accounts", "groups")
    assert module.MIN_ACCOUNTS >= 1
    assert all(isinstance(p, Parameter) and p.meaning for p in module.PARAMETERS)
    names = [p.name for p in module.PARAMETERS]
    assert len(set(names)) == len(names)
    assert "accounts" in names
    for parameter in module.PARAMETERS:
        assert parameter.check(parameter.default, "here", "file") == parameter.default
    assert len(module.live.__doc__) > 5


@pytest.mark.parametrize("kind", MODULES)
def test_requests_fit_their_columns_and_stay_inside_the_window(kind: str, lived: dict[str, Lived]):
    made = lived[kind]
    rows = made.traffic.rows
    start, end = made.stage.window
    assert len(rows) > 20
    assert rows.ts.min() >= start
    assert rows.ts.max() < end
    count = 300 if kind in NEEDS_HOST else len(made.accounts)
    assert 0 <= rows.account.min() <= rows.account.max() < count
    assert (rows.turn >= 0).all()
    assert (rows.n_tools >= 0).all()
    assert set(np.unique(rows.model)) <= set(range(5))
    assert not np.any((rows.model == NEWEST) & (rows.ts < made.around.released_at))
    assert set(np.unique(rows.answer)) <= set(range(len(KINDS)))
    assert set(np.unique(rows.system)) <= set(range(NONE, len(made.around.book.systems)))
    # Conversations and end users are named by running numbers, which random names replace later.
    for numbers in (rows.session, rows.end_user):
        assert numbers.min() >= NONE
        assert numbers.max() < 4 * len(rows) + 1000


@pytest.mark.parametrize("kind", OWN)
def test_accounts_live_when_they_are_used_and_hardly_a_request_is_lost(kind: str, lived: dict[str, Lived]):
    made = lived[kind]
    assert len(made.accounts) == made.stage.accounts
    assert len(made.rows) > 0.7 * len(made.traffic.rows)
    assert len(set(made.accounts.account_id)) == len(made.accounts)
    # An instant at which many accounts were opened would give a population away.
    assert max(Counter(made.accounts.created_at.tolist()).values()) == 1


@pytest.mark.parametrize("kind", OWN)
def test_a_conversation_belongs_to_one_account_and_its_turns_are_in_order(kind: str, lived: dict[str, Lived]):
    rows = lived[kind].traffic.rows
    named = np.flatnonzero(rows.session != NONE)
    rows = rows.take(named[np.lexsort((rows.ts[named], rows.session[named]))])
    same = rows.session[1:] == rows.session[:-1]
    if kind != "enterprise":  # its balancer picks a key for each request
        assert (rows.account[1:] == rows.account[:-1])[same].all()
    assert (rows.turn[1:] >= rows.turn[:-1])[same].all()


@pytest.mark.parametrize("kind", MODULES)
def test_all_texts_are_written_and_no_slot_is_left_open(kind: str, lived: dict[str, Lived]):
    texts = lived[kind].texts()
    assert all(text.strip() for text in texts)
    assert not [text for text in texts if "{own}" in text or "{item}" in text or "{text}" in text]
    assert len(set(texts)) > 5


@pytest.mark.parametrize("kind", MODULES)
def test_the_same_seed_gives_the_same_plan_and_another_one_does_not(kind: str, lived: dict[str, Lived]):
    again, other = live(kind), live(kind, seed=6)
    first = lived[kind]
    for name in ("account", "ts", "session", "turn", "model", "system", "end_user"):
        assert np.array_equal(getattr(first.traffic.rows, name), getattr(again.traffic.rows, name)), name
    assert first.texts() == again.texts()
    if kind not in NEEDS_HOST:
        assert first.accounts.table().equals(again.accounts.table())
    assert not np.array_equal(first.traffic.rows.ts, other.traffic.rows.ts)


@pytest.mark.parametrize("kind", [name for name in OWN if getattr(MODULES[name], "CELLS", False)])
def test_cells_share_what_the_population_shares_and_nothing_else(kind: str, lived: dict[str, Lived]):
    first, second = lived[kind], live(kind, cell=1)
    assert not set(first.accounts.account_id) & set(second.accounts.account_id)
    assert not np.array_equal(first.traffic.rows.ts, second.traffic.rows.ts)
    shared = (first.traffic.shared, second.traffic.shared)
    if kind in ("coding_agent", "saas_tenants", "cron_fleet"):
        assert repr(shared[0]) == repr(shared[1])
    if kind == "saas_tenants":
        assert first.accounts.addresses[0] == second.accounts.addresses[0]
        assert first.accounts.software[0] == second.accounts.software[0]


@pytest.mark.parametrize("world", shipped_worlds())
def test_a_shipped_world_can_be_read_and_its_strata_bound_their_error(world: str):
    settings = read_world(world)
    if world != "everyday":
        return
    assert not settings.campaigns
    assert {actor.module for actor in settings.populations} == set(MODULES.values())
    for actor in settings.populations:
        # 72 accounts without an error: the exact interval ends below 5 %.
        assert int(actor.values["accounts"]) * int(actor.values["groups"]) >= 72, actor.name


def test_a_population_that_grows_is_planned_in_cells_of_its_size():
    world = make_world({"population": [{"kind": "chat_users", "accounts": 30}]}, "test", "test.toml")
    around = surroundings(simulation(world, 1, "small"))
    made = list(cells.stages(world.populations[0], around, Scale("big", 2000.0), {}))
    assert [stage.accounts for stage in made] == [20_000] * 3


def shares(values: Any) -> list[float]:
    """Shares of the values, the most frequent first."""
    counts = np.array(sorted(Counter(values).values(), reverse=True))
    return [float(share) for share in counts / counts.sum()]


def test_hackathon_accounts_are_born_within_a_weekend_behind_one_venue(lived: dict[str, Lived]):
    made = lived["hackathon"]
    born = np.sort(made.accounts.created_at)
    opening = made.stage.window[0] + int(4.7 * DAY)
    new = born[(born > opening - DAY) & (born < opening + 3 * DAY)]
    assert len(new) > 0.8 * len(born)
    assert new[-1] - new[0] < 3 * DAY
    assert sum(shares([own[0] for own in made.accounts.addresses])[:2]) > 0.7
    assert shares([s.agents[0] for s in made.accounts.software])[0] > 0.7
    texts = made.texts()
    kit = [text for text in texts if text[:12] == Counter(t[:12] for t in texts).most_common(1)[0][0]]
    assert 0.4 * len(texts) < len(kit) < 0.9 * len(texts)
    # One template, own projects: strangers hardly ever ask the same.
    assert len(set(kit)) > 0.98 * len(kit)


def test_an_outsourcing_team_shares_office_bill_and_hours_and_never_a_ticket():
    made = live("outsourcing", accounts=12, clients=4)
    rows = made.rows
    assert len(set(made.accounts.payment_id)) == 1
    assert len({tuple(own) for own in made.accounts.addresses}) == 1
    assert set(made.accounts.org_id) == {None}
    assert set(made.accounts.program) == {"none"}
    weekday = (rows.ts // DAY + 3) % 7
    assert np.mean(weekday >= 5) < 0.05
    by_ticket: dict[int, int] = {}
    for ticket, account in zip(rows.session.tolist(), rows.account.tolist(), strict=True):
        assert by_ticket.setdefault(ticket, account) == account
    texts = made.texts()
    assert len(set(texts)) > 0.97 * len(texts)
    assert len({int(s) for s in rows.system}) > 2
    # Members know one or two clients, not all: a client's templates come from few of the twelve.
    of_program: dict[int, set[int]] = {}
    for program, account in zip(rows.prompt.program.tolist(), rows.account.tolist(), strict=True):
        of_program.setdefault(program, set()).add(account)
    assert np.median([len(who) for who in of_program.values()]) <= 8


def test_ci_jobs_come_in_bursts_over_the_keys_of_one_company(lived: dict[str, Lived]):
    made = lived["ci_pipelines"]
    order = np.argsort(made.rows.ts, kind="stable")
    rows = made.rows.take(order)
    firm = np.array([hash(d) for d in made.accounts.email_domain])[rows.account]
    burst = 0
    for company in np.unique(firm).tolist():
        mine = rows.take(np.flatnonzero(firm == company))
        close = np.diff(mine.ts) < 20 * SECOND
        burst += int(np.sum(close & (np.diff(mine.account) != 0)))
    assert burst > 0.15 * len(rows)
    hours = (rows.ts // HOUR) % 24
    assert np.mean((hours >= 7) & (hours < 19)) > 0.5
    weekday = (rows.ts // DAY + 3) % 7
    assert np.mean(weekday >= 5) < 0.15


def test_red_teams_are_declared_researchers_who_ask_one_public_set():
    one, two = live("red_team", accounts=6), live("red_team", accounts=6, group=1)
    assert set(one.accounts.program) == {"security_research"}
    assert all(one.accounts.verified)
    assert not set(one.accounts.email_domain) & set(two.accounts.email_domain)
    asked = [set(m.rows.prompt.item[m.rows.prompt.item < 1000].tolist()) for m in (one, two)]
    assert len(asked[0] & asked[1]) > 100
    assert set(one.texts()) & set(two.texts())
    programs = [set(m.rows.prompt.program.tolist()) for m in (one, two)]
    assert len(programs[0]) <= 4


def test_licensed_distillation_deals_one_pool_and_says_so():
    made = live("licensed_distillation", accounts=10, per_day=20.0)
    assert len(set(made.accounts.org_id)) == 1
    assert None not in made.accounts.org_id
    assert set(made.accounts.program) == {"startup"}
    assert all(made.accounts.verified)
    texts = made.texts()
    assert len(set(texts)) > 0.97 * len(texts)
    counts = np.bincount(made.rows.account)
    assert counts.min() > 0.9 * counts.max()


def test_vpn_users_share_exits_and_no_card(lived: dict[str, Lived]):
    made = live("vpn_users", accounts=200)
    assert len(set(made.accounts.payment_id)) == 200
    at = Counter(address for own in made.accounts.addresses for address in set(own))
    people = Counter(address for own in lived["chat_users"].accounts.addresses for address in set(own))
    assert sum(n > 1 for n in at.values()) > 3 * sum(n > 1 for n in people.values())


def test_release_enthusiasts_jump_within_a_day_with_one_prompt():
    made = live("release_enthusiasts", accounts=200)
    rows = made.rows
    released = made.around.released_at
    meme = np.flatnonzero(rows.session == NONE)
    tried = np.unique(rows.account[meme])
    first = np.array([rows.ts[meme][rows.account[meme] == a].min() for a in tried])
    assert np.mean(first < released + DAY) > 0.9
    assert np.mean(rows.model[meme] == NEWEST) > 0.7
    assert set(np.unique(rows.model[meme])) == {LARGE, NEWEST}
    assert shares(made.texts(meme))[0] > 0.4
    born = made.accounts.created_at
    assert 0.1 < np.mean(born > released - DAY) < 0.4


def test_a_merged_account_stops_before_its_successor_goes_on_with_the_same_work():
    made = live("account_mergers", accounts=120, per_day=6.0)
    rows, accounts = made.rows, made.accounts
    pairs = 0
    for old in range(0, 120, 2):
        before, after = rows.ts[rows.account == old], rows.ts[rows.account == old + 1]
        assert accounts.payment_id[old] == accounts.payment_id[old + 1]
        assert accounts.addresses[old] == accounts.addresses[old + 1]
        if len(before) and len(after):
            pairs += 1
            assert before.max() < after.min()
            assert accounts.created_at[old + 1] < after.min()
            assert accounts.created_at[old + 1] > before.max() - 6 * DAY or len(before) < 20
            writers = [set(rows.prompt.program[rows.account == a].tolist()) for a in (old, old + 1)]
            if min(len(before), len(after)) > 20:
                assert writers[0] & writers[1]
    assert pairs > 30


@pytest.mark.parametrize("declared", ["yes", "no"])
def test_tutoring_asks_for_steps_in_one_template_from_one_book(declared: str):
    made = live("tutoring", accounts=40, declared=declared, students=6)
    opening = np.flatnonzero(made.rows.turn == 0)
    assert len(np.unique(made.rows.prompt.program[opening])) == 1
    texts = Counter(made.texts(opening))
    assert max(texts.values()) > 1
    assert len(texts) < 0.9 * len(opening)
    assert (made.rows.end_user != NONE).all()
    assert (None in made.accounts.org_id) == (declared == "no")
    assert any("step" in text.lower() for text in texts)


def test_a_whole_benchmark_is_one_account_and_a_sharded_one_is_dealt():
    whole, dealt = live("benchmark", sharded="no", accounts=12), live("benchmark", accounts=12)
    for made, most in ((whole, 1.0), (dealt, 0.95)):
        items = [set(made.rows.prompt.item[made.rows.account == a].tolist()) for a in range(12)]
        assert all(len(own) <= 420 for own in items)
        assert (len(items[0]) == 420) == (most == 1.0)
    # Sets are public: groups that have nothing in common ask the same.
    assert set(whole.texts()) & set(live("benchmark", sharded="no", accounts=12, group=1).texts())


def test_an_aggregator_names_its_end_users_and_an_unofficial_reseller_only_some():
    aggregator = live("reseller", accounts=30, declared="yes", named_customers=1.0)
    unofficial = live("reseller", accounts=30)
    assert (aggregator.rows.end_user != NONE).all()
    assert len(set(aggregator.accounts.org_id)) == 1
    assert 0.2 < np.mean(unofficial.rows.end_user != NONE) < 0.6
    assert set(unofficial.accounts.org_id) == {None}
    assert len(set(unofficial.accounts.payment_id)) > 1
    assert len(np.unique(aggregator.rows.end_user)) > 5 * 30 / 2


@pytest.mark.parametrize("use", ["translation", "moderation"])
def test_a_pipeline_has_one_template_and_is_rough(use: str):
    made = live("pipeline", accounts=12, use=use, per_account=300.0)
    for account in range(12):
        mine = np.flatnonzero(made.rows.account == account)
        assert len(np.unique(made.rows.prompt.program[mine])) == 1
    hours = np.bincount((made.rows.ts // HOUR - made.rows.ts.min() // HOUR).astype(int))
    # Independent clients that came evenly would have a variance of about the mean.
    assert hours.var() > 5 * hours.mean()
    texts = made.texts()
    assert 0.9 < len(set(texts)) / len(texts) < 1.0


def test_cron_fleets_fire_on_the_minute_and_never_change_their_purpose():
    made = live("cron_fleet", accounts=60, period_minutes=60)
    late = made.rows.ts % HOUR
    assert np.mean(late < 60 * SECOND) > 0.8
    texts = made.texts()
    for account in range(60):
        mine = [t for t, a in zip(texts, made.rows.account.tolist(), strict=True) if a == account]
        bare = {"".join(c for c in text if not c.isdigit()) for text in mine}
        assert len(bare) <= 1
