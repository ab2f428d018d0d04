"""Ties by infrastructure, by hand and against networkx."""

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from stillwatch.lab.baselines._components import components, members_of
from stillwatch.lab.baselines.registry import named, read_settings
from stillwatch.lab.baselines.shared_infrastructure import run


def settings(**given):
    return read_settings(named("shared_infrastructure"), given)


def by_hand(make_dataset):
    """Seven accounts: a-b by card, b-c by /24, d-e-f by client, g by an empty card and another /24 alone."""
    exchanges = [
        {"account_id": "a", "client_ip": "10.0.1.7", "ja4": "t1"},
        {"account_id": "b", "client_ip": "10.0.2.7", "ja4": "t2"},
        {"account_id": "b", "client_ip": "10.0.3.1", "ja4": "t2"},
        {"account_id": "c", "client_ip": "10.0.3.200", "ja4": "t3"},
        {"account_id": "d", "client_ip": "10.0.4.1", "ja4": "common"},
        {"account_id": "e", "client_ip": "2001:db8::1", "ja4": "common"},
        {"account_id": "f", "client_ip": "2001:db8::1", "ja4": "common"},
        {"account_id": "g", "client_ip": "10.0.30.1", "ja4": ""},
    ]
    cards = {"a": "p1", "b": "p1", "c": "p2", "g": "", "never called": "p2"}
    return make_dataset(exchanges, [{"account_id": a, "payment_id": p} for a, p in cards.items()])


def test_components_of_three_and_more(make_dataset, groups):
    found = run(by_hand(make_dataset), settings())
    # a-b share p1, b-c share 10.0.3: one chain of three. d-e-f share the client. g shares nothing: 10.0.30 is
    # not 10.0.3. The account that never called is nobody's member, though it has c's card.
    assert groups(found.members) == {frozenset("abc"), frozenset("def")}
    assert found.notes["tying_values"] == {"payment": 1, "prefix": 1, "tls": 1}
    assert found.notes["accounts_of_the_commonest"] == {"payment": 2, "prefix": 2, "tls": 3}


def test_ties_can_be_chosen_and_the_least_size_moved(make_dataset, groups):
    dataset = by_hand(make_dataset)
    # Without the client d, e and f have nothing: addresses of version 6 have no /24, even if equal.
    assert groups(run(dataset, settings(ties="payment, prefix")).members) == {frozenset("abc")}
    assert groups(run(dataset, settings(ties="payment", min_accounts=2)).members) == {frozenset("ab")}
    assert groups(run(dataset, settings(ties="payment")).members) == set()


def test_organisations_tie_only_on_demand(make_dataset, groups):
    dataset = make_dataset([{"account_id": a, "org_id": "company"} for a in "abc"])
    assert groups(run(dataset, settings()).members) == set()
    assert groups(run(dataset, settings(ties="organisation")).members) == {frozenset("abc")}


@pytest.mark.parametrize(("accounts", "tied"), [(9, False), (10, True)])
def test_a_system_prompt_ties_from_ten_accounts_on(accounts, tied, make_dataset, groups):
    # The same words in other dress, and different ends after 512 characters, count as one prompt.
    head = "You are an expert. " * 30
    rows = [
        {"account_id": f"a{n}", "system_prompt": (head.upper() if n % 2 else head) + f"tail {n}"}
        for n in range(accounts)
    ]
    rows += [{"account_id": f"b{n}", "system_prompt": "…!?"} for n in range(12)]  # no words: no prompt
    found = run(make_dataset(rows), settings())
    assert groups(found.members) == ({frozenset(f"a{n}" for n in range(10))} if tied else set())


@given(
    edges=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40),
    least=st.integers(2, 5),
)
def test_components_and_names_agree_with_networkx(edges, least):
    left, right = (np.array([e[side] for e in edges], np.int64) for side in (0, 1))
    graph = nx.Graph(edges)
    graph.add_nodes_from(range(31))
    names = [f"account {n:02}" for n in range(31)]
    expected = sorted(
        (sorted(names[n] for n in nodes) for nodes in nx.connected_components(graph) if len(nodes) >= least),
        key=lambda group: (-len(group), group[0]),
    )
    shuffled = np.random.default_rng(len(edges)).permutation(31)
    labels = components(31, left, right)[shuffled]
    members = members_of("x", pa.array([names[n] for n in shuffled]), labels, least).to_pylist()
    found: dict[str, list[str]] = {}
    for row in members:
        found.setdefault(row["campaign_id"], []).append(row["account_id"])
    # Numbered from the largest on, then by the first account.
    assert [sorted(found[name]) for name in sorted(found)] == expected
    assert sorted(found) == [f"x-{n:05d}" for n in range(1, len(expected) + 1)]


@hypothesis_settings(max_examples=25)
@given(st.lists(st.tuples(*[st.integers(0, 12)] * 3), min_size=1, max_size=25))
def test_random_worlds_agree_with_networkx(make_world, rows):
    accounts = {
        f"a{n}": (f"p{card}", f"10.0.{net}.{n}", f"t{client}") for n, (card, net, client) in enumerate(rows)
    }
    members = make_world(accounts)
    graph = nx.Graph()
    for name, values in accounts.items():
        graph.add_node(name)
        graph.add_edges_from((name, value.rsplit(".", 1)[0] + "/") for value in values)
    parts = ({n for n in part if n in accounts} for part in nx.connected_components(graph))
    assert members == {frozenset(part) for part in parts if len(part) >= 3}


@pytest.fixture(scope="module")
def make_world(tmp_path_factory, groups):
    """Accounts with card, address and client, each with one exchange -> what is found."""
    import datetime as dt

    import pyarrow.parquet as pq

    from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES

    folder = tmp_path_factory.mktemp("world")
    now = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)

    def find(accounts):
        exchanges = [
            {
                "exchange_id": name,
                "ts": now,
                "account_id": name,
                "model": "m",
                "client_ip": address,
                "ja4": client,
            }
            for name, (_, address, client) in accounts.items()
        ]
        cards = [
            {"account_id": name, "created_at": now, "payment_id": card}
            for name, (card, _, _) in accounts.items()
        ]
        pq.write_table(pa.Table.from_pylist(exchanges, EXCHANGES.arrow), folder / "exchanges.parquet")
        pq.write_table(pa.Table.from_pylist(cards, ACCOUNTS.arrow), folder / "accounts.parquet")
        return groups(run(folder, settings()).members)

    return find
