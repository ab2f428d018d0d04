"""Steps from `signals` and links to judged groups: who uses what, candidates, their exchanges."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillwatch.campaigns.candidates import Candidate, CandidateSettings, candidates
from stillwatch.campaigns.output_maximisation import OUTPUTS_STEP
from stillwatch.campaigns.repetition import Usage, usage_from_tables
from stillwatch.engines.step import DriverStep, SqlStep, Step
from stillwatch.signals.kinship import template_kin

# A task is repeated where the same was asked before among the same exchanges, by anybody, more than an hour ago.
# Copies within the hour are not: a retry, or several answers to choose the best from. Where there is no text,
# nothing says that a task is new.
_REPEATED = "COALESCE(ts > MIN(ts) OVER (PARTITION BY {scope}, task) + INTERVAL 1 HOUR OR task IS NULL, TRUE)"

_USAGE = f"""
WITH used AS (
    SELECT prompt_template AS template_id, entity, held_out, ts, task FROM signals
    WHERE prompt_template IS NOT NULL
    UNION ALL
    SELECT system_template AS template_id, entity, held_out, ts, task FROM signals
    WHERE system_template IS NOT NULL
), marked AS (
    SELECT template_id, entity, held_out, {_REPEATED.format(scope="template_id")} AS repeated FROM used
)
SELECT template_id, entity, held_out, COUNT(*) AS n,
    SUM(CASE WHEN repeated THEN 1 ELSE 0 END) AS n_repeated
FROM marked
GROUP BY template_id, entity, held_out
"""

_TOTALS = """
SELECT entity, held_out, COUNT(*) AS n, MIN(ts) AS first_ts, MAX(ts) AS last_ts
FROM signals GROUP BY entity, held_out
"""

# An exchange belongs to a candidate by the template of its prompt, else by that of its system prompt.
_MATCHES = """
SELECT c.candidate AS candidate, s.exchange_id AS exchange_id, c.template_id AS template_id
FROM signals AS s JOIN {templates} AS c ON c.template_id = s.prompt_template
UNION ALL
SELECT c.candidate AS candidate, s.exchange_id AS exchange_id, c.template_id AS template_id
FROM signals AS s JOIN {templates} AS c ON c.template_id = s.system_template
LEFT JOIN {templates} AS p ON p.candidate = c.candidate AND p.template_id = s.prompt_template
WHERE p.template_id IS NULL
"""

_SAMPLE = f"""
WITH asked AS (
    SELECT m.candidate AS candidate, m.template_id AS template_id, s.exchange_id AS exchange_id,
        s.entity AS entity, s.ts AS ts, s.task AS task, s.draw AS draw
    FROM candidate_matches AS m
    JOIN signals AS s ON s.exchange_id = m.exchange_id
    JOIN candidate_entities AS e ON e.candidate = m.candidate AND e.entity = s.entity
), marked AS (
    SELECT candidate, template_id, exchange_id, draw, {_REPEATED.format(scope="candidate")} AS repeated FROM asked
)
SELECT m.candidate AS candidate, s.entity AS entity, m.template_id AS template_id, s.ts AS ts,
    s.content AS content, s.draw AS draw, m.repeated AS repeated, s.held_out AS held_out,
    s.elicitation AS elicitation, s.rubric AS rubric, s.rewriting AS rewriting, s.answer_format AS answer_format,
    s.model AS model, s.n_messages AS n_messages, s.max_output_tokens AS max_output_tokens,
    s.output_tokens AS output_tokens
