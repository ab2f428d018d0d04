"""Steps from `signals` and links to judged groups: who uses what, candidates, their exchanges."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillwatch.campaigns.candidates import Candidate, CandidateSettings, candidates
from stillwatch.campaigns.output_maximisation import OUTPUTS_STEP, USERS_OF_USAGE_STEP
from stillwatch.campaigns.repetition import Usage, usage_from_tables
from stillwatch.campaigns.thinning import thinnings
from stillwatch.engines.step import DriverStep, SqlStep, Step
from stillwatch.exchange.numbering import places_in, runs
from stillwatch.signals.kinship import template_kin

# A task is repeated where the same was asked before among the same exchanges, by anybody, more than an hour ago.
# Copies within the hour are not: a retry, or several answers to choose the best from. Where there is no text,
# nothing says that a task is new. Most tasks are asked once, in whatever templates: only the others are looked at by
# template, and looked up again.
_USAGE = """
WITH repeated AS (
    SELECT task FROM signals WHERE task IS NOT NULL
    GROUP BY task HAVING MAX(ts) > MIN(ts) + INTERVAL 1 HOUR
), listed AS (
    SELECT s.prompt_template AS prompt_template, s.system_template AS system_template, s.task AS task, s.ts AS ts
    FROM signals AS s JOIN repeated AS r ON r.task = s.task
), again AS (
    SELECT template_id, task, MIN(ts) AS first_ts FROM (
        SELECT prompt_template AS template_id, task, ts FROM listed WHERE prompt_template IS NOT NULL
        UNION ALL
        SELECT system_template AS template_id, task, ts FROM listed WHERE system_template IS NOT NULL
    ) AS asked GROUP BY template_id, task HAVING MAX(ts) > MIN(ts) + INTERVAL 1 HOUR
), used AS (
    SELECT prompt_template AS template_id, entity, held_out, ts, task FROM signals
    WHERE prompt_template IS NOT NULL
    UNION ALL
    SELECT system_template AS template_id, entity, held_out, ts, task FROM signals
    WHERE system_template IS NOT NULL
)
SELECT u.template_id AS template_id, u.entity AS entity, u.held_out AS held_out, COUNT(*) AS n,
    SUM(CASE WHEN u.task IS NULL OR u.ts > a.first_ts + INTERVAL 1 HOUR THEN 1 ELSE 0 END) AS n_repeated
FROM used AS u LEFT JOIN again AS a ON a.template_id = u.template_id AND a.task = u.task
GROUP BY u.template_id, u.entity, u.held_out
"""

_TOTALS = """
SELECT entity, held_out, COUNT(*) AS n, MIN(ts) AS first_ts, MAX(ts) AS last_ts
FROM signals GROUP BY entity, held_out
"""

# Candidates are nested: an exchange stands in many. Which, its two templates alone decide, and of pairs of templates
# there are few; so exchanges are never listed by candidate, and never joined to each other.
_TEMPLATE_PAIRS = """
SELECT DISTINCT COALESCE(prompt_template, '') AS prompt_template, COALESCE(system_template, '') AS system_template
FROM signals WHERE prompt_template IS NOT NULL OR system_template IS NOT NULL
"""

# An exchange belongs to a group by the template of its prompt, else by that of its system prompt.
_GROUP_PAIRS = """
SELECT c.candidate AS candidate, p.prompt_template AS prompt_template, p.system_template AS system_template,
    c.template_id AS template_id, {columns}
FROM {pairs} AS p JOIN {templates} AS c ON c.template_id = p.prompt_template
UNION ALL
SELECT c.candidate AS candidate, p.prompt_template AS prompt_template, p.system_template AS system_template,
    c.template_id AS template_id, {columns}
