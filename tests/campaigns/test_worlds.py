"""Planted worlds through all steps: campaigns are found, busy innocents are let alone, and the tables agree."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns import tables as schemas
from stillwatch.campaigns.tables import Rung
from tests.campaigns.traces import Events
from tests.campaigns.worlds import (
    FORMS,
    HOUR_US,
    START,
    Outcome,
    Prompts,
    Town,
    input_tables,
    judged,
    permuted,
    planted_benign,
    planted_campaigns,
    town_of,
)

MADE = tuple(schema for schema in schemas.RESULTS if schema.name != "quality")


@pytest.fixture(scope="module")
def town():
    return town_of(1, planted_benign, planted_campaigns)


@pytest.fixture(scope="module")
def outcome(town, tmp_path_factory):
    return judged(input_tables(town), tmp_path_factory.mktemp("planted"))


def members(outcome: Outcome, campaign_id: str) -> set[str]:
    return {
        row["account_id"]
        for row in outcome.tables["members"].to_pylist()
        if row["campaign_id"] == campaign_id
    }


def by_main_template(outcome: Outcome) -> dict[str, str]:
    """Group id by the word that names its most used template."""
    uses: dict[str, Counter[str]] = {}
    for row in outcome.tables["group_templates"].to_pylist():
        uses.setdefault(row["group_id"], Counter())[row["template_id"].split()[0]] += row["n_exchanges"]
    return {counts.most_common(1)[0][0]: group for group, counts in uses.items()}


def test_a_campaigns_template_is_shown_by_its_earliest_exchange(outcome):
    campaign_of = {row["exchange_id"]: row["campaign_id"] for row in outcome.tables["flagged"].to_pylist()}
    earliest: dict[tuple[str, str], tuple[object, str]] = {}
    for row in outcome.signals.to_pylist():
        key = campaign_of.get(row["exchange_id"], ""), row["prompt_template"]
        earliest[key] = min(earliest.get(key, (row["ts"], "~")), (row["ts"], row["exchange_id"]))
    shown = [
        ((row["group_id"], row["template_id"]), row["example_exchange_id"])
        for row in outcome.tables["group_templates"].to_pylist()
        if row["group_id"] in campaign_of.values()
    ]
    assert len(shown) > 2
    assert all(example == earliest[key][1] for key, example in shown)


def test_both_campaigns_are_found_whole(outcome):
    found = by_main_template(outcome)
    campaigns = {row["campaign_id"]: row for row in outcome.tables["campaigns"].to_pylist()}
    assert set(campaigns) == {found["reason"], found["grade"]}
    assert members(outcome, found["reason"]) == {f"hydra-{n}" for n in numbers(outcome, "hydra")}
    assert members(outcome, found["grade"]) == {f"resold-{n}" for n in numbers(outcome, "resold")}
    for row in campaigns.values():
        assert row["rung"] == Rung.TRAINING_SHAPED
        assert row["fdr"] <= 0.01
        assert len(row["families"]) >= 2


def numbers(outcome: Outcome, kind: str) -> set[str]:
    accounts = set(outcome.signals.column("account_id").to_pylist())
    return {account.rsplit("-", 1)[1] for account in accounts if account.rsplit("-", 1)[0] == kind}


def test_what_a_reseller_s_customers_ask_is_let_alone(outcome):
    found = by_main_template(outcome)["grade"]
    flagged = {
        row["exchange_id"] for row in outcome.tables["flagged"].to_pylist() if row["campaign_id"] == found
    }
    signals = outcome.signals.to_pylist()
    graded = {row["exchange_id"] for row in signals if str(row["prompt_template"]).startswith("grade")}
    assert flagged == graded
    shares = [row["share"] for row in outcome.tables["members"].to_pylist() if row["campaign_id"] == found]
    assert max(shares) < 0.85


@pytest.mark.parametrize(
    ("template", "explanation"),
    [
        ("bench", "a public or fixed set of tasks"),
        ("sheet", "a public or fixed set of tasks"),
        ("invoice", "one customer with a product of its own behind several accounts"),
        ("agent", None),
    ],
)
def test_busy_innocents_are_tested_explained_and_not_reported(outcome, template, explanation):
    group = by_main_template(outcome)[template]
    (row,) = [row for row in outcome.tables["groups"].to_pylist() if row["group_id"] == group]
    assert not row["reported"]
    assert row["explanation_holds"]
    assert explanation in (None, row["explanation"])
    assert not members(outcome, group)


def test_a_declared_organisation_is_one_entity_and_never_a_group(outcome):
    entities = {
        row["entity"] for row in outcome.signals.to_pylist() if row["account_id"].startswith("declared")
    }
    assert entities == {"a declared firm"}
    assert "ticket" not in by_main_template(outcome)


@pytest.mark.parametrize("seed", [2])
def test_other_seeds(seed, tmp_path):
    outcome = judged(input_tables(town_of(seed, planted_benign, planted_campaigns)), tmp_path)
    assert outcome.kinds() == {"hydra", "resold"}
    assert len(outcome.tables["campaigns"]) == 2
    assert len(outcome.tables["members"]) == 80


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_reported_where_campaigns_are_removed(seed, tmp_path):
    outcome = judged(input_tables(town_of(seed, planted_benign)), tmp_path)
    assert len(outcome.tables["groups"]) >= 4
    assert_nothing_reported(outcome)


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_reported_where_account_labels_are_permuted(town, seed, tmp_path):
    outcome = judged(permuted(input_tables(town), seed), tmp_path)
    assert outcome.found == []
    assert_nothing_reported(outcome)


def assert_nothing_reported(outcome: Outcome) -> None:
    for name in ("campaigns", "members", "flagged"):
        assert outcome.tables[name].num_rows == 0
    assert_tables_agree(outcome)


def test_strangers_among_a_firm_s_keys_do_not_make_it_a_campaign(tmp_path):
    """Twenty balanced keys on one card, and four others who tried the firm's public template."""

    def part(town: Town) -> None:
        town.people("chat", 120, 12, Prompts())
        for events in town.world.queue(20, 2_000):
            account = town.person("enterprise", payment_id="card of a firm", email_domain="firm.example")
            town.does(account, events, Prompts(("invoice",), form="answer_format"))
        town.people("stray", 4, 3, Prompts(("invoice",)))

    outcome = judged(input_tables(town_of(4, part)), tmp_path)
    assert len(outcome.tables["groups"]) == 1
    assert_nothing_reported(outcome)