FROM marked AS m
JOIN candidate_rates AS r ON r.candidate = m.candidate
JOIN signals AS s ON s.exchange_id = m.exchange_id
WHERE m.draw < r.rate
"""


CANDIDATE_TABLES = ("template_usage", "entity_totals", "communities", "template_kin")
"""Step tables that `find_candidates` reads."""
KINSHIPS = (0.1, 0.25)
"""Similarities from which templates are bundled as kin."""


def usage_steps() -> list[Step]:
    """`template_usage` (template_id, entity, held_out, n, n_repeated), `entity_totals` (entity, held_out, n, first_ts,
    last_ts), `template_kin` (template_a, template_b, similarity) and `template_outputs`."""
    return [
        SqlStep("template_usage", ("signals",), _USAGE),
        SqlStep("entity_totals", ("signals",), _TOTALS),
        DriverStep(
            "template_kin", ("prompt_families",), lambda tables: template_kin(tables["prompt_families"])
        ),
        OUTPUTS_STEP,
    ]


def matches_step(output: str, templates: str) -> SqlStep:
    """Exchanges by the templates of numbered groups; `templates` has candidate, template_id."""
    return SqlStep(output, ("signals", templates), _MATCHES.format(templates=templates))


def sample_steps() -> list[Step]:
    """`candidate_matches` and `candidate_sample`: the exchanges of every candidate, thinned to its rate."""
    return [
        matches_step("candidate_matches", "candidate_templates"),
        SqlStep(
            "candidate_sample",
            ("candidate_matches", "signals", "candidate_entities", "candidate_rates"),
            _SAMPLE,
        ),
    ]


def find_candidates(
    tables: Mapping[str, pa.Table], settings: CandidateSettings
) -> tuple[Usage, list[Candidate]]:
    """Candidates from the tables `template_usage`, `entity_totals`, `communities` (entity, community) and
    `template_kin` (template_a, template_b, similarity; no kin where it is missing)."""
    usage = usage_from_tables(tables["template_usage"], tables["entity_totals"])
    kin = kin_bundles(tables["template_kin"], usage) if "template_kin" in tables else []
    return usage, candidates(usage, communities_of(tables["communities"], usage), settings, kin)


def candidate_tables(usage: Usage, found: list[Candidate], cap: int) -> dict[str, pa.Table]:
    """`candidate_templates`, `candidate_entities`, `candidate_rates` for the sample.

    Args:
        usage: who used which template.
        found: the candidates.
        cap: about how many exchanges of a candidate are tested.
    """
    volumes = [usage.volume(c.entities, c.templates) for c in found]
    rates = [min(1.0, cap / max(volume, 1.0)) for volume in volumes]
    return {
        "candidate_templates": _pairs([c.templates for c in found], usage.templates, "template_id"),
        "candidate_entities": _pairs([c.entities.tolist() for c in found], usage.entities, "entity"),
        "candidate_rates": pa.table(
            {"candidate": pa.array(range(len(found)), pa.int64()), "rate": pa.array(rates, pa.float64())}
        ),
    }


def put_step(name: str, table: pa.Table) -> DriverStep:
    """A step that makes a table which is there already, so that it is kept and listed like any other."""
    return DriverStep(name, (), lambda _: table)


def _pairs(groups: list[tuple[int, ...]] | list[list[int]], names: NDArray[np.str_], column: str) -> pa.Table:
    number = [index for index, members in enumerate(groups) for _ in members]
    values = [str(names[member]) for members in groups for member in members]
    return pa.table({"candidate": pa.array(number, pa.int64()), column: pa.array(values, pa.string())})


def kin_bundles(table: pa.Table, usage: Usage) -> list[tuple[int, ...]]:
    """Bundles of templates that kinship links, loosely and more closely."""
    position = {name: index for index, name in enumerate(usage.templates.tolist())}
    similarity = table.column("similarity").to_numpy()
    pairs = [
        (position.get(a, -1), position.get(b, -1))
        for a, b in zip(
            table.column("template_a").to_pylist(), table.column("template_b").to_pylist(), strict=True
        )
    ]
    found: set[tuple[int, ...]] = set()
    for least in KINSHIPS:
        near = [
            pair for pair, alike in zip(pairs, similarity, strict=True) if alike >= least and min(pair) >= 0
        ]
        row, column = np.array(near, dtype=np.int64).reshape(-1, 2).T
        graph = coo_array((np.ones(len(near)), (row, column)), shape=(len(position), len(position)))
        _, label = connected_components(graph, directed=False)
        order = np.argsort(label, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
        found.update(tuple(sorted(part.tolist())) for part in parts if len(part) > 1)
    return sorted(found)


def communities_of(table: pa.Table, usage: Usage) -> list[NDArray[np.int64]]:
    """Communities, and the connected components they are parts of (one hand's clusters may have few ties)."""
    position = {name: index for index, name in enumerate(usage.entities.tolist())}
    entities = table.column("entity").to_pylist()
    found: set[tuple[int, ...]] = set()
    for column in ("community", "component"):
        members: dict[int, list[int]] = {}
        for entity, number in zip(entities, table.column(column).to_pylist(), strict=True):
            if entity in position:
                members.setdefault(number, []).append(position[entity])
        found.update(tuple(sorted(group)) for group in members.values())
    return [np.array(group, dtype=np.int64) for group in sorted(found)]
