"""From settings to planned requests on disk: sizes, cells, second attempts, and slices that lose nothing."""

import itertools
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.exchange.errors import UsageError
from stillwatch.lab.behaviour.clocks import DAY, MINUTE
from stillwatch.lab.plan import cells, events
from stillwatch.lab.plan.cells import stages
from stillwatch.lab.plan.events import EVENT, as_events, possible, with_retries
from stillwatch.lab.plan.planner import plan
from stillwatch.lab.plan.scales import FULL, SCALES, scale_named
from stillwatch.lab.plan.spill import BIN, Slice, Spill
from stillwatch.lab.simulate import simulate, simulation, surroundings
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.traffic import NONE, Host, Rows
from stillwatch.lab.worldfile import Actor, make_world

START = 1_772_409_600_000_000
ANYWHERE: Any = None  # surroundings, where only sizes matter


def actor(accounts, groups=1, scales="accounts", least=1, in_cells=False):
    module = ModuleType("crowd")
    vars(module).update(SCALES=scales, MIN_ACCOUNTS=least, CELLS=in_cells)
    return Actor("crowd", module, {"accounts": accounts, "groups": groups}, False)


def some_rows(rng, size, accounts=5, span=DAY):
    numbers = np.arange(size, dtype=np.uint64)
    prompt = Recipes.of(rng.integers(0, 9, size), numbers, numbers + 1000, numbers + 2000)
    session = rng.integers(-1, max(1, size // 3), size)
    return Rows.of(
        rng.integers(0, accounts, size),
        START + rng.integers(0, span, size),
        prompt,
        answer=rng.integers(0, 5, size),
        session=session,
        turn=rng.integers(0, 4, size),
        system=rng.integers(-1, 3, size),
        end_user=np.where(rng.random(size) < 0.5, NONE, session),
        n_tools=rng.integers(0, 4, size),
        model=rng.integers(0, 5, size),
    )


def test_a_scale_multiplies_and_the_largest_is_the_worlds_own():
    factors = [scale_named(name, 320.0).factor for name in SCALES]
    assert factors == sorted(factors)
    assert scale_named("small", 320.0).factor == 1
    assert scale_named(FULL, 320.0).factor == 320
    with pytest.raises(UsageError, match=r"scale = 'huge' is not allowed(.|\n)*tiny, small, medium, large"):
        scale_named("huge", 1.0)


@given(
    accounts=st.integers(1, 90_000),
    groups=st.integers(1, 7),
    least=st.integers(1, 40),
    scale=st.sampled_from(SCALES),
    in_cells=st.booleans(),
)
def test_cells_hold_every_account_and_none_is_too_large(accounts, groups, least, scale, in_cells):
    size = scale_named(scale, 40.0)
    made = list(stages(actor(accounts, groups, "accounts", least, in_cells), ANYWHERE, size, {}))
    wanted = accounts * size.factor
    for group in range(groups):
        mine = [stage for stage in made if stage.group == group]
        assert [stage.cell for stage in mine] == list(range(len(mine)))
        sizes = [stage.accounts for stage in mine]
        assert sum(sizes) == max(round(wanted), min(accounts, least))
        assert max(sizes) <= cells.CELL or (not in_cells and len(sizes) == 1)
        assert max(sizes) - min(sizes) <= 1
        for stage in mine:  # what an account cannot shrink, its requests do
            assert stage.volume == pytest.approx(min(1.0, wanted / sum(sizes)))
    assert {stage.group for stage in made} == set(range(groups))


def test_populations_of_a_fixed_size_multiply_and_shrink_only_below_small():
    def sizes(scale):
        return [stage.accounts for stage in stages(actor(40, 2, "groups", 6), ANYWHERE, scale, {})]

    assert sizes(scale_named("medium", 1.0)) == [40] * 10
    assert sizes(scale_named("small", 1.0)) == [40] * 2
    assert sizes(scale_named("tiny", 1.0)) == [6] * 2


def test_each_cell_has_chance_of_its_own_and_common_chance_is_the_same():
    world = simulation(make_world({"population": [{"kind": "chat_users"}]}, "w", "w.toml"), 5, "small")
    made = list(stages(actor(50_000, 2, in_cells=True), surroundings(world), world.scale, {}))
    assert len(made) == 6
    assert len({stage.rng.random() for stage in made}) == 6
    assert len({stage.dice.uniform() for stage in made}) == 6
    common = [(stage.group, stage.common.uniform()) for stage in made]
    assert len(set(common)) == 2


@st.composite
def spills(draw):
    """Cells of events in the order of time, some empty, many events in the same microsecond or on an edge."""
    bins = draw(st.integers(1, 12))
    moment = st.one_of(
        st.integers(0, bins * BIN - 1),
        st.integers(0, bins - 1).map(lambda b: b * BIN),
        st.just(bins * BIN - 1),
    )
    sizes = draw(st.lists(st.integers(0, 40), max_size=5))
    made, number = [], 0
    for size in sizes:
        cell = np.zeros(size, EVENT)
        cell["ts"] = START + np.array(draw(st.lists(moment, min_size=size, max_size=size)), np.int64)
        cell["id"] = draw(st.lists(st.integers(1, 3), min_size=size, max_size=size))
        cell["item"] = np.arange(number, number + size)
        number += size
        made.append(cell[np.argsort(cell, order=("ts", "id"))])
    return made, START + bins * BIN


@settings(max_examples=60)
@given(spilled=spills(), rows=st.integers(1, 60))
def test_slices_hold_every_event_exactly_once_in_the_order_of_time(spilled, rows, tmp_path_factory):
    made, end = spilled
    folder = tmp_path_factory.mktemp("spill")
    spill = Spill(folder, START, end)
    for cell in made:
        spill.add(cell)
    spill.save()
    again = Spill.load(folder)
    slices = spill.slices(rows)
    assert slices == again.slices(rows)
    assert [part.number for part in slices] == list(range(len(slices)))
    assert all(one.last <= two.first for one, two in itertools.pairwise(slices))
    # A slice is larger than was asked for only where ten minutes hold more.
    assert all(0 < part.rows <= rows or part.last == part.first + 1 for part in slices)
    read = [again.read(part) for part in slices]
    assert [len(part) for part in read] == [part.rows for part in slices]
    total = np.concatenate([*made, np.zeros(0, EVENT)])
    assert spill.rows == len(total) == sum(map(len, read))
    if len(total):
        joined = np.concatenate(read)
        assert np.array_equal(np.sort(joined["item"]), np.arange(len(total)))
        order = list(zip(joined["ts"].tolist(), joined["id"].tolist(), strict=True))
        assert order == sorted(order)
        by_item = total[np.argsort(total["item"])]
        assert np.array_equal(joined, by_item[joined["item"].astype(np.int64)])


def test_a_world_that_is_no_multiple_of_ten_minutes_keeps_its_last_events(tmp_path):
    spill = Spill(tmp_path, START, START + BIN + 7)
    late = np.zeros(2, EVENT)
    late["ts"] = START + BIN - 1, START + BIN + 6
    spill.add(late)
    spill.save()
    assert Spill.load(tmp_path).slices(10) == [Slice(0, 0, 2, 2)]
    assert Spill.load(tmp_path).read(Slice(0, 0, 2, 2))["ts"].tolist() == late["ts"].tolist()


@pytest.mark.parametrize("anywhere", [False, True])
def test_most_failed_requests_are_sent_again_with_the_same_text_soon_after(anywhere):
    rng = np.random.default_rng(1)
    rows = some_rows(rng, 60_000, accounts=300)
    tried, failed = with_retries(np.random.default_rng(2), rows, anywhere=anywhere)
    assert len(failed) == len(tried)
    size = len(rows)
    for name in ("account", "ts", "turn"):
        assert np.array_equal(getattr(tried, name)[:size], getattr(rows, name))
    again = len(tried) - size
    expected = events._FAILING * size
    assert abs(failed.sum() - expected) < 5 * np.sqrt(expected)
    assert abs(again - 0.8 * failed.sum()) < 5 * np.sqrt(0.16 * failed.sum())
    assert not failed[size:].any()
    first = tried.prompt.draw[size:].astype(np.int64) - 2000  # its running number
    assert failed[first].all()
    assert len(set(first.tolist())) == again
    for name in ("session", "turn", "system", "end_user", "n_tools", "model", "answer"):
        assert np.array_equal(getattr(tried, name)[size:], getattr(rows, name)[first])
    delay = (tried.ts[size:] - rows.ts[first]) / 1e6
    assert delay.min() > 0
    assert 6 < np.median(delay) < 10.7  # log-normal around 8 s
    if not anywhere:
        assert np.array_equal(tried.account[size:], rows.account[first])
        return
    order = np.argsort(rows.ts, kind="stable")
    for ts, account in zip(tried.ts[size:].tolist(), tried.account[size:].tolist(), strict=True):
        later = order[rows.ts[order] >= ts]
        assert account == rows.account[later[0] if len(later) else order[-1]]


def test_no_requests_have_no_second_attempts():
    tried, failed = with_retries(
        np.random.default_rng(0), some_rows(np.random.default_rng(0), 0), anywhere=True
    )
    assert len(tried) == len(failed) == 0


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-5, 30)), max_size=40),
    st.lists(st.tuples(st.integers(-9, 25), st.integers(-5, 40)), min_size=3, max_size=3),
)
def test_possible_is_between_birth_and_ban_inside_the_world(requests, lives):
    account = np.array([a for a, _ in requests], np.int64)
    ts = np.array([m for _, m in requests], np.int64) * MINUTE
    rows = Rows.of(
        account, ts, Recipes.of(0, np.zeros(max(1, len(ts)), np.uint64), 0, 0).take(np.arange(len(ts)))
    )
    born, banned = (np.array([life[side] for life in lives], np.int64) * MINUTE for side in (0, 1))
    kept = possible(rows, (born, banned), (0, 20 * MINUTE))
    slow = [
        place
        for place, (a, minute) in enumerate(requests)
        if 0 <= minute < 20 and lives[a][0] + 2 <= minute < lives[a][1]
    ]
    assert kept.tolist() == slow