def colleagues(
    town: Town, kind: str, queue: Callable[[int], list[Events]], n: int, *, each: int, open_: bool
) -> None:
    """n teams of `each` accounts at one product; in the open, a team has one card and one domain."""
    for team in range(n):
        # A team's accounts are opened on one morning, whoever pays.
        born = {"created_at": START - (700 + 13 * team) * HOUR_US}
        owner = {"payment_id": f"{kind} card {team}", "email_domain": f"{kind}{team}.example"}
        for events in queue(each):
            account = town.person(kind, **born, **(owner if open_ else {}))
            town.does(account, events, Prompts(("ticket",), models=("large",)))


@pytest.mark.parametrize("open_", [True, False])
def test_many_firms_with_one_product_are_no_campaign(tmp_path, open_):
    """Twenty firms, each of which deals its own tickets of everyday subjects to its team: account by account this is
    one pool, and it is reported where nothing tells whose the accounts are."""

    def part(town: Town) -> None:
        town.people("chat", 200, 12, Prompts())

        def tickets(each: int) -> list[Events]:
            day = town.world.customer(30 * each, loyalty=np.inf, clumping=2.0, repeating=0)
            dealt_to = town.rng.integers(0, each, len(day.hour))
            mine = [dealt_to == account for account in range(each)]
            return [Events(day.hour[m], day.subject[m], day.template[m], day.task[m]) for m in mine]

        colleagues(town, "firm", tickets, 20, each=12, open_=open_)

    outcome = judged(input_tables(town_of(9, part)), tmp_path)
    assert outcome.tables["groups"].num_rows >= 1
    assert (outcome.kinds() == set()) == open_


def test_cells_that_are_fed_from_one_queue_are_a_campaign(tmp_path):
    """Nothing crosses from cell to cell, as from firm to firm, but their hours and tasks are those of one queue."""

    def part(town: Town) -> None:
        town.people("chat", 200, 12, Prompts())
        pool = iter(town.world.queue(160, 5_000))
        colleagues(town, "cell", lambda each: [next(pool) for _ in range(each)], 40, each=4, open_=True)

    outcome = judged(input_tables(town_of(10, part)), tmp_path)
    assert outcome.kinds() == {"cell"}


