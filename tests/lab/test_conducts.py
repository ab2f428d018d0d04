"""Every conduct does what its settings say: campaigns planned by themselves, their texts rendered."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from tests.lab.campaigns_by_hand import DAY, HOUR, MINUTE, chinese, same, wage, wage_all, wordings

from stillwatch.exchange.errors import UsageError
from stillwatch.lab import conducts
from stillwatch.lab.behaviour.accounts import NEVER
from stillwatch.lab.conducts._queue import CAPABILITIES
from stillwatch.lab.conducts._topics import topics
from stillwatch.lab.stage import LARGE, NEWEST
from stillwatch.lab.texts.answers import KINDS
from stillwatch.lab.traffic import NONE
from stillwatch.lab.worldfile import known, make_world, read_world, shipped_worlds

KNOWN = known(conducts)


@pytest.mark.parametrize("kind", KNOWN)
def test_every_conduct_conforms(kind):
    module = KNOWN[kind]
    assert "cost" in module.__doc__.lower(), "a conduct says what it costs the attacker"
    names = [p.name for p in module.PARAMETERS]
    assert len(names) == len(set(names))
    assert {"accounts", "start_day", "days", "first"} <= set(names)
    waged, again = wage(kind, accounts=40), wage(kind, accounts=40)
    assert same(waged, again)
    assert not same(waged, wage(kind, accounts=40, seed=6))
    stage, traffic, rows = waged.stage, waged.traffic, waged.rows
    assert len(rows) > 100
    begin, end = stage.window[0] + DAY, stage.window[0] + 5 * DAY
    assert rows.ts.max() < end
    # Decoys begin before the campaign does.
    assert rows.ts.min() >= (begin if kind != "poisoning" else stage.window[0])
    cost = traffic.cost
    assert cost.money_eur > 0
    assert cost.delay_hours >= 0
    assert cost.note
    assert cost.accounts == (0 if traffic.accounts is None else len(traffic.accounts))
    assert traffic.capabilities
    assert set(traffic.capabilities) <= set(CAPABILITIES)
    accounts = traffic.accounts
    if accounts is None:
        assert rows.account.max() < waged.plan.accounts
    else:
        assert (rows.ts >= accounts.created_at[rows.account] + 2 * MINUTE).all()
        assert (rows.ts < accounts.banned_at[rows.account]).all()
        assert accounts.table().num_rows == len(accounts) == 40
    assert min(map(len, waged.texts())) > 0
    assert ((rows.answer >= 0) & (rows.answer < len(KINDS))).all()
    assert (rows.system < len(stage.book.systems)).all()


def test_every_shipped_campaign_can_be_waged_at_a_small_scale():
    for name in shipped_worlds():
        world = read_world(name)
        assert len(world.campaigns) <= 7, name
        waged = wage_all(world, 1, 0.1)
        assert len(waged) == len(world.campaigns)
        for campaign in waged:
            assert len(campaign.rows) > 5, (name, campaign.stage.name)


def test_a_campaign_that_begins_after_the_end_of_its_world_is_refused():
    with pytest.raises(
        UsageError, match=r"hydra: start_day = 10 is not allowed(.|\n)*below the world's days \(10\)"
    ):
        wage("hydra", start_day=10.0)


# --- tasks ---


@pytest.mark.parametrize("k", [1, 2, 4])
def test_each_task_is_asked_as_often_as_best_of_says(k):
    rows = wage("hydra", accounts=40, best_of=k, again=0.0).rows
    counts = Counter(rows.prompt.item.tolist())
    assert sum(n != k for n in counts.values()) <= 1  # the last one may be cut off


def test_planted_requests_repeat_a_task_of_long_ago():
    plain, planted = (wage("hydra", accounts=80, planted=share, again=0.0).rows for share in (0.0, 0.3))
    assert len(set(plain.prompt.item.tolist())) == len(plain)
    order = np.argsort(planted.ts)
    seen: dict[int, int] = {}
    distances = []
    for place, item in enumerate(planted.prompt.item[order].tolist()):
        if item in seen:
            distances.append(place - seen[item])
        seen[item] = place
    assert abs(len(distances) / len(planted) - 0.3) < 0.03
    assert np.median(distances) > 500


def test_tasks_are_dealt_without_replacement_across_accounts_and_capabilities():
    waged = wage("hydra", accounts=40, first="reasoning", second="agentic_coding", again=0.0)
    texts = waged.texts()
    assert len(set(texts)) > 0.995 * len(texts)
    kinds = Counter(KINDS[n] for n in waged.rows.answer.tolist())
    assert kinds.keys() == {"reasoning", "agentic_coding"}
    assert abs(kinds["reasoning"] / len(texts) - 0.5) < 0.05


# --- wording ---


def test_fixed_wordings_are_few_and_everybody_uses_them():
    waged = wage("hydra", accounts=30, variants=4)
    texts = wordings(waged)
    assert len(set(texts)) == 4
    own = defaultdict(set)
    for account, text in zip(waged.rows.account.tolist(), texts, strict=True):
        own[account].add(text)
    assert np.mean([len(used) for used in own.values()]) > 3.5


def test_each_account_keeps_a_wording_of_its_own():
    waged = wage("hydra", accounts=30, wording="account", variants=30)
    own = defaultdict(set)
    for account, text in zip(waged.rows.account.tolist(), wordings(waged), strict=True):
        own[account].add(text)
    assert all(len(used) == 1 for used in own.values())
    assert len(set().union(*own.values())) >= 0.9 * len(own)


def test_loyal_accounts_keep_their_wording_too():
    waged = wage("disguise", accounts=30, wording="account", variants=30, topics=8)
    own = defaultdict(set)
    for account, text in zip(waged.rows.account.tolist(), wordings(waged), strict=True):
        own[account].add(text)
    assert all(len(used) == 1 for used in own.values())


def test_each_exchange_is_worded_anew():
    waged = wage("hydra", accounts=30, wording="exchange")
    assert len(set(wordings(waged))) == 1  # one grammar: the same draw gives the same wording
    assert len(set(wordings(waged, anew=True))) > 0.7 * len(waged.rows)


def test_templates_are_translated_into_one_language_or_into_five():
    assert not any(map(chinese, wage("hydra", accounts=20).texts()))
    assert all(map(chinese, wage("hydra", accounts=20, language="zh").texts()))
    for wording in ("fixed", "exchange"):
        texts = wage("hydra", accounts=20, language="mixed", wording=wording, variants=10).texts()
        assert 0.12 < np.mean([chinese(text) for text in texts]) < 0.3
        assert np.mean(["ß" in text or "ü" in text or "ä" in text for text in texts]) > 0.12


def test_wording_and_translation_cost():
    costs = [
        wage("hydra", accounts=40, wording=w, language=la).traffic.cost.money_eur
        for w, la in (("fixed", "en"), ("exchange", "en"), ("exchange", "zh"))
    ]
    assert costs == sorted(costs)
    assert len(set(costs)) == 3


# --- time ---


@pytest.mark.parametrize("hours", [0.003, 1.0, 6.0])
def test_jitter_delays_each_request_by_no_more_than_it_says(hours):
    at_once, late = (wage("hydra", accounts=40, jitter_hours=h) for h in (0.0, hours))
    delay = (late.rows.ts - at_once.rows.ts) / HOUR
    assert (late.rows.account == at_once.rows.account).all()
    assert delay.min() >= 0
    assert delay.max() <= hours
    assert abs(delay.mean() - hours / 2) < 0.1 * hours
    assert late.traffic.cost.delay_hours == hours


def test_low_and_slow_accounts_stay_under_their_rate():
    waged = wage("hydra", accounts=60, per_day=5.0, infrastructure="clean")
    days = (waged.rows.ts - waged.stage.window[0]) // DAY
    busiest = Counter(zip(waged.rows.account.tolist(), days.tolist(), strict=True))
    assert max(busiest.values()) < 30
    assert np.mean(list(busiest.values())) < 7


def test_bans_are_answered_within_hours_by_an_account_that_says_whom_it_replaces():
    waged = wage("hydra", accounts=120, days=6.0, bans_per_day=0.25)
    accounts, replaces = waged.traffic.accounts, waged.traffic.replaces
    heirs = np.flatnonzero(replaces != NONE)
    assert len(heirs) > 25
    assert len(set(replaces[heirs].tolist())) == len(heirs)
    delay = (accounts.created_at[heirs] - accounts.banned_at[replaces[heirs]]) / HOUR
    assert delay.min() >= 0.5
    assert delay.max() <= 6
    first = np.full(accounts.created_at.shape, NEVER)
    np.minimum.at(first, waged.rows.account, waged.rows.ts)
    used = heirs[first[heirs] != NEVER]
    assert (first[used] - accounts.banned_at[replaces[used]]).max() < 24 * HOUR
    # The pool keeps its size: the share of the living that falls in a day is what was set.
    alive = [
        ((accounts.created_at <= t) & (accounts.banned_at > t)).sum()
        for t in waged.stage.window[0] + np.array([2, 3, 4]) * DAY
    ]
    banned = (
        (accounts.banned_at > waged.stage.window[0] + 2 * DAY)
        & (accounts.banned_at <= waged.stage.window[0] + 4 * DAY)
    ).sum()
    assert 0.1 < banned / 2 / np.mean(alive) < 0.4


def test_without_bans_nobody_is_replaced():
    waged = wage("hydra", accounts=40)
    assert (waged.traffic.replaces == NONE).all()
    assert (waged.traffic.accounts.banned_at == NEVER).all()


def test_the_pivot_comes_at_once_or_account_by_account():
    released = 3 * DAY
    at_once = wage("hydra", accounts=60, days=8.0, pivot=0.5, pivot_days=0.3)
    age = at_once.rows.ts - at_once.stage.window[0] - released
    moved = at_once.rows.model == NEWEST
    assert not moved[age <= 0].any()
    assert abs(moved[age > 0.3 * DAY].mean() - 0.5) < 0.04
    assert set(at_once.rows.model.tolist()) == {LARGE, NEWEST}
    slow = wage("hydra", accounts=60, days=8.0, pivot=0.9, pivot_days=4.0, pivot_by="account").rows
    moments = []
    for account in np.unique(slow.account).tolist():
        mine = np.flatnonzero(slow.account == account)
        model = slow.model[mine[np.argsort(slow.ts[mine])]] == NEWEST
        assert (np.diff(model.astype(int)) >= 0).all(), "who has moved stays"
        if model.any():
            moments.append(slow.ts[mine].min() if model.all() else np.sort(slow.ts[mine])[model.argmax()])
    assert len(moments) > 40
    assert (np.quantile(moments, 0.9) - np.quantile(moments, 0.1)) > 2 * DAY


# --- infrastructure ---


def test_clean_accounts_hide_behind_homes_proxies_and_common_programs():
    clean, proxied, dirty = (
        wage("hydra", accounts=200, days=2.0, infrastructure=kind).traffic.accounts
        for kind in ("clean", "proxied", "dirty")
    )
    assert 0.2 < (clean.rotates_every > 0).mean() < 0.5
    assert (proxied.rotates_every > 0).all()
    assert min(map(len, proxied.addresses)) >= 8
    assert (dirty.rotates_every == 0).all()
    assert len(set(clean.payment_id)) > 0.95 * 200
    assert len(set(dirty.payment_id)) < 30
    networks = [
        {a.rsplit(".", 1)[0] for own in accounts.addresses for a in own[:1]} for accounts in (clean, dirty)
    ]
    assert len(networks[0]) > 150
    assert len(networks[1]) < 20
    assert Counter(s.ja4 for s in clean.software).most_common(1)[0][1] > 0.6 * 200
    births = [np.sort(accounts.created_at) for accounts in (clean, dirty)]
    assert births[0][-1] - births[0][0] > 200 * DAY
    assert births[1][-1] - births[1][0] < 10 * DAY
    assert np.bincount(np.unique(births[0], return_inverse=True)[1]).max() < 5, "no births at one instant"


def test_clean_infrastructure_costs_more():
    costs = [
        wage("hydra", accounts=50, infrastructure=kind).traffic.cost.money_eur
        for kind in ("dirty", "clean", "proxied")
    ]
    assert costs == sorted(costs)
    assert costs[1] > 5 * costs[0]


# --- resellers ---


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2, 0.5])
def test_the_campaign_has_its_share_of_each_account(share):
    low, high = share * 0.8, share * 1.2
    waged = wage("reseller_mixture", low=low, high=high)
    host = waged.host("unofficial_reseller")
    own = np.bincount(waged.rows.account - host.first, minlength=host.count)
    shares = own / (own + host.activity)
    # A request more or less is what whole numbers do.
    slack = 1.0 / host.activity
    assert (shares >= low - slack).all()
    assert (shares <= high + slack).all()
    assert low < own.sum() / (own.sum() + host.activity.sum()) < high


def test_all_of_an_account_means_accounts_of_the_reseller_that_serve_nobody_else():
    waged = wage("reseller_mixture", low=1.0, high=1.0)
    host, accounts = waged.host("unofficial_reseller"), waged.traffic.accounts
    assert set(accounts.payment_id) <= set(host.accounts.payment_id)
    assert {s.ja4 for s in accounts.software} == {s.ja4 for s in host.accounts.software}
    assert not set(accounts.account_id) & set(host.accounts.account_id)
    assert {a for own in accounts.addresses for a in own} <= {
        a for own in host.accounts.addresses for a in own
    }
    assert len(waged.rows) == host.activity.sum()


def test_shares_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match=r"low = 0\.7 is not allowed"):
        wage("reseller_mixture", low=0.7, high=0.5)
    with pytest.raises(UsageError, match=r"high = 0\.99 is not allowed"):
        wage("reseller_mixture", low=0.7, high=0.99)


def test_one_campaign_over_two_resellers_uses_the_accounts_of_both():
    waged = wage("reseller_mixture", host="unofficial_reseller", other_host="other_reseller", accounts=12)
    for name in ("unofficial_reseller", "other_reseller"):
        host = waged.host(name)
        inside = (waged.rows.account >= host.first) & (waged.rows.account < host.first + host.count)
        assert len(set(waged.rows.account[inside].tolist())) == 12
        assert inside.mean() > 0.3


def test_two_campaigns_in_one_reseller_ask_different_things():
    data = {
        "population": [{"kind": "reseller", "name": "unofficial_reseller", "accounts": 20}],
        "campaign": [
            {"kind": "reseller_mixture", "name": name, "accounts": 20, "first": "reasoning"} for name in "ab"
        ],
    }
    one, other = wage_all(make_world(data, "w", "w.toml"), 3)
    assert set(one.rows.account.tolist()) == set(other.rows.account.tolist())
    assert not set(one.texts()) & set(other.texts())
    assert not set(wordings(one)) & set(wordings(other))


# --- personas ---


def spread(waged, kind_of="reasoning", count=8):
    """Mean number of topics among ten tasks of an account, over accounts that have as many."""
    mine = np.flatnonzero(waged.rows.answer == KINDS.index(kind_of))
    label = topics(waged.stage.book, waged.rows.prompt.take(mine), count, np.random.default_rng(0))
    own = defaultdict(list)
    for account, topic in zip(waged.rows.account[mine].tolist(), label.tolist(), strict=True):
        own[account].append(topic)
    return np.mean([len(set(found[:10])) for found in own.values() if len(found) >= 10])


def test_loyal_accounts_have_fewer_topics_than_those_of_a_dealt_pool():
    dealt, loyal, half = (
        spread(wage("disguise", accounts=40, variants=1, topics=t, own_topics=own))
        for t, own in ((0, 1), (12, 1), (12, 4))
    )
    assert loyal < 0.6 * dealt
    assert loyal < half < dealt


def test_loyalty_changes_who_asks_and_not_what_is_asked():
    free, loyal = (wage("disguise", accounts=30, topics=t).rows.prompt.item for t in (0, 10))
    assert sorted(free.tolist()) == sorted(loyal.tolist())


def test_personas_have_cover_follow_ups_hours_and_repeats():
    waged = wage(
        "disguise",
        accounts=60,
        cover="chat",
        cover_share=0.4,
        follow_ups=0.3,
        own_repeats=0.2,
        hours="office",
    )
    rows = waged.rows
    plain = rows.answer == KINDS.index("plain")
    assert 0.3 < plain.mean() < 0.65
    later = rows.turn > 0
    assert later.mean() > 0.2
    # A conversation is one account's.
    owners = defaultdict(set)
    for session, account in zip(rows.session.tolist(), rows.account.tolist(), strict=True):
        owners[session].add(account)
    assert all(len(own) == 1 for own in owners.values())
    work = rows.answer == KINDS.index("reasoning")
    own_texts: dict[int, Counter[str]] = defaultdict(Counter)
    for text, account in zip(np.array(waged.texts())[work], rows.account[work].tolist(), strict=True):
        own_texts[account][text] += 1
    repeats = sum(n - 1 for own in own_texts.values() for n in own.values()) / work.sum()
    assert 0.12 < repeats < 0.25
    by_hour = []
    for account in np.unique(rows.account).tolist():
        hours = np.bincount((rows.ts[rows.account == account] // HOUR % 24), minlength=24)
        if hours.sum() > 60:
            by_hour.append(max(hours[(np.arange(24) + s)[:12] % 24].sum() for s in range(24)) / hours.sum())
    assert np.mean(by_hour) > 0.85, "people sleep"
    assert waged.traffic.cost.delay_hours > 24


def clumping(rows):
    """chi2/df of accounts by hour: 1 where the accounts are thinnings of one stream."""
    hour = (rows.ts - rows.ts.min()) // HOUR
    table = np.zeros((rows.account.max() + 1, hour.max() + 1))
    np.add.at(table, (rows.account, hour), 1)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    seen = expected > 0
    return ((table - expected)[seen] ** 2 / expected[seen]).sum() / np.prod(np.array(table.shape) - 1)


def test_people_clump_and_a_queue_does_not():
    people, queue = (
        wage("disguise", accounts=60, hours=hours, sitting=sitting).rows
        for hours, sitting in (("office", 6.0), ("none", 1.0))
    )
    assert clumping(people) > 4
    assert 0.85 < clumping(queue) < 1.2
    talk = wage("disguise", accounts=60, hours="none", sitting=3.0, follow_ups=0.5).rows
    assert 0.2 < (talk.turn > 0).mean() < 0.45


def test_without_a_disguise_nothing_is_hidden():
    rows = wage("disguise", accounts=30).rows
    assert set(rows.answer.tolist()) == {KINDS.index("reasoning")}
    assert (rows.turn == 0).all()


# --- imitation and poisoning ---


def test_an_imitated_agent_is_there_in_every_request():
    waged = wage("imitation", accounts=40, mimicry=0.4, first="reasoning")
    victim, rows = waged.host("coding_agent_a"), waged.rows
    bare = rows.answer == KINDS.index("short")
    assert {waged.stage.book.systems[n] for n in set(rows.system[~bare].tolist())} <= set(
        victim.shared.systems
    )
    assert (rows.system[bare] == NONE).all()
    assert bare.mean() < 0.1
    assert (rows.n_tools[~bare] > 0).all()
    task = rows.answer == KINDS.index("reasoning")
    assert abs(task.mean() - 0.6) < 0.04
    programs = {s.agents for s in victim.accounts.software}
    assert {s.agents for s in waged.traffic.accounts.software} <= programs
    assert rows.turn.max() > 5


def test_an_imitated_customer_has_his_system_prompt_and_his_customers_questions():
    waged = wage("imitation", accounts=40, victim="shop", mimicry=0.5)
    shared = waged.host("shop").shared
    assert {waged.stage.book.systems[n] for n in set(waged.rows.system.tolist())} == {shared.system}
    questions = waged.rows.answer == KINDS.index("plain")
    assert abs(questions.mean() - 0.5) < 0.04
    assert (waged.rows.n_tools == 0).all()


def test_a_victim_without_anything_to_imitate_is_refused():
    with pytest.raises(UsageError, match="victim = 'unofficial_reseller' is not allowed"):
        wage("imitation", victim="unofficial_reseller")


def test_decoys_ask_a_few_tasks_of_their_own_and_none_of_the_campaign():
    waged = wage(
        "poisoning", accounts=60, start_day=4.0, days=4.0, decoys=0.5, early_days=3.0, own_tasks=4, variants=2
    )
    rows, begin = waged.rows, waged.stage.window[0] + 4 * DAY
    decoys = set(rows.account[rows.ts < begin].tolist())
    assert abs(len(decoys) - 30) <= 3
    idle = np.isin(rows.account, sorted(decoys))
    assert not set(rows.prompt.item[idle].tolist()) & set(rows.prompt.item[~idle].tolist())
    tasks = np.array(wordings_of_tasks(waged))
    assert not set(tasks[idle]) & set(tasks[~idle])
    for account in decoys:
        assert len(set(tasks[rows.account == account])) <= 4
    assert set(wordings(waged)) == set(np.array(wordings(waged))[idle]), (
        "they use the campaign's own templates"
    )


def wordings_of_tasks(waged):
    """Each request in one and the same wording: what is left is the task."""
    prompt = waged.rows.prompt
    one = prompt.take(np.zeros(len(prompt), np.int64))
    return waged.texts(type(prompt)(one.program, prompt.writer, prompt.item, one.draw))