def test_events_are_the_rows_in_the_order_of_time_with_random_names():
    rng = np.random.default_rng(4)
    rows = some_rows(rng, 5_000)
    failed = rng.random(5_000) < 0.1
    made = as_events(np.random.default_rng(5), rows, failed, first_account=70, actor=3)
    assert (np.diff(made["ts"]) >= 0).all()
    assert len(set(made["id"].tolist())) == 5_000
    place = made["draw"].astype(np.int64) - 2000  # the running number of each row
    assert sorted(place.tolist()) == list(range(5_000))
    for name in ("ts", "system", "turn", "model", "answer", "n_tools"):
        assert np.array_equal(made[name], getattr(rows, name)[place]), name
    for name in ("program", "writer", "item", "draw"):
        assert np.array_equal(made[name], getattr(rows.prompt, name)[place]), name
    assert np.array_equal(made["account"], rows.account[place] + 70)
    assert np.array_equal(made["failed"], failed[place])
    assert set(made["actor"].tolist()) == {3}
    for name in ("session", "end_user"):
        numbers = getattr(rows, name)[place]
        assert np.array_equal(made[name] == 0, numbers == NONE), name
        pairs = set(zip(numbers.tolist(), made[name].tolist(), strict=True))
        assert len(pairs) == len({n for n, _ in pairs}) == len({m for _, m in pairs}), name