@pytest.mark.parametrize("close", [True, False])
def test_values_of_a_slot_are_no_mix_of_templates(tmp_path, close):
    """A program that draws one of two wordings for each text, in the same proportion for all of its customers, who
    translate whatever comes: strangers, unless the two are taken for two templates."""

    def part(town: Town) -> None:
        town.people("chat", 200, 12, Prompts())
        for _ in range(60):
            events = town.world.customer(150, loyalty=np.inf, clumping=3.0, repeating=0, n_templates=2)
            town.does(
                town.person("translator"), events, Prompts(("to Arabic", "to Polish"), models=("large",))
            )

    kin = [("to Arabic", "to Polish")] if close else []
    outcome = judged(input_tables(town_of(11, part)), tmp_path, kin=kin)
    tested = {len(group.tests.candidate.templates) for group in outcome.judged}
    assert 2 in tested
    for group in outcome.judged:
        coordinated = group.tests.rung_log_e[Rung.COORDINATED] > np.log(1e4)
        assert coordinated == (not close and len(group.tests.candidate.templates) == 2)


def test_strays_in_a_campaign_s_templates_are_no_members(tmp_path):
    """Researchers who try the campaign's public template once or a few times, among much else."""

    def part(town: Town) -> None:
        town.people("chat", 120, 12, Prompts())
        planted_campaigns(town)
        for tries in town.rng.geometric(2 / 3, 30):
            account = town.person("stray")
            town.does(account, town.world.customer(60, loyalty=5, clumping=3, repeating=0), Prompts())
            tried = town.world.customer(int(tries), loyalty=1, clumping=1, repeating=0)
            town.does(account, tried, Prompts(("reason 0",)))

    outcome = judged(input_tables(town_of(5, part)), tmp_path)
    assert {"hydra", "resold"} <= outcome.kinds()
    strays = [row for row in outcome.tables["members"].to_pylist() if row["account_id"].startswith("stray")]
    assert len(strays) <= 1


def test_threads_change_nothing(town, outcome, tmp_path):
    again = judged(input_tables(town), tmp_path, threads=3)
    assert again.tables == outcome.tables


def test_a_thinned_sample_finds_the_same(town, tmp_path):
    outcome = judged(input_tables(town), tmp_path, cap=2_500)
    assert outcome.kinds() == {"hydra", "resold"}


def test_tables_agree(outcome):
    assert_tables_agree(outcome)


def assert_tables_agree(outcome: Outcome) -> None:
    tables = outcome.tables
    for schema in MADE:
        found = tables[schema.name]
        assert found.schema.names == list(schema.names)
        for column in schema:
            assert found.schema.field(column.name).type == column.type, (schema.name, column.name)
            if not column.nullable:
                assert found.column(column.name).null_count == 0, (schema.name, column.name)
        if schema.key:
            keys = found.column(schema.key).to_pylist()
            assert len(set(keys)) == len(keys), schema.name
    groups = {row["group_id"]: row for row in tables["groups"].to_pylist()}
    assert {name for name, row in groups.items() if row["reported"]} == set(
        tables["campaigns"].column("campaign_id").to_pylist()
    )
    _agree_on_campaigns(tables, groups)
    for name in ("evidence", "explanations", "timeline", "ties", "group_templates"):
        assert set(tables[name].column("group_id").to_pylist()) <= set(groups), name
    for group, row in groups.items():
        for name in ("timeline", "group_templates"):
            counted = [r["n_exchanges"] for r in tables[name].to_pylist() if r["group_id"] == group]
            assert sum(counted) == row["n_exchanges"], (name, group)
        assert row["first_seen"] <= row["last_seen"]
        assert 0 < row["n_entities"] <= row["n_accounts"] <= row["n_exchanges"]
        ranks = [r for r in tables["explanations"].to_pylist() if r["group_id"] == group]
        assert [r["rank"] for r in ranks] == list(range(1, len(ranks) + 1))
        assert (ranks[0]["explanation"], ranks[0]["fits"]) == (row["explanation"], row["explanation_holds"])
        assert not (row["reported"] and any(r["fits"] for r in ranks))
    members_of_campaigns = set(tables["members"].column("account_id").to_pylist())
    assert not members_of_campaigns & set(tables["busy"].column("account_id").to_pylist())


