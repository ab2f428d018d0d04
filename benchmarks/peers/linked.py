"""What accounts share, as a scan reads it, and which of them belong together."""

from pathlib import Path

import duckdb
import pyarrow.parquet as pq

_TRUTH = """
SELECT account_entities.entity AS entity, MAX(labels.campaign_id) AS campaign,
    MODE(labels.stratum ORDER BY labels.stratum) AS population
FROM account_entities JOIN labels ON labels.account_id = account_entities.account_id
GROUP BY 1 ORDER BY 1
"""


def write_attributes(world: Path, folder: Path) -> None:
    """Read a simulated world; write attributes.parquet (entity, account_id, kind, value) and truth.parquet."""
    from stillwatch.engines.duckdb import DuckdbEngine  # noqa: PLC0415
    from stillwatch.links.attributes import attribute_steps  # noqa: PLC0415

    engine = DuckdbEngine(folder / "steps")
    engine.attach("exchanges", sorted((world / "dataset" / "exchanges").glob("*.parquet")))
    engine.attach("accounts", [world / "dataset" / "accounts.parquet"])
    engine.attach("labels", [world / "labels.parquet"])
    for step in attribute_steps():
        engine.run(step)
    engine.close()
    steps = folder / "steps"
    (steps / "account_attributes.parquet").replace(folder / "attributes.parquet")
    with duckdb.connect() as connection:
        for name, file in (
            ("labels", world / "labels.parquet"),
            ("account_entities", steps / "account_entities.parquet"),
        ):
            connection.from_parquet(str(file)).create_view(name)
        pq.write_table(connection.sql(_TRUTH).to_arrow_table(), folder / "truth.parquet")
