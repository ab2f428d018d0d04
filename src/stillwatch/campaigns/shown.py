"""The groups that a reader is shown, and the step tables of what their accounts did in their templates."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import pyarrow as pa

from stillwatch.campaigns.membership import member_probabilities, share_ratios, tie_ratios, use_odds
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import Joined, JudgedGroup, campaigns, distinct
from stillwatch.campaigns.steps import matches_step
from stillwatch.engines.step import SqlStep, Step

MEMBER_THRESHOLD = 0.8

_EXCHANGES = """
WITH once AS (
    SELECT m.exchange_id AS exchange_id, MIN(m.candidate) AS candidate, MIN(m.template_id) AS template_id
    FROM shown_matches AS m
    JOIN signals AS x ON x.exchange_id = m.exchange_id
    JOIN shown_members AS e ON e.candidate = m.candidate AND e.entity = x.entity
    GROUP BY m.exchange_id
)
SELECT o.candidate AS candidate, o.template_id AS template_id, s.exchange_id AS exchange_id,
    s.account_id AS account_id, s.entity AS entity, s.ts AS ts, s.model AS model, s.capability AS capability,
    s.elicitation AS elicitation, s.rubric AS rubric, s.rewriting AS rewriting, s.answer_format AS answer_format,
    s.prompt_template AS prompt_template, e.probability AS probability
FROM once AS o
JOIN signals AS s ON s.exchange_id = o.exchange_id
JOIN shown_members AS e ON e.candidate = o.candidate AND e.entity = s.entity
"""

_ACCOUNTS = """
SELECT x.candidate AS candidate, x.account_id AS account_id, MAX(x.probability) AS probability,
    COUNT(*) AS n_exchanges, COUNT(*) * 1.0 / MAX(p.n_exchanges) AS share
FROM shown_exchanges AS x JOIN account_profiles AS p ON p.account_id = x.account_id
GROUP BY x.candidate, x.account_id
"""

_SPANS = """
SELECT candidate, COUNT(*) AS n_exchanges, COUNT(DISTINCT account_id) AS n_accounts,
    COUNT(DISTINCT entity) AS n_entities, MIN(ts) AS first_seen, MAX(ts) AS last_seen
FROM shown_exchanges GROUP BY candidate
"""

_MODELS = "SELECT candidate, model AS value, COUNT(*) AS n FROM shown_exchanges GROUP BY candidate, model"

_CAPABILITIES = """
SELECT candidate, capability AS value, COUNT(*) AS n FROM shown_exchanges
WHERE capability IS NOT NULL GROUP BY candidate, capability
"""

_HOURS = """
SELECT candidate, DATE_TRUNC('hour', ts) AS hour, COUNT(*) AS n_exchanges,
    COUNT(DISTINCT account_id) AS n_accounts
FROM shown_exchanges GROUP BY candidate, DATE_TRUNC('hour', ts)
"""

_TEMPLATES = """
WITH counted AS (
    SELECT candidate, template_id,
        CASE WHEN MIN(CASE WHEN prompt_template = template_id THEN 0 ELSE 1 END) = 0 THEN 'prompt'
             ELSE 'system_prompt' END AS field,
        COUNT(*) AS n_exchanges, COUNT(DISTINCT account_id) AS n_accounts,
        AVG(CASE WHEN elicitation >= 0.5 THEN 1.0 WHEN elicitation < 0.5 THEN 0.0 END) AS elicitation,
        AVG(CASE WHEN rubric >= 0.5 THEN 1.0 WHEN rubric < 0.5 THEN 0.0 END) AS rubric,
        AVG(CASE WHEN rewriting >= 0.5 THEN 1.0 WHEN rewriting < 0.5 THEN 0.0 END) AS rewriting,
        AVG(CASE WHEN answer_format >= 0.5 THEN 1.0 WHEN answer_format < 0.5 THEN 0.0 END) AS answer_format,
        MIN(exchange_id) AS example_exchange_id
    FROM shown_exchanges GROUP BY candidate, template_id
), mix AS (
    SELECT candidate, template_id, capability,
        ROW_NUMBER() OVER (PARTITION BY candidate, template_id ORDER BY COUNT(*) DESC, capability) AS place
    FROM shown_exchanges WHERE capability IS NOT NULL GROUP BY candidate, template_id, capability
), everywhere AS (
    SELECT template_id, COUNT(DISTINCT account_id) AS n FROM (
        SELECT prompt_template AS template_id, account_id FROM signals
        UNION ALL SELECT system_template AS template_id, account_id FROM signals
    ) AS used WHERE template_id IS NOT NULL GROUP BY template_id
)
SELECT c.candidate AS candidate, c.template_id AS template_id, c.field AS field, c.n_exchanges AS n_exchanges,
    c.n_accounts AS n_accounts, w.n AS n_accounts_everywhere, m.capability AS capability,
    c.elicitation AS elicitation, c.rubric AS rubric, c.rewriting AS rewriting, c.answer_format AS answer_format,
    c.example_exchange_id AS example_exchange_id
