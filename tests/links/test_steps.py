"""The steps on a real engine, from exchanges and accounts to communities."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.engine import Engine
from stillwatch.exchange.schema import TableSchema
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.links.incidence import Attributes
from stillwatch.links.shared_attributes import shared_attribute_test
from stillwatch.links.steps import COMMUNITIES_SCHEMA, LINKS_SCHEMA, fit_models, link_steps
from tests.engines.every_engine import OpenEngine, every_engine

START = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[dict[str, Any]]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckdbEngine]:
    made = DuckdbEngine(tmp_path)
    yield made
    made.close()


def table(schema: TableSchema, rows: Rows) -> pa.Table:
    columns = {c.name: pa.array([row.get(c.name) for row in rows], c.type) for c in schema}
    return pa.table(columns, schema=schema.arrow)


def exchange(account: str, number: int = 0, **cells: Any) -> dict[str, Any]:
    return {"exchange_id": f"{account}-{number}", "ts": START, "account_id": account, "model": "m", **cells}


def run(engine: Engine, exchanges: Rows, accounts: Rows) -> None:
    engine.put("exchanges", table(EXCHANGES, exchanges))
    engine.put("accounts", table(ACCOUNTS, accounts))
    for step in link_steps():
        engine.run(step)


def rows(engine: Engine, name: str) -> set[tuple[Any, ...]]:
    found = [tuple(row.values()) for row in engine.table(name).to_pylist()]
    assert len(found) == len(set(found)), "each row once"
    return set(found)


@every_engine
def test_every_kind_and_the_organisations(open_engine: OpenEngine, tmp_path: Path) -> None:
    engine = open_engine(tmp_path)
    exchanges: Rows = [
        exchange("a", 0, client_ip="198.51.100.7", ja4="t13d", user_agent="sdk/1"),
        exchange("a", 1, client_ip="198.51.100.9", ja4="t13d", user_agent="sdk/1"),
        exchange("b", 0, client_ip="not an address", user_agent="sdk/1", org_id="acme"),
        exchange("c", 0, client_ip="2001:db8:7:1::5", org_id="ignored"),
        exchange("d", 0, ja4="  ", user_agent=""),
    ]
    born = START + timedelta(minutes=59)
    accounts: Rows = [
        {"account_id": "a", "payment_id": "card", "email_domain": " Mail.Example ", "created_at": born},
        {"account_id": "c", "payment_id": "card", "org_id": "acme", "email_domain": ""},
        {"account_id": "dormant", "payment_id": "card"},
    ]
    run(engine, exchanges, accounts)
    assert rows(engine, "account_attributes") == {
        ("a", "a", "prefix", "198.51.100.0/24"),
        ("a", "a", "client", "t13d sdk/1"),
        ("a", "a", "payment", "card"),
        ("a", "a", "email_domain", "mail.example"),
        ("a", "a", "birth", "2026-01-01 00:00"),
        ("acme", "b", "client", "- sdk/1"),
        ("acme", "c", "prefix", "2001:db8:7::/48"),
        ("acme", "c", "payment", "card"),
    }
    assert rows(engine, "account_entities") == {("a", "a"), ("b", "acme"), ("c", "acme"), ("d", "d")}
    assert ("payment", "card", 2) in rows(engine, "attribute_values")
    assert ("not an address", None) in rows(engine, "address_prefixes")
    engine.close()


def test_bare_exchanges_and_no_accounts(engine: DuckdbEngine) -> None:
    run(engine, [exchange("a"), exchange("b")], [])
    assert engine.table("account_attributes").num_rows == 0
    assert engine.table("links").schema.names == LINKS_SCHEMA.names
    assert engine.table("communities").schema.names == COMMUNITIES_SCHEMA.names


def test_no_exchanges_at_all(engine: DuckdbEngine) -> None:
    run(engine, [], [{"account_id": "a", "payment_id": "card"}])
    assert engine.table("account_attributes").num_rows == 0
    assert engine.table("communities").num_rows == 0


def world(n: int, tied: int, org: str | None = None) -> tuple[Rows, Rows]:
    """Accounts with their own cards, homes, births and clients; the first `tied` from one source."""
    rng = np.random.default_rng(11)
    exchanges: Rows = []
    accounts: Rows = []
    for i in range(n):
        name, ours = f"a{i:04d}", i < tied
        for number in range(6):
            home, pool = f"172.{16 + i % 16}.{i // 16 % 250}", f"203.0.{rng.integers(8)}"
            address = f"{pool if ours else home}.{rng.integers(1, 255)}"
            client = f"sdk/{int(rng.pareto(0.8)) % 40}"
            cells = {"client_ip": address, "user_agent": client, "org_id": org if ours else None}
            exchanges.append(exchange(name, number, **cells))
        hour = int(rng.integers(4)) if ours else int(rng.integers(3000))
        card = f"s{rng.integers(6)}" if ours else f"c{rng.integers(n)}"
        accounts.append({"account_id": name, "created_at": START + timedelta(hours=hour), "payment_id": card})
    return exchanges, accounts


def test_a_campaign_among_independent_accounts_is_one_component(engine: DuckdbEngine) -> None:
    run(engine, *world(1500, 40))
    communities = engine.table("communities").to_pylist()
    of_first = {r["component"] for r in communities if r["entity"] == "a0000"}
    members = [r["entity"] for r in communities if r["component"] in of_first]
    assert len(members) >= 36
    assert all(name < "a0040" for name in members)
    assert sum(r["entity"] >= "a0040" for r in communities) <= 4
    attributes = Attributes.from_table(engine.table("account_attributes"))
    models = fit_models(attributes)
    group = [attributes.numbers[f"a{i:04d}"] for i in range(40)]
    log_p = {
        kind: shared_attribute_test(group, attributes.kinds[kind], models[kind]).log_p for kind in models
    }
    assert log_p["payment"] < -15 and log_p["birth"] < -15 and log_p["prefix"] < -15
    assert log_p["client"] > np.log(0.01)


def test_a_declared_organisation_is_one_entity_and_ties_nothing(engine: DuckdbEngine) -> None:
    run(engine, *world(1500, 40, org="acme"))
    attributes = Attributes.from_table(engine.table("account_attributes"))
    assert len(attributes.entities) == 1461
    assert all(r["entity"] != "acme" for r in engine.table("communities").to_pylist())


def test_a_world_without_campaign_has_no_links(engine: DuckdbEngine) -> None:
    run(engine, *world(1500, 0))
    assert engine.table("links").num_rows <= 3


def test_the_order_of_the_rows_is_of_no_account(tmp_path: Path) -> None:
    exchanges, accounts = world(1500, 40)
    results = []
    for number, order in enumerate((1, -1)):
        engine = DuckdbEngine(tmp_path / str(number))
        run(engine, exchanges[::order], accounts[::order])
        results.append([engine.table(name).to_pylist() for name in ("links", "communities")])
        engine.close()
    assert results[0] == results[1]
    assert results[0][0]
    assert all(row["entity_a"] < row["entity_b"] and row["log10_p_pair"] < 0 for row in results[0][0])