def planned(settings, tmp_path, seed=3):
    wanted = simulation(make_world(settings, "w", "w.toml"), seed, "small")
    around = surroundings(wanted)
    spill = Spill(tmp_path, around.start, around.end)
    made = plan(around, wanted.scale, spill, null=False, progress=lambda *_: None)
    read = [spill.read(part) for part in spill.slices(10_000)]
    return made, np.concatenate(read), around


def test_second_attempts_respect_births_bans_and_the_end(tmp_path, monkeypatch):
    """With nearly every request tried twice and many bans, attempts after a ban would be dozens."""
    monkeypatch.setattr(events, "_FAILING", 0.9)
    settings = {
        "world": {"days": 4, "release_day": 3.0},
        "population": [{"kind": "chat_users", "accounts": 40}],
        "campaign": [
            {
                "kind": "hydra",
                "accounts": 120,
                "start_day": 0.5,
                "days": 3,
                "per_day": 200,
                "bans_per_day": 0.8,
            }
        ],
    }
    made, found, around = planned(settings, tmp_path)
    born, banned = np.concatenate(made.created_at), np.concatenate(made.banned_at)
    assert (banned < around.end).sum() > 50
    assert len(found) > 10_000
    assert (found["ts"] >= born[found["account"]]).all()
    assert (found["ts"] < banned[found["account"]]).all()
    assert found["ts"].max() < around.end