FROM counted AS c JOIN everywhere AS w ON w.template_id = c.template_id
LEFT JOIN mix AS m ON m.candidate = c.candidate AND m.template_id = c.template_id AND m.place = 1
"""


@dataclass(frozen=True)
class ShownGroup:
    """A campaign, or a tested group that is not one.

    Attributes:
        group_id: stable name.
        parts: judged groups that it consists of, the one with most exchanges first.
        extensions: groups that add templates, but no members.
        reported: whether it is a campaign.
        probabilities: of each entity to belong to it; entities below `MEMBER_THRESHOLD` are no members.
    """

    group_id: str
    parts: tuple[JudgedGroup, ...]
    extensions: tuple[JudgedGroup, ...]
    reported: bool
    probabilities: Mapping[str, float]

    @property
    def main(self) -> JudgedGroup:
        """The part whose tests are shown."""
        return self.parts[0]

    @property
    def members(self) -> dict[str, float]:
        """Entities and their probabilities; a group that is not reported has no doubtful members, only users."""
        return {
            entity: probability
            for entity, probability in self.probabilities.items()
            if probability >= MEMBER_THRESHOLD or not self.reported
        }


def shown_groups(judged: Sequence[JudgedGroup], usage: Usage, most_unreported: int) -> list[ShownGroup]:
    """Campaigns first, then the tested groups that are none, largest first."""
    groups = distinct(judged)
    reported = [group for group in groups if group.reported]
    joined = sorted(campaigns(reported), key=lambda one: -sum(part.n_exchanges for part in one.cores))
    others = sorted((group for group in groups if not group.reported), key=lambda group: -group.n_exchanges)
    taken: set[str] = set()
    shown = [_shown("c", one, usage, taken) for one in joined]
    return shown + [_shown("g", Joined([group], []), usage, taken) for group in others[:most_unreported]]


def _shown(prefix: str, joined: Joined, usage: Usage, taken: set[str]) -> ShownGroup:
    ordered = tuple(sorted(joined.cores, key=lambda part: (-part.n_exchanges, part.index)))
    group_id = next(name for name in _names(prefix, ordered[0], usage) if name not in taken)
    taken.add(group_id)
    probabilities = _probabilities(ordered, usage)
    return ShownGroup(group_id, ordered, tuple(joined.extensions), prefix == "c", probabilities)


def _names(prefix: str, main: JudgedGroup, usage: Usage) -> Iterator[str]:
    """Names of a group, the best first: by its most used template, which stays when accounts are replaced."""
    volume = np.asarray(main.volume.sum(axis=0)).ravel()
    template = str(usage.templates[int(volume.argmax())])
    for ordinal in count(1):
        yield f"{prefix}_{hashlib.sha256(f'{template} {ordinal}'.encode()).hexdigest()[:10]}"


def shown_tables(shown: Sequence[ShownGroup], usage: Usage) -> dict[str, pa.Table]:
    """`shown_templates` (candidate, template_id) and `shown_members` (candidate, entity, probability)."""
    templates: list[tuple[int, str]] = []
    members: list[tuple[int, str, float]] = []
    for number, group in enumerate(shown):
        parts = (*group.parts, *group.extensions)
        used = sorted({template for part in parts for template in part.tests.candidate.templates})
        templates += [(number, str(usage.templates[template])) for template in used]
        members += [(number, entity, probability) for entity, probability in sorted(group.members.items())]
    return {
        "shown_templates": pa.table(
            {
                "candidate": pa.array([row[0] for row in templates], pa.int64()),
                "template_id": pa.array([row[1] for row in templates], pa.string()),
            }
        ),
        "shown_members": pa.table(
            {
                "candidate": pa.array([row[0] for row in members], pa.int64()),
                "entity": pa.array([row[1] for row in members], pa.string()),
                "probability": pa.array([row[2] for row in members], pa.float64()),
            }
        ),
    }


def shown_steps() -> list[Step]:
    """Steps from `shown_templates` and `shown_members` to what the shown groups did."""
    exchanges = ("shown_exchanges",)
    return [
        matches_step("shown_matches", "shown_templates"),
        SqlStep("shown_exchanges", ("shown_matches", "signals", "shown_members"), _EXCHANGES),
        SqlStep("shown_accounts", ("shown_exchanges", "account_profiles"), _ACCOUNTS),
        SqlStep("shown_spans", exchanges, _SPANS),
        SqlStep("shown_models", exchanges, _MODELS),
        SqlStep("shown_capabilities", exchanges, _CAPABILITIES),
        SqlStep("shown_hours", exchanges, _HOURS),
        SqlStep("shown_template_use", ("shown_exchanges", "signals"), _TEMPLATES),
    ]


def _probabilities(parts: Sequence[JudgedGroup], usage: Usage) -> dict[str, float]:
    best: dict[str, float] = {}
    for part in parts:
        entities = usage.entities[part.tests.candidate.entities].tolist()
        for entity, probability in zip(entities, _part_probabilities(part, usage), strict=True):
            best[entity] = max(best.get(entity, 0.0), float(probability))
    return best


def _part_probabilities(part: JudgedGroup, usage: Usage) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    candidate = part.tests.candidate
    uses = np.asarray(usage.both[:, list(candidate.templates)].sum(axis=1), dtype=np.float64).ravel()
    ratios = {family: verdict.log_ratios for family, verdict in part.tests.verdicts.items()}
    ratios["ties"] = tie_ratios(usage.entities[candidate.entities].tolist(), part.tests.tied)
    own = np.maximum(uses[candidate.entities], 1.0)
    ratios["share"] = share_ratios(own, usage.totals.sum(axis=1)[candidate.entities])
    prior = use_odds(own, int((uses == 1).sum()))
    return member_probabilities(prior, ratios)
