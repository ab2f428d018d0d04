"""Shared attributes: fires on accounts opened by one hand, silent on strangers with popular values."""

from collections.abc import Callable, Sequence

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


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("payment", lambda i: f"stolen {i // 3}"),
        ("prefix", lambda i: f"hosting {i // 8}"),
        ("email_domain", lambda i: "throwaway"),
        ("birth", lambda i: f"night {i // 12}"),
    ],
)
def test_fires_on_accounts_of_one_hand(kind, value):
    models = models_of(0, hand=HAND, **{kind: value})
    found = co_occurrence_test(np.array(HAND), models)
    assert set(found) == set(TIED_BY)
    assert tie_log_e(found[kind]) > np.log(1e4)
    for other in set(TIED_BY) - {kind}:
        assert tie_log_e(found[other]) < 0


def test_silent_on_strangers():
    large = 0
    models = models_of(1)
    rng = np.random.default_rng(2)
    for _ in range(60):
        group = np.array([f"stranger {i}" for i in rng.choice(400, 30, replace=False)])
        large += any(tie_log_e(found) >= np.log(20) for found in co_occurrence_test(group, models).values())
    assert large <= 60 * 4 / 20  # four kinds, each once in twenty at most


def test_silent_on_a_small_tied_part_of_many_strangers():
    models = models_of(3, hand=HAND, payment=lambda i: f"stolen {i // 3}")
    group = np.array([*HAND, *(f"stranger {i}" for i in range(80))])
    assert tie_log_e(co_occurrence_test(group, models)["payment"]) <= 0


def test_evaded_by_one_card_address_and_mailbox_each():
    models = models_of(
        4,
        hand=HAND,
        payment=lambda i: f"own card {i}",
        prefix=lambda i: f"residential {i}",
        email_domain=lambda i: "freemail",
        birth=lambda i: f"hour {211 * i}",
    )
    assert all(tie_log_e(found) < np.log(20) for found in co_occurrence_test(np.array(HAND), models).values())


def test_accounts_without_attributes_are_untied():
    models = models_of(5)
    found = co_occurrence_test(np.array(["nobody", "noone"]), models)
    assert all(tie_log_e(result) <= 0 for result in found.values())
    empty = pa.table({name: pa.array([], pa.string()) for name in ("entity", "kind", "value")})
    attributes = Attributes.from_table(empty)
    assert co_occurrence_test(np.array(["nobody"]), AttributeModels(attributes, fit_models(attributes))) == {}


def test_an_owner_is_counted_in_exchanges():
    models = models_of(6, hand=HAND, payment=lambda i: "one card", email_domain=lambda i: "freemail")
    group = np.array([*HAND, "stranger 1", "stranger 2", "nobody"])
    weight = np.array([100.0] * 24 + [5.0, 5.0, 90.0])
    found = co_occurrence_test(group, models)
    assert owner_share(group, weight, found, models) == pytest.approx(2_400 / 2_500)
    assert owner_share(group, weight, {}, models) == 0.0