def test_cells_become_one_population(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "CELL", 50)
    settings = {
        "world": {"days": 4, "release_day": 3.0},
        "population": [
            {"kind": "coding_agent", "accounts": 30},
            {"kind": "chat_users", "accounts": 220},
            {"kind": "viral", "accounts": 60},
        ],
    }
    made, found, _ = planned(settings, tmp_path)
    assert [table.num_rows for table in made.public] == [30, 44, 44, 44, 44, 44]
    assert made.accounts == 250
    names = [name for table in made.public for name in table["account_id"].to_pylist()]
    assert len(set(names)) == 250
    host = made.hosts["chat_users"]
    assert (host.first, host.count) == (30, 220)
    assert np.array_equal(host.created_at, np.concatenate(made.created_at)[30:])
    mine = found[found["actor"] == 1]
    assert np.bincount(mine["account"], minlength=250)[:30].sum() == 0
    requests = np.bincount(mine["account"] - 30, minlength=220)
    assert (requests >= host.activity).all()  # second attempts come on top
    assert host.activity.sum() < requests.sum() < 1.05 * host.activity.sum()
    guests = found[found["actor"] == 2]["account"]  # the viral prompt travels among all cells' people
    assert guests.min() >= 30
    assert len(set(((guests - 30) // 44).tolist())) > 1


def test_hosts_are_joined_in_their_order():
    first = Host(7, np.array([1, 2]), np.array([10, 20]), "shared")
    both = first.joined(Host(9, np.array([3]), np.array([30]), "other"))
    assert (both.first, both.count, both.shared) == (7, 3, "shared")
    assert both.activity.tolist() == [1, 2, 3]
    assert both.created_at.tolist() == [10, 20, 30]


def test_a_host_without_accounts_of_its_own_is_refused_by_name(tmp_path):
    settings = {
        "population": [{"kind": "chat_users", "accounts": 40}, {"kind": "viral", "accounts": 10}],
        "campaign": [{"kind": "reseller_mixture", "host": "viral"}],
    }
    world = make_world(settings, "w", "w.toml")
    with pytest.raises(UsageError, match=r"reseller_mixture: host = 'viral'(.|\n)*one of: chat_users"):
        simulate(world, 1, tmp_path, "small")


def test_a_world_with_nobody_in_it_is_refused(tmp_path):
    only_bad = make_world({"campaign": [{"kind": "hydra"}]}, "w", "w.toml")
    with pytest.raises(UsageError, match="nobody in it"):
        simulate(only_bad, 1, tmp_path / "a", "tiny", null=True)
    with pytest.raises(UsageError, match="nobody in it"):
        simulate(make_world({}, "w", "w.toml"), 1, tmp_path / "b", "tiny")
    assert not list(tmp_path.iterdir())
