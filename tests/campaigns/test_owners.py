"""Owners: who pays with one instrument or has one domain is one; what stands in the rest of the sample stays."""

import networkx
import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns import words
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.owners import by_owner, colleagues, one_each, owners
from stillwatch.campaigns.tables import Rung
from stillwatch.links.incidence import Attributes
from tests.campaigns.traces import World

CROWD = [f"stranger {number}" for number in range(600)]


def models_of(rows: list[tuple[str, str, str]]) -> AttributeModels:
    """The rows given, and a crowd with cards of their own and one mail provider."""
    rows += [(name, "payment", f"card of {name}") for name in CROWD]
    rows += [(name, "email_domain", "freemail") for name in CROWD]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return AttributeModels(Attributes.from_table(pa.table(columns, names=["entity", "kind", "value"])), {})


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_owners_are_those_of_a_plain_search(seed):
    rng = np.random.default_rng(seed)
    names = [f"account {number}" for number in range(40)]
    held = {name: {f"card {rng.integers(30)}", f"domain {rng.integers(40)}"} for name in names}
    rows = [(name, "payment", value) for name in names for value in held[name] if value.startswith("card")]
    rows += [(name, "email_domain", value) for name in names for value in held[name] if "domain" in value]
    rows += [(name, "prefix", "one office") for name in names]
    group = [*names, *CROWD[:20], "nobody knows me"]
    models = models_of(rows)
    found = owners(models.attributes.numbers_of(group), models)
    graph = networkx.Graph()
    graph.add_nodes_from(group)
    graph.add_edges_from((a, b) for a in names for b in names if held[a] & held[b])
    wanted = {frozenset(part) for part in networkx.connected_components(graph)}
    assert {frozenset(np.array(group)[found == number].tolist()) for number in np.unique(found)} == wanted


def test_a_popular_provider_owns_nobody():
    models = models_of([])
    assert len(np.unique(owners(models.attributes.numbers_of(CROWD[:50]), models))) == 50


def test_exchanges_stay_and_lives_are_joined():
    world = World(np.random.default_rng(4))
    sample = world.sample([world.customer(20) for _ in range(9)])
    owner = np.array([5, 5, 5, 7, 7, 9, 9, 9, 9])
    joined = by_owner(sample, owner)
    assert joined.n_entities == 3
    assert np.array_equal(np.array([5, 7, 9])[joined.entity], owner[sample.entity])
    for number, of in enumerate((5, 7, 9)):
        spans = sample.span[owner == of]
        assert joined.span[number].tolist() == [spans[:, 0].min(), spans[:, 1].max()]
    for name in ("template", "ts", "content", "repeated", "held_out"):
        assert np.array_equal(getattr(joined, name), getattr(sample, name))


@pytest.mark.parametrize(
    ("log_e", "counted", "says"), [(3.0, 3.0, "says 10^1.3"), (-2.0, -2.0, "says nothing"), (30.0, 9.0, "")]
)
def test_a_finding_counts_as_the_weaker_of_both(log_e, counted, says):
    both = words.by_owner(finding(9.0), finding(log_e), 12)
    assert both.log_e == counted
    assert ("of 12 such owners" in both.words) == bool(says)
    assert says in both.words


def test_what_says_nothing_of_accounts_says_no_more_of_owners():
    assert words.by_owner(finding(0.0), finding(-1e-12), 12).words == "what was seen"


def finding(log_e: float) -> Finding:
    return Finding(Rung.COORDINATED, "common_stream", "x", 1.0, 2.0, 9, log_e, "null", "what was seen")


@pytest.mark.parametrize(
    ("owner", "several"),
    [([0, 0, 1, 1], True), ([0, 0, 1, 2], True), ([0, 0, 1, 2, 3], False), ([0, 1, 2], False), ([0], False)],
)
def test_colleagues_are_half_of_the_accounts_or_more(owner, several):
    assert colleagues(np.array(owner)) == several


def test_one_account_of_each_owner():
    assert one_each(np.array([2, 0, 2, 1, 0])).tolist() == [0, 1, 3]
