"""Which accounts and which exchanges belong to a campaign: planted truth through all steps of a scan."""

import duckdb
import numpy as np
import pytest

from tests.campaigns.traces import Events
from tests.campaigns.worlds import START, Prompts, Town, input_tables, judged

NAMED = tuple(f"reason {i}" for i in range(4))
POOL = Prompts(NAMED, form="elicitation", capability="reasoning", models=("large",), limits=(4096, 1024))
COVER = Prompts(("chat about cooking", None), models=("large",), limits=(4096, 1024))
GRADING = Prompts(tuple(f"grade {i}" for i in range(4)), form="rubric", models=("large",), limits=(2048,))
PEOPLE = (
    ("large", None),
    ("large", 4096),
    ("small", None),
    ("small", 1024),
    ("medium", 512),
    ("medium", 8192),
)


def customers(town: Town, kind: str, n: int, mean: float) -> None:
    """People, each with settings of its own."""
    for _ in range(n):
        model, limit = PEOPLE[town.rng.integers(len(PEOPLE))]
        own = Prompts(models=(model,), limits=(limit,))
        events = town.world.customer(int(town.rng.poisson(mean)) + 3, loyalty=5, clumping=3.0, repeating=0)
        town.does(town.person(kind), town.own_repeats(events, 0.1), own)


def pool(town: Town) -> None:
    """Sixty accounts that work for one campaign: a fifth of their exchanges is cover."""
    for number, events in enumerate(town.world.queue(60, 5_000, n_templates=4)):
        ties = {"payment_id": f"stolen {number // 5}", "address": f"10.77.{number % 6}.1"}
        account = town.person("hydra", **ties)
        covered = town.rng.random(len(events.hour)) < 0.2
        town.does(account, part(events, ~covered), POOL)
        town.does(account, part(events, covered), COVER)
    # Born late: one exchange each, in the campaign's templates.
    for events in town.world.queue(12, 300, n_templates=4):
        town.does(town.person("newborn"), part(events, np.arange(len(events.hour)) == 0), POOL)


def reseller(town: Town) -> None:
    """Forty accounts: a third is a campaign's, the rest is that of customers with models of their own."""
    for number, events in enumerate(town.world.queue(40, 2_800, n_templates=4)):
        ties = {"payment_id": f"reseller {number // 8}", "address": f"10.66.{number % 3}.1"}
        account = town.person("resold", **ties)
        town.does(account, events, GRADING)
        for _ in range(4):
            theirs = town.world.customer(35, loyalty=3, clumping=3, repeating=0)
            served = Prompts(models=(PEOPLE[town.rng.integers(len(PEOPLE))][0],), limits=(2048,))
            town.does(account, town.own_repeats(theirs, 0.1), served)


def innocents(town: Town) -> None:
    """Those who use the pool's templates for work of their own."""
    town.people("chat", 60, 12, COVER)
    customers(town, "person", 200, 20)
    # A researcher with one prompt and one program; people who tried it; a firm that says who it is.
    own = Prompts(("reason 1",), form="elicitation", models=("large",), limits=(4096,))
    for _ in range(2):
        events = town.world.customer(25, loyalty=np.inf, clumping=1.2, repeating=0)
        town.does(town.person("researcher"), events, own)
    for _ in range(5):
        account = town.person("curious")
        town.does(account, town.world.customer(20, loyalty=5, clumping=3, repeating=0), Prompts())
        town.does(account, town.world.customer(1, loyalty=5, clumping=1, repeating=0), own)
    for events in town.world.queue(10, 240, n_templates=4):
        town.does(town.person("declared", org_id="an open firm"), events, POOL)


def part(events: Events, mask: np.ndarray) -> Events:
    return Events(events.hour[mask], events.subject[mask], events.template[mask], events.task[mask])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    town = Town(5)
    for happens in (innocents, pool, reseller):
        happens(town)
    folder = tmp_path_factory.mktemp("belonging")
    return town, judged(input_tables(town), folder), folder


def truth(town: Town) -> dict[str, str | None]:
    """Campaign of each exchange."""
    pooled = {"hydra": "pool", "newborn": "pool"}
    found = {}
    for exchange, prompt in zip(town.exchanges, town.prompts, strict=True):
        kind = str(exchange["account_id"]).rsplit("-", 1)[0]
        graded = str(prompt["template"]).startswith("grade")
        found[str(exchange["exchange_id"])] = pooled.get(kind, "reseller" if graded else None)
    return found