FROM {pairs} AS p JOIN {templates} AS c ON c.template_id = p.system_template
LEFT JOIN {templates} AS o ON o.candidate = c.candidate AND o.template_id = p.prompt_template
WHERE o.template_id IS NULL
"""

_PAIR = (
    "COALESCE(s.prompt_template, '') AS prompt_template, COALESCE(s.system_template, '') AS system_template"
)

# All that decides about candidates is alike within an entity's pair of templates: those are looked up, not exchanges,
# of which there are many times as many.
_CELLS = f"""
WITH drawn AS (
    SELECT candidate, entity, place FROM candidate_entities WHERE drawn
), listed AS (
    SELECT DISTINCT entity FROM drawn
), used AS (
    SELECT DISTINCT s.entity AS entity, {_PAIR}
    FROM signals AS s JOIN listed AS l ON l.entity = s.entity
)
SELECT x.candidate AS candidate, u.entity AS name, u.prompt_template AS prompt_template,
    u.system_template AS system_template, e.place AS entity, x.place AS template, x.rate AS rate
FROM used AS u
JOIN drawn AS e ON e.entity = u.entity
JOIN candidate_pairs AS x ON x.candidate = e.candidate AND x.prompt_template = u.prompt_template
    AND x.system_template = u.system_template
"""

_OF_CELLS = """signals AS s
JOIN candidate_cells AS x ON x.name = s.entity AND x.prompt_template = COALESCE(s.prompt_template, '')
    AND x.system_template = COALESCE(s.system_template, '') AND s.draw < x.rate"""

# The rest of their columns is wide, and is read when it is known which tasks are repeated.
_DRAWN = f"""
SELECT x.candidate AS candidate, s.task AS task, s.ts AS ts FROM {_OF_CELLS} WHERE s.task IS NOT NULL
"""

# Only where a group was thinned must its other exchanges be asked what came first.
_TASKS_OF_THINNED = """
SELECT DISTINCT d.candidate AS candidate, d.task AS task
FROM candidate_drawn AS d JOIN candidate_rates AS r ON r.candidate = d.candidate
WHERE r.thinned
"""

# Most tasks are asked once, or again within the hour: they are nowhere repeated, and need no first time.
_FIRST_ASKED = f"""
WITH wanted AS (
    SELECT DISTINCT task FROM candidate_tasks
), recurring AS (
    SELECT s.task AS task FROM signals AS s JOIN wanted AS w ON w.task = s.task
    GROUP BY s.task HAVING MAX(s.ts) > MIN(s.ts) + INTERVAL 1 HOUR
), asked AS (
    SELECT s.entity AS entity, {_PAIR}, s.task AS task, MIN(s.ts) AS ts, MAX(s.ts) AS last_ts
    FROM signals AS s JOIN recurring AS r ON r.task = s.task
    GROUP BY 1, 2, 3, 4
), thinned AS (
    SELECT t.candidate AS candidate, t.task AS task, MIN(s.ts) AS first_ts
    FROM asked AS s
    JOIN candidate_tasks AS t ON t.task = s.task
    JOIN candidate_pairs AS x ON x.candidate = t.candidate AND x.prompt_template = s.prompt_template
        AND x.system_template = s.system_template
    JOIN candidate_entities AS e ON e.candidate = t.candidate AND e.entity = s.entity
    GROUP BY t.candidate, t.task HAVING MAX(s.last_ts) > MIN(s.ts) + INTERVAL 1 HOUR
)
SELECT candidate, task, first_ts FROM thinned
UNION ALL
SELECT d.candidate AS candidate, d.task AS task, MIN(d.ts) AS first_ts
FROM candidate_drawn AS d JOIN candidate_rates AS r ON r.candidate = d.candidate
WHERE NOT r.thinned
GROUP BY d.candidate, d.task HAVING MAX(d.ts) > MIN(d.ts) + INTERVAL 1 HOUR
"""

_SAMPLE = f"""
SELECT x.candidate AS candidate, x.entity AS entity, x.template AS template, s.ts AS ts, s.draw AS draw,
    s.content AS content, s.own_tokens AS own_tokens,
    COALESCE(s.ts > f.first_ts + INTERVAL 1 HOUR, s.task IS NULL) AS repeated, s.held_out AS held_out,
    s.elicitation AS elicitation, s.rubric AS rubric, s.rewriting AS rewriting, s.answer_format AS answer_format,
    s.model AS model