def _agree_on_campaigns(tables: dict[str, pa.Table], groups: dict[str, dict[str, object]]) -> None:
    member_rows, flagged = tables["members"].to_pylist(), tables["flagged"].to_pylist()
    exchanges = {row["account_id"]: 0 for row in member_rows}
    for row in member_rows:
        assert 0 <= row["probability"] <= 1
        assert 0 < row["share"] <= 1
        exchanges[row["account_id"]] += row["n_exchanges"]
    assert all(0 <= row["probability"] <= 1 for row in flagged)
    for row in tables["campaigns"].to_pylist():
        name = row["campaign_id"]
        own = [member for member in member_rows if member["campaign_id"] == name]
        assert row["n_accounts"] == len(own) == len({member["account_id"] for member in own})
        assert row["n_exchanges"] == sum(member["n_exchanges"] for member in own)
        assert row["n_exchanges"] == sum(hit["campaign_id"] == name for hit in flagged)
        for key in ("n_accounts", "n_exchanges", "first_seen", "last_seen", "models", "capabilities", "rung"):
            assert row[key] == groups[name][key]
        assert row["models"] == ["large", "small"]
        assert row["flagged_at"] is None
        holding = [
            e["family"] for e in tables["evidence"].to_pylist() if e["group_id"] == name and e["holds"]
        ]
        # Shared attributes are one family; a shared template is what is conditioned on, and none.
        ties = ["shared_attributes"] if any(family.startswith("shared_") for family in holding) else []
        others = [f for f in holding if f != "repetition" and not f.startswith("shared_")]
        assert row["families"] == ties + others


def test_shares_are_parts_of_the_account(outcome):
    volume = Counter(outcome.signals.column("account_id").to_pylist())
    for row in outcome.tables["members"].to_pylist():
        flagged = row["n_exchanges"] / volume[row["account_id"]]
        assert 0 <= row["share_low"] <= row["share"] <= row["share_high"] <= 1
        assert row["share"] == pytest.approx(flagged, abs=0.1)


def test_the_same_tables_on_every_run(town, outcome, tmp_path):
    again = judged(input_tables(town), tmp_path)
    for name in ("campaigns", "members", "groups", "evidence", "explanations", "ties", "timeline", "busy"):
        assert again.tables[name].equals(outcome.tables[name]), name
    key = [("exchange_id", "ascending")]
    assert again.tables["flagged"].sort_by(key).equals(outcome.tables["flagged"].sort_by(key))


def nothing(town: Town) -> None:
    pass


def one_account(town: Town) -> None:
    town.does(town.person("only"), town.world.customer(200, n_templates=2), Prompts(("a", "b"), system="s"))


def no_templates(town: Town) -> None:
    town.people("chat", 40, 10, Prompts(capability=None))


def one_template_for_all(town: Town) -> None:
    """Nobody is left to differ from: nothing can be said."""
    for events in town.world.queue(30, 1_500):
        town.does(town.person("all"), events, Prompts(("one",), form="elicitation"))


@pytest.mark.parametrize("part", [nothing, one_account, no_templates, one_template_for_all])
def test_worlds_in_which_nothing_can_be_said(part, tmp_path):
    outcome = judged(input_tables(town_of(0, part)), tmp_path)
    assert_nothing_reported(outcome)
    assert outcome.tables["groups"].num_rows == 0


def test_every_optional_column_null(town, tmp_path):
    """No account known, no address, no text kept: templates, times and repeats still carry the verdict."""
    tables = input_tables(town)
    exchanges = tables["exchanges"]
    for name in ("client_ip",):
        at = exchanges.schema.get_field_index(name)
        nulls = pa.nulls(len(exchanges), exchanges.schema.field(at).type)
        exchanges = exchanges.set_column(at, exchanges.schema.field(at), nulls)
    signed = tables["signatures"]
    for name in ("capability", *FORMS):
        at = signed.schema.get_field_index(name)
        field = signed.schema.field(at)
        signed = signed.set_column(at, field, pa.nulls(len(signed), field.type))
    bare = {
        **tables,
        "exchanges": exchanges,
        "accounts": tables["accounts"].slice(0, 0),
        "signatures": signed,
    }
    outcome = judged(bare, tmp_path)
    assert_tables_agree(outcome)
    # Without cards and with nothing known of the forms, the open enterprises cannot be told from a pool: they
    # stand on the rung "one task pool" and no higher; people, classes and benchmarks are still let alone.
    assert {"hydra", "resold"} <= outcome.kinds() <= {"hydra", "resold", "enterprise", "declared"}
    assert set(outcome.tables["campaigns"].column("rung").to_pylist()) == {Rung.ONE_TASK_POOL}


def test_no_family_at_all(town, tmp_path):
    tables = input_tables(town)
    empty = {
        name: table.slice(0, 0) if name.endswith("_families") else table for name, table in tables.items()
    }
    outcome = judged(empty, tmp_path)
    assert outcome.signals.num_rows == tables["exchanges"].num_rows
    assert_nothing_reported(outcome)