def test_accounts_are_members_or_not(world):
    _, outcome, _ = world
    kinds = [row["account_id"].rsplit("-", 1)[0] for row in outcome.tables["members"].to_pylist()]
    assert kinds.count("hydra") == 60
    assert kinds.count("resold") == 40
    assert set(kinds) == {"hydra", "resold", "newborn"}


def test_newcomers_join_by_a_template_that_is_the_members_alone(world):
    town, outcome, _ = world
    members = {row["account_id"] for row in outcome.tables["members"].to_pylist()}
    template = {
        str(exchange["account_id"]): prompt["template"]
        for exchange, prompt in zip(town.exchanges, town.prompts, strict=True)
        if str(exchange["account_id"]).startswith("newborn")
    }
    assert len(template) == 12
    # Strangers use `reason 1` as well.
    assert all(account in members for account, name in template.items() if name != "reason 1")


def test_cover_of_a_dedicated_pool_is_flagged_and_a_reseller_s_customers_are_not(world):
    town, outcome, _ = world
    true = truth(town)
    members = {row["account_id"] for row in outcome.tables["members"].to_pylist()}
    flagged = {row["exchange_id"] for row in outcome.tables["flagged"].to_pylist()}
    right = {
        str(row["exchange_id"])
        for row in town.exchanges
        if true[str(row["exchange_id"])] is not None and row["account_id"] in members
    }
    assert len(flagged & right) >= 0.98 * len(right)
    assert len(flagged - right) <= 0.01 * len(flagged)


def test_shares_cover_the_truth(world):
    town, outcome, _ = world
    true = truth(town)
    total: dict[str, int] = {}
    ours: dict[str, int] = {}
    for exchange in town.exchanges:
        account = str(exchange["account_id"])
        total[account] = total.get(account, 0) + 1
        ours[account] = ours.get(account, 0) + (true[str(exchange["exchange_id"])] is not None)
    rows = outcome.tables["members"].to_pylist()
    inside = [
        row["share_low"] - 1e-9
        <= ours[row["account_id"]] / total[row["account_id"]]
        <= row["share_high"] + 1e-9
        for row in rows
    ]
    assert np.mean(inside) >= 0.95
    wide = [row["share_high"] - row["share_low"] for row in rows if row["account_id"].startswith("resold")]
    assert np.median(wide) < 0.1


def test_probabilities_of_exchanges_are_what_happens(world):
    """Reliability over all exchanges of members, those below the threshold of flagging included."""
    town, _, folder = world
    true = truth(town)
    rows = (
        duckdb.connect()
        .execute(
            f"""SELECT s.exchange_id, p.probability FROM '{folder}/signals.parquet' AS s
        JOIN '{folder}/cell_probabilities.parquet' AS p ON p.account_id = s.account_id
        AND p.prompt_template = COALESCE(s.prompt_template, '')
        AND p.system_template = COALESCE(s.system_template, '')
        AND p.settings = CONCAT(s.model, ' ', COALESCE(CAST(s.max_output_tokens AS VARCHAR), '-'))"""
        )
        .fetchall()
    )
    predicted = np.array([row[1] for row in rows])
    happened = np.array([true[row[0]] is not None for row in rows])
    assert len(rows) > 9_000
    assert abs(predicted.mean() - happened.mean()) < 0.02
    assert ((predicted - happened) ** 2).mean() < 0.02
    for low, high in ((0.0, 0.1), (0.9, 1.0)):
        of_bin = (predicted >= low) & (predicted <= high)
        assert abs(predicted[of_bin].mean() - happened[of_bin].mean()) < 0.03


def test_a_declared_firm_that_shares_the_pool_s_cards_is_a_member(tmp_path):
    town = Town(6)
    customers(town, "person", 150, 20)
    for number, events in enumerate(town.world.queue(60, 5_000, n_templates=4)):
        ties = {"payment_id": f"stolen {number // 5}", "created_at": START - 3_600_000_000}
        declared = {"org_id": "a front"} if number % 5 == 0 and number < 20 else {}
        town.does(town.person("hydra", **ties, **declared), events, POOL)
    outcome = judged(input_tables(town), tmp_path)
    assert len(outcome.tables["members"]) == 60
