"""Accounts that share attributes: pairs and groups by our null model, and by Splink's model of record linkage."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.side import OURS, Comparison, Side, Task

KINDS = ("payment", "prefix", "client", "email_domain", "birth")
CAP = 200
"""Values with more holders make no pairs, on both sides (our default)."""
SINGLE = ("chat_users", "coding_agent", "release_enthusiasts", "viral_template", "vpn_users")
"""Populations of people who have nothing to do with each other: a pair within them is chance too."""
_WARM = 1_500

# Splink compares one value of a kind: of those that are shared the rarest, which is the one that says most.
_RECORDS = f"""
WITH held AS (SELECT DISTINCT entity, kind, value FROM attributes),
counted AS (SELECT *, COUNT(*) OVER (PARTITION BY kind, value) AS holders FROM held)
SELECT entity AS unique_id, {
    ", ".join(
        f"COALESCE(ARG_MIN(value, holders) FILTER (kind = '{kind}' AND holders > 1), "
        f"ANY_VALUE(value ORDER BY value) FILTER (kind = '{kind}')) AS {kind}, "
        f"ARG_MIN(value, holders) FILTER (kind = '{kind}' AND holders BETWEEN 2 AND {CAP}) AS {kind}_capped"
        for kind in KINDS
    )
} FROM counted GROUP BY 1 ORDER BY 1
"""


def count(material: Path) -> int:
    """Accounts, declared organisations counted once."""
    return len(pc.unique(pq.read_table(material / "attributes.parquet", columns=["entity"]).column("entity")))


def verdict(pairs: Iterable[tuple[str, str]], material: Path) -> Mapping[str, float]:
    """How many pairs there are, how many of one campaign, and the percentage that chance alone brought together."""
    truth = pq.read_table(material / "truth.parquet").to_pydict()
    population = dict(zip(truth["entity"], truth["population"], strict=True))
    campaign = dict(zip(truth["entity"], truth["campaign"], strict=True))
    found = list(pairs)
    together = sum(campaign[a] is not None and campaign[a] == campaign[b] for a, b in found)
    chance = sum(population[a] != population[b] or population[a].startswith(SINGLE) for a, b in found)
    return {"pairs": len(found), "together": together, "chance": 100 * chance / max(len(found), 1)}


def _attributes(material: Path) -> tuple[pa.Table, pa.Table]:
    """Few entities for the warm-up, and all of them."""
    table = pq.read_table(material / "attributes.parquet")
    few = pc.unique(table.column("entity"))[:_WARM]
    return table.filter(pc.is_in(table.column("entity"), few)), table


def ours(material: Path) -> Task:
    from stillwatch.engines.memory import MemoryEngine  # noqa: PLC0415
    from stillwatch.links.settings import LinkSettings  # noqa: PLC0415
    from stillwatch.links.steps import link_steps  # noqa: PLC0415

    def link(attributes: pa.Table) -> Any:
        engine = MemoryEngine(material / "spill", threads=1)
        engine.put("account_attributes", attributes)
        for step in link_steps(LinkSettings(cap=CAP)):
            if step.output in ("links", "communities"):
                engine.run(step)
        links = engine.table("links")
        engine.close()
        return links

    def facts(links: pa.Table) -> Mapping[str, float]:
        pairs = links.group_by(["entity_a", "entity_b"]).aggregate([])
        return verdict(zip(*(column.to_pylist() for column in pairs.columns), strict=True), material)

    few, whole = _attributes(material)
    return Task(lambda: link(few), lambda: link(whole), facts)


def splink_sure(material: Path) -> Task:
    return _splink(material, 0.95)


def splink_likely(material: Path) -> Task:
    return _splink(material, 0.5)


def _splink(material: Path, probability: float) -> Task:
    import duckdb  # noqa: PLC0415
    import splink.comparison_library as compare  # noqa: PLC0415
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on  # noqa: PLC0415

    logging.getLogger("splink").setLevel(logging.ERROR)
    rules = [block_on(f"{kind}_capped") for kind in KINDS]
    settings = SettingsCreator(
        link_type="dedupe_only",
        comparisons=[compare.ExactMatch(kind).configure(term_frequency_adjustments=True) for kind in KINDS],
        blocking_rules_to_generate_predictions=rules,
    )

    def link(attributes: pa.Table) -> Any:
        connection = duckdb.connect(config={"threads": 1})
        connection.register("attributes", attributes)
        connection.execute(f"CREATE TABLE accounts AS {_RECORDS}")
        linker = Linker("accounts", settings, db_api=DuckDBAPI(connection))
        train = linker.training
        train.estimate_probability_two_random_records_match([rules[0]], recall=0.3)
        train.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        # Each trains what the other blocks on.
        for rule in rules[:2]:
            train.estimate_parameters_using_expectation_maximisation(rule)
        pairs = linker.inference.predict(threshold_match_probability=probability)
        linker.clustering.cluster_pairwise_predictions_at_threshold(
            pairs, threshold_match_probability=probability
        )
        return pairs.as_duckdbpyrelation().project("unique_id_l, unique_id_r").fetchall()

    few, whole = _attributes(material)
    return Task(lambda: link(few), lambda: link(whole), lambda pairs: verdict(pairs, material))


COMPARISON = Comparison(
    "Account linking",
    "One table of who has which payment instrument, network prefix, client, e-mail domain and hour of birth, to "
    f"tied pairs and groups. Values with more than {CAP} holders make no pair. A pair is chance where its "
    "accounts are of two populations, or of one whose people have nothing to do with each other.",
    "accounts",
    count,
    (
        Side(
            OURS,
            ours,
            None,
            "All values of each kind; pairs at a false-discovery rate of 1 % against a null model of the degrees; "
            "communities. Counts how often a pair shares, hence repeated networks; no labels, no training.",
        ),
        Side(
            "Splink, probability 0.95",
            splink_sure,
            "splink",
            "Fellegi-Sunter with term frequencies, fitted by expectation maximisation, one value of each kind (the "
            "rarest that is shared); clusters are connected components. More than ours: fuzzy comparison of "
            "names and addresses, several tables, charts. Less: no error rate that holds, no null for many pairs.",
        ),
        Side("Splink, probability 0.5", splink_likely, "splink", "The same, less strict."),
    ),
    {
        "pairs": ("pairs", "{:,.0f}"),
        "together": ("of one campaign", "{:,.0f}"),
        "chance": ("chance, % of pairs", "{:.1f}"),
    },
    linear=False,
)