FROM {_OF_CELLS}
LEFT JOIN first_asked AS f ON f.candidate = x.candidate AND f.task = s.task
"""


CANDIDATE_TABLES = ("template_usage", "entity_totals", "communities", "template_kin")
"""Step tables that `find_candidates` reads."""
KINSHIPS = (0.1, 0.25)
"""Similarities from which templates are bundled as kin."""
ONE_WORDING = 0.35
"""Similarity from which two templates may be one prompt with another value in a slot: hardly less than in a family."""


def usage_steps() -> list[Step]:
    """`template_usage` (template_id, entity, held_out, n, n_repeated), `entity_totals` (entity, held_out, n, first_ts,
    last_ts), `template_kin` (template_a, template_b, similarity), `template_users` and `template_outputs`."""
    return [
        SqlStep("template_usage", ("signals",), _USAGE),
        SqlStep("entity_totals", ("signals",), _TOTALS),
        DriverStep(
            "template_kin", ("prompt_families",), lambda tables: template_kin(tables["prompt_families"])
        ),
        USERS_OF_USAGE_STEP,
        OUTPUTS_STEP,
    ]


def pairs_steps(output: str, templates: str, *columns: str) -> list[Step]:
    """Pairs of templates by the numbered groups that their exchanges belong to, with the template by which they do.

    Args:
        output: makes <output>_template_pairs (prompt_template, system_template; '' where there is none) and
            <output>_pairs: candidate, prompt_template, system_template, template_id, and `columns`.
        templates: table with candidate, template_id, and `columns`.
        columns: what to carry along.
    """
    pairs = f"{output}_template_pairs"
    listed = ", ".join(f"c.{name} AS {name}" for name in columns) or "TRUE AS given"
    sql = _GROUP_PAIRS.format(pairs=pairs, templates=templates, columns=listed)
    return [
        SqlStep(pairs, ("signals",), _TEMPLATE_PAIRS),
        SqlStep(f"{output}_pairs", (pairs, templates), sql),
    ]


def sample_steps() -> list[Step]:
    """Steps from the tables of `candidate_tables` to `candidate_sample`: the exchanges of every candidate, thinned to
    its rate, in no stated order; `entity` and `template` are places in the candidate's lists.

    A task is `repeated` where the same was asked before by anybody among all exchanges of the candidate, drawn or
    not: on what is left of a thinned group honest repeats would look new.
    """
    return [
        *pairs_steps("candidate", "candidate_templates", "place", "rate"),
        SqlStep("candidate_cells", ("signals", "candidate_pairs", "candidate_entities"), _CELLS),
        SqlStep("candidate_drawn", ("signals", "candidate_cells"), _DRAWN),
        SqlStep("candidate_tasks", ("candidate_drawn", "candidate_rates"), _TASKS_OF_THINNED),
        SqlStep(
            "first_asked",
            (
                "signals",
                "candidate_drawn",
                "candidate_tasks",
                "candidate_pairs",
                "candidate_entities",
                "candidate_rates",
            ),
            _FIRST_ASKED,
        ),
        SqlStep("candidate_sample", ("signals", "candidate_cells", "first_asked"), _SAMPLE),
    ]


def find_candidates(
    tables: Mapping[str, pa.Table], settings: CandidateSettings, threads: int = 1
) -> tuple[Usage, list[Candidate]]:
    """Candidates from the tables `template_usage`, `entity_totals`, `communities` (entity, community) and
    `template_kin` (template_a, template_b, similarity; no kin where it is missing)."""
    usage = usage_from_tables(tables["template_usage"], tables["entity_totals"])
    kin = kin_bundles(tables["template_kin"], usage) if "template_kin" in tables else []
    return usage, candidates(usage, communities_of(tables["communities"], usage), settings, kin, threads)


def candidate_tables(
    usage: Usage, found: Sequence[Candidate], cap: int, budget: int | None = None
) -> dict[str, pa.Table]:
    """The tables that `sample_steps` starts from.

    Args:
        usage: who used which template.
        found: the candidates.
        cap: about how many exchanges of a candidate are tested.
        budget: about how many exchanges are tested in all (`thinning.thinnings`); None for no bound.

    Returns:
        candidate_templates (candidate, template_id, place in the candidate's list, rate), candidate_entities
        (candidate, entity, place, drawn: whether its exchanges are tested), candidate_rates (candidate, rate, thinned:
        whether anything of it is left out).
    """
    thinned = thinnings(usage, found, cap, budget)
    templates = _listed(
        [np.array(c.templates, dtype=np.int64) for c in found], usage.templates, "template_id"
    )
    rates = np.array([one.rate for one in thinned])
    of_templates = np.repeat(rates, [len(c.templates) for c in found])
    entities = _listed([c.entities for c in found], usage.entities, "entity")
    drawn = np.concatenate([np.zeros(0, bool), *(one.drawn for one in thinned)])
    less = np.array([one.rate < 1 or not one.drawn.all() for one in thinned], dtype=bool)
    return {
        "candidate_templates": templates.append_column("rate", pa.array(of_templates, pa.float64())),
        "candidate_entities": entities.append_column("drawn", pa.array(drawn, pa.bool_())),
        "candidate_rates": pa.table(
            {
                "candidate": pa.array(range(len(found)), pa.int64()),
                "rate": pa.array(rates, pa.float64()),
                "thinned": pa.array(less, pa.bool_()),
            }
        ),
    }


def put_step(name: str, table: pa.Table) -> DriverStep:
    """A step that makes a table which is there already, so that it is kept and listed like any other."""
    return DriverStep(name, (), lambda _: table)


def _listed(groups: Sequence[NDArray[np.int64]], names: NDArray[np.str_], column: str) -> pa.Table:
    """candidate, name and place of every member of every group."""
    sizes = np.array([len(members) for members in groups], dtype=np.int64)
    members = np.concatenate([np.zeros(0, np.int64), *groups])
    candidate, place = runs(np.zeros_like(sizes), sizes)
    return pa.table(
        {
            "candidate": pa.array(candidate, pa.int64()),
            column: pa.array(names.tolist(), pa.string()).take(pa.array(members)),
            "place": pa.array(place, pa.int64()),
        }
    )


def kin_bundles(table: pa.Table, usage: Usage) -> list[tuple[int, ...]]:
    """Bundles of templates that kinship links, loosely and more closely."""
    found: set[tuple[int, ...]] = set()
    for least in KINSHIPS:
        label = _kindred(table, usage, least)
        order = np.argsort(label, kind="stable")
        # Only those with kin: a bundle of one is there already.
        several = np.bincount(label)[label[order]] > 1
        parts = np.split(order[several], np.flatnonzero(np.diff(label[order][several])) + 1)
        found.update(tuple(part.tolist()) for part in parts if len(part))
    return sorted(found)


def wordings(table: pa.Table, usage: Usage) -> NDArray[np.int64]:
    """Number of the wording of every template, shape (n_templates,): close kin are one.

    A prompt whose slots take few values (a language, a tone) falls into several families, which all its users mix
    alike because the program draws the values: that says nothing of who they are.
    """
    return _kindred(table, usage, ONE_WORDING)


def _kindred(table: pa.Table, usage: Usage, least: float) -> NDArray[np.int64]:
    """Connected component of every template over pairs of at least this similarity, shape (n_templates,)."""
    names = pa.array(usage.templates.tolist(), pa.string())
    row, column = (places_in(names, table.column(f"template_{side}")) for side in "ab")
    near = (row >= 0) & (column >= 0) & (table.column("similarity").to_numpy() >= least)
    shape = (len(names), len(names))
    graph = coo_array((np.ones(int(near.sum())), (row[near], column[near])), shape=shape)
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def communities_of(table: pa.Table, usage: Usage) -> list[NDArray[np.int64]]:
    """Communities, and the connected components they are parts of (one hand's clusters may have few ties)."""
    place = places_in(pa.array(usage.entities.tolist(), pa.string()), table.column("entity"))
    found: set[tuple[int, ...]] = set()
    for column in ("community", "component"):
        number = table.column(column).to_numpy()[place >= 0]
        order = np.lexsort((place[place >= 0], number))
        parts = np.split(place[place >= 0][order], np.flatnonzero(np.diff(number[order])) + 1)
        found.update(tuple(part.tolist()) for part in parts if len(part))
    return [np.array(group, dtype=np.int64) for group in sorted(found)]
