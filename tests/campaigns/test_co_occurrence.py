"""Shared attributes: fires on accounts opened by one hand, silent on strangers with popular values."""

from collections.abc import Callable, Iterable, Sequence

import networkx
import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns.co_occurrence import (
    TIED_BY,
    AttributeModels,
    co_occurrence_test,
    owner_share,
    tie_log_e,
)
from stillwatch.campaigns.owners import CONNECTED, connected_share
from stillwatch.links.incidence import Attributes
from stillwatch.links.steps import fit_models


def models_of(seed: int, hand: Sequence[str] = (), **of_hand: Callable[[int], str]) -> AttributeModels:
    """Strangers with own cards, mostly freemail, some behind carriers' gateways; and one hand's accounts."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(400):
        name = f"stranger {number}"
        gateway = rng.random() < 0.3
        rows += [
            (name, "payment", f"card {number}"),
            (name, "prefix", f"gateway {rng.integers(0, 4)}" if gateway else f"home {number}"),
            (name, "email_domain", "freemail" if rng.random() < 0.7 else f"domain {rng.integers(0, 60)}"),
            (name, "birth", f"hour {rng.integers(0, 5_000)}"),
        ]
    for position, name in enumerate(hand):
        rows += [(name, kind, value(position)) for kind, value in of_hand.items()]
    columns = ("entity", "kind", "value")
    attributes = Attributes.from_table(
        pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
    )
    return AttributeModels(attributes, fit_models(attributes))


HAND = [f"hand {i}" for i in range(24)]


OF_ONE_HAND = {
    "payment": lambda i: f"stolen {i // 3}",
    "prefix": lambda i: f"hosting {i % 3}",
    "email_domain": lambda i: "throwaway",
    "birth": lambda i: f"night {i // 12}",
}


def log_es(group: Iterable[str], models: AttributeModels) -> dict[str, float]:
    """What each kind says of the group as a whole."""
    numbers = models.attributes.numbers_of(group)
    one_hand = connected_share(numbers, models) >= CONNECTED
    return {kind: tie_log_e(found, one_hand) for kind, found in co_occurrence_test(numbers, models).items()}


@pytest.mark.parametrize("kind", TIED_BY)
def test_fires_on_accounts_of_one_hand(kind):
    models = models_of(0, hand=HAND, **OF_ONE_HAND)
    assert connected_share(models.attributes.numbers_of(HAND), models) == 1.0
    assert log_es(HAND, models)[kind] > np.log(1e4)


@pytest.mark.parametrize("kind", TIED_BY)
def test_only_the_kind_that_is_shared_speaks(kind):
    models = models_of(0, hand=HAND, **{kind: lambda i: f"shared {i // 20}"})
    found = log_es(HAND, models)
    assert found.pop(kind) > np.log(1e4)
    assert all(log_e < 0 for log_e in found.values())


def test_several_firms_that_use_one_product_are_no_group():
    """Each firm has its own card, office and domain; nothing crosses from one to the next."""
    firm = {
        kind: (lambda i, kind=kind: f"{kind} of firm {i // 6}")
        for kind in ("payment", "prefix", "email_domain")
    }
    models = models_of(7, hand=HAND, **firm)
    assert connected_share(models.attributes.numbers_of(HAND), models) == 0.25
    assert all(log_e <= 0 for log_e in log_es(HAND, models).values())


def test_evaded_by_cells_with_everything_of_their_own():
    """Bought accounts look like firms where cards, networks and domains never cross."""
    cells = {kind: (lambda i, kind=kind: f"{kind} of cell {i // 4}") for kind in ("payment", "prefix")}
    models = models_of(8, hand=HAND, **cells)
    assert all(log_e <= 0 for log_e in log_es(HAND, models).values())


def test_the_connected_part_is_that_of_a_plain_search():
    """Against a breadth-first search over shared values."""
    models = models_of(9, hand=HAND, payment=lambda i: f"card {i // 5}", prefix=lambda i: f"net {i // 7}")
    shared = [{(kind, size) for kind, size in (("card", i // 5), ("net", i // 7))} for i in range(24)]
    graph = networkx.Graph()
    graph.add_nodes_from(range(24))
    graph.add_edges_from((i, j) for i in range(24) for j in range(i) if shared[i] & shared[j])
    largest = max(len(part) for part in networkx.connected_components(graph))
    assert connected_share(models.attributes.numbers_of(HAND), models) == largest / 24


def test_silent_on_strangers():
    large = 0
    models = models_of(1)
    rng = np.random.default_rng(2)
    for _ in range(60):
        group = np.array([f"stranger {i}" for i in rng.choice(400, 30, replace=False)])
        large += any(log_e >= np.log(20) for log_e in log_es(group, models).values())
    assert large <= 60 * 4 / 20  # four kinds, each once in twenty at most


def test_silent_on_a_small_tied_part_of_many_strangers():
    models = models_of(3, hand=HAND, payment=lambda i: f"stolen {i // 3}")
    group = np.array([*HAND, *(f"stranger {i}" for i in range(80))])
    assert log_es(group, models)["payment"] <= 0


def test_evaded_by_one_card_address_and_mailbox_each():
    models = models_of(
        4,
        hand=HAND,
        payment=lambda i: f"own card {i}",
        prefix=lambda i: f"residential {i}",
        email_domain=lambda i: "freemail",
        birth=lambda i: f"hour {211 * i}",
    )
    assert all(log_e < np.log(20) for log_e in log_es(HAND, models).values())


def test_accounts_without_attributes_are_untied():
    models = models_of(5)
    assert all(log_e <= 0 for log_e in log_es(["nobody", "noone"], models).values())
    empty = pa.table({name: pa.array([], pa.string()) for name in ("entity", "kind", "value")})
    attributes = Attributes.from_table(empty)
    nobody = attributes.numbers_of(["nobody"])
    assert nobody.tolist() == [-1]
    assert co_occurrence_test(nobody, AttributeModels(attributes, fit_models(attributes))) == {}


def test_an_owner_is_counted_in_exchanges():
    models = models_of(6, hand=HAND, payment=lambda i: "one card", email_domain=lambda i: "freemail")
    group = models.attributes.numbers_of([*HAND, "stranger 1", "stranger 2", "nobody"])
    weight = np.array([100.0] * 24 + [5.0, 5.0, 90.0])
    found = co_occurrence_test(group, models)
    assert owner_share(group, weight, found, models) == pytest.approx(2_400 / 2_500)
    assert owner_share(group, weight, {}, models) == 0.0
