"""What live accounts share: attributes gathered slice by slice, their null models, and the communities they tie."""

from dataclasses import dataclass

import pyarrow as pa

from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.engines.memory import MemoryEngine
from stillwatch.links.attributes import attribute_steps
from stillwatch.links.incidence import Attributes
from stillwatch.links.steps import COMMUNITIES_SCHEMA, fit_models, link_steps

ATTRIBUTES = pa.schema(
    [
        pa.field("entity", pa.string(), nullable=False),
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("last_day", pa.int64(), nullable=False),
    ]
)
ENTITIES = pa.schema(
    [
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("entity", pa.string(), nullable=False),
        pa.field("last_day", pa.int64(), nullable=False),
    ]
)
REFIT, RELINK = 1.01, 1.05
"""Growth of the attributes from which null models, and communities, are made anew within a day."""


@dataclass
class _Made:
    """What was made of how many attributes."""

    rows: int = 0
    models: AttributeModels | None = None
    linked_rows: int = 0
    communities: pa.Table | None = None


class LiveAttributes:
    """Attributes of the accounts that were seen within the horizon.

    Args:
        attributes: `ATTRIBUTES` rows.
        entities: `ENTITIES` rows.
    """

    def __init__(self, attributes: pa.Table, entities: pa.Table) -> None:
        self._rows = {
            (row["entity"], row["account_id"], row["kind"], row["value"]): row["last_day"]
            for row in attributes.to_pylist()
        }
        self._entity: dict[str, tuple[str, int]] = {
            row["account_id"]: (row["entity"], row["last_day"]) for row in entities.to_pylist()
        }
        self._made = _Made()
        self._listed: pa.Table | None = None

    def add(self, engine: MemoryEngine, day: int) -> None:
        """Take in the slice `exchanges` with what is known of its `accounts`; makes `account_entities`.

        An account keeps the entity that it was first seen as.
        """
        entities, *rest = attribute_steps()
        engine.run(entities)
        named = engine.table("account_entities")
        accounts, found = named.column("account_id").to_pylist(), named.column("entity").to_pylist()
        for account, entity in zip(accounts, found, strict=True):
            self._entity[account] = (self._entity.get(account, (entity, day))[0], day)
        kept = pa.array([self._entity[account][0] for account in accounts], pa.string())
        engine.put("account_entities", pa.table({"account_id": named.column("account_id"), "entity": kept}))
        for step in rest:
            if step.output != "attribute_values":
                engine.run(step)
        shared = engine.table("account_attributes").select(["entity", "account_id", "kind", "value"])
        columns = [column.to_pylist() for column in shared.columns]
        self._rows.update(dict.fromkeys(zip(*columns, strict=True), day))

    def entity_of(self, account: str) -> str:
        """The entity of an account that was seen."""
        return self._entity[account][0]

    def entities(self) -> pa.Table:
        """account_id, entity of all live accounts, in order."""
        # Accounts are only added, and keep their entity.
        if self._listed is None or len(self._listed) < len(self._entity):
            accounts = sorted(self._entity)
            names = [self._entity[account][0] for account in accounts]
            self._listed = pa.table(
                {"account_id": pa.array(accounts, pa.string()), "entity": pa.array(names, pa.string())}
            )
        return self._listed

    def models(self) -> AttributeModels:
        """Attributes and null models, at most `REFIT` behind the data."""
        if self._made.models is None or len(self._rows) > REFIT * self._made.rows:
            attributes = Attributes.from_table(self.table())
            self._made.models = AttributeModels(attributes, fit_models(attributes))
            self._made.rows = len(self._rows)
        return self._made.models

    def communities(self, engine: MemoryEngine) -> pa.Table:
        """entity, community, component; at most `RELINK` behind the data."""
        if self._made.communities is None or len(self._rows) > RELINK * self._made.linked_rows:
            if not self._rows:
                return COMMUNITIES_SCHEMA.empty_table()
            engine.put("account_attributes", self.table())
            for step in link_steps():
                if step.output in ("links", "communities"):
                    engine.run(step)
            self._made.communities = engine.table("communities")
            self._made.linked_rows = len(self._rows)
        return self._made.communities

    def table(self) -> pa.Table:
        """All attributes, in order."""
        rows = sorted(self._rows.items())
        columns = [pa.array([key[place] for key, _ in rows], pa.string()) for place in range(4)]
        return pa.table([*columns, pa.array([day for _, day in rows], pa.int64())], schema=ATTRIBUTES)

    def tables(self, live_since: int) -> tuple[pa.Table, pa.Table]:
        """The tables from which it can be restored: what was seen since day `live_since`."""
        rows = sorted((account, *held) for account, held in self._entity.items() if held[1] >= live_since)
        columns = [pa.array([row[place] for row in rows]) for place in range(3)]
        entities = pa.table(
            [column.cast(wanted.type) for column, wanted in zip(columns, ENTITIES, strict=True)],
            schema=ENTITIES,
        )
        # What an account has is live as long as the account is.
        live = set(entities.column("account_id").to_pylist())
        attributes = self.table()
        keep = pa.array(
            [account in live for account in attributes.column("account_id").to_pylist()], pa.bool_()
        )
        return attributes.filter(keep).combine_chunks(), entities
