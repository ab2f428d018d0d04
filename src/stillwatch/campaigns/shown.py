"""The groups that a reader is shown, and the step tables of what their accounts did in their templates."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import pyarrow as pa

from stillwatch.campaigns.belonging import belonging_steps
from stillwatch.campaigns.cells import KEYS, Cells, cells_step
from stillwatch.campaigns.members import entity_probabilities
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import Joined, JudgedGroup, campaigns, distinct
from stillwatch.campaigns.steps import pairs_steps, put_step
from stillwatch.engines.step import SqlStep, Step

MEMBER_THRESHOLD = 0.8

LIKELY = 0.5
"""Least probability of an exchange that is flagged."""

# An exchange goes to a campaign whose templates it has, of these to the one that it most probably belongs to: accounts
# that work for one campaign alone may have work of another, too. All exchanges of a cell are alike, so that cells are
# shared out, not exchanges.
_CELLS = f"""
WITH likely AS (
    SELECT candidate, account_id, prompt_template, system_template, settings, probability,
        ROW_NUMBER() OVER (
            PARTITION BY account_id, prompt_template, system_template, settings
            ORDER BY CASE WHEN shared > 0 THEN 0 ELSE 1 END, probability DESC, candidate
        ) AS place
    FROM cell_probabilities WHERE probability >= {LIKELY}
)
SELECT l.candidate AS candidate, l.account_id AS account_id, l.prompt_template AS prompt_template,
    l.system_template AS system_template, l.settings AS settings, x.template_id AS template_id,
    l.probability AS probability
FROM likely AS l
LEFT JOIN shown_pairs AS x ON x.candidate = l.candidate AND x.prompt_template = l.prompt_template
    AND x.system_template = l.system_template
WHERE l.place = 1
"""

# What is left of the shown groups' templates goes to the first of the groups that are no campaigns.
_REST = """
WITH others AS (
    SELECT x.candidate AS candidate, x.prompt_template AS prompt_template, x.system_template AS system_template,
        x.template_id AS template_id
    FROM shown_pairs AS x LEFT JOIN campaign_numbers AS n ON n.candidate = x.candidate
    WHERE n.candidate IS NULL
), pairs AS (
    SELECT DISTINCT prompt_template, system_template FROM others
), used AS (
    SELECT DISTINCT s.entity AS entity, p.prompt_template AS prompt_template, p.system_template AS system_template
    FROM signals AS s JOIN pairs AS p ON p.prompt_template = COALESCE(s.prompt_template, '')
        AND p.system_template = COALESCE(s.system_template, '')
)
SELECT u.entity AS entity, u.prompt_template AS prompt_template, u.system_template AS system_template,
    MIN(o.candidate) AS candidate, MIN(o.template_id) AS template_id, MIN(e.probability) AS probability
FROM used AS u
JOIN others AS o ON o.prompt_template = u.prompt_template AND o.system_template = u.system_template
JOIN shown_members AS e ON e.candidate = o.candidate AND e.entity = u.entity
GROUP BY u.entity, u.prompt_template, u.system_template
"""

_CHOSEN = "CASE WHEN c.candidate IS NULL THEN r.template_id ELSE c.template_id END"

_EXCHANGES = f"""
WITH keyed AS (
    SELECT s.exchange_id AS exchange_id, s.account_id AS account_id, s.entity AS entity, s.ts AS ts,
        s.model AS model, s.capability AS capability, s.elicitation >= 0.5 AS elicitation, s.rubric >= 0.5 AS rubric,
        s.rewriting >= 0.5 AS rewriting, s.answer_format >= 0.5 AS answer_format, {KEYS}
    FROM signals AS s
)
SELECT COALESCE(c.candidate, r.candidate) AS candidate,
    {_CHOSEN} AS template_id,
    k.exchange_id AS exchange_id, k.account_id AS account_id, k.entity AS entity, k.ts AS ts, k.model AS model,
    k.capability AS capability, k.elicitation AS elicitation, k.rubric AS rubric, k.rewriting AS rewriting,
    k.answer_format AS answer_format,
    k.prompt_template = {_CHOSEN} AS of_prompt,
    COALESCE(c.probability, r.probability) AS probability
FROM keyed AS k
LEFT JOIN shown_cells AS c ON c.account_id = k.account_id AND c.prompt_template = k.prompt_template
    AND c.system_template = k.system_template AND c.settings = k.settings
LEFT JOIN shown_rest AS r ON r.entity = k.entity AND r.prompt_template = k.prompt_template
    AND r.system_template = k.system_template
WHERE c.candidate IS NOT NULL OR r.candidate IS NOT NULL
"""

_ACCOUNTS = """
WITH counted AS (
    SELECT x.candidate AS candidate, x.account_id AS account_id, x.entity AS entity, COUNT(*) AS n_exchanges
    FROM shown_exchanges AS x GROUP BY x.candidate, x.account_id, x.entity
)
SELECT c.candidate AS candidate, c.account_id AS account_id, c.entity AS entity, e.probability AS probability,
    c.n_exchanges AS n_exchanges, COALESCE(b.share, c.n_exchanges * 1.0 / p.n_exchanges) AS share,
    b.share_low AS share_low, b.share_high AS share_high
FROM counted AS c
JOIN account_profiles AS p ON p.account_id = c.account_id
JOIN shown_members AS e ON e.candidate = c.candidate AND e.entity = c.entity
LEFT JOIN account_shares AS b ON b.candidate = c.candidate AND b.account_id = c.account_id
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

# Accounts are counted by grouping twice: a set for each hour costs half as much again.
_HOURS = """
WITH active AS (
    SELECT candidate, DATE_TRUNC('hour', ts) AS hour, account_id, COUNT(*) AS n
    FROM shown_exchanges GROUP BY candidate, DATE_TRUNC('hour', ts), account_id
)
SELECT candidate, hour, CAST(SUM(n) AS BIGINT) AS n_exchanges, COUNT(*) AS n_accounts
FROM active GROUP BY candidate, hour
"""

# A template's example is its earliest exchange: files of exchanges are about in order of time, and most templates begin
# near each other, so that the texts of all examples stand in few places.
_TEMPLATES = """
WITH counted AS (
    SELECT candidate, template_id,
        CASE WHEN MAX(CASE WHEN of_prompt THEN 1 ELSE 0 END) = 1 THEN 'prompt' ELSE 'system_prompt' END AS field,
        COUNT(*) AS n_exchanges, COUNT(DISTINCT account_id) AS n_accounts,
        AVG(CASE WHEN elicitation THEN 1.0 WHEN NOT elicitation THEN 0.0 END) AS elicitation,
        AVG(CASE WHEN rubric THEN 1.0 WHEN NOT rubric THEN 0.0 END) AS rubric,
        AVG(CASE WHEN rewriting THEN 1.0 WHEN NOT rewriting THEN 0.0 END) AS rewriting,
        AVG(CASE WHEN answer_format THEN 1.0 WHEN NOT answer_format THEN 0.0 END) AS answer_format,
        MIN(ts) AS example_ts
    FROM shown_exchanges WHERE template_id IS NOT NULL GROUP BY candidate, template_id
), examples AS (
    SELECT x.candidate AS candidate, x.template_id AS template_id, MIN(x.exchange_id) AS example_exchange_id
    FROM shown_exchanges AS x JOIN counted AS c ON c.candidate = x.candidate AND c.template_id = x.template_id
        AND c.example_ts = x.ts
    GROUP BY x.candidate, x.template_id
), mix AS (
    SELECT candidate, template_id, capability,
        ROW_NUMBER() OVER (PARTITION BY candidate, template_id ORDER BY COUNT(*) DESC, capability) AS place
    FROM shown_exchanges WHERE capability IS NOT NULL GROUP BY candidate, template_id, capability
), templates AS (
    SELECT DISTINCT template_id FROM shown_templates
), everywhere AS (
    SELECT template_id, COUNT(DISTINCT account_id) AS n FROM (
        SELECT t.template_id AS template_id, s.account_id AS account_id
        FROM signals AS s JOIN templates AS t ON t.template_id = s.prompt_template
        UNION ALL
        SELECT t.template_id AS template_id, s.account_id AS account_id
        FROM signals AS s JOIN templates AS t ON t.template_id = s.system_template
    ) AS used GROUP BY template_id
)
SELECT c.candidate AS candidate, c.template_id AS template_id, c.field AS field, c.n_exchanges AS n_exchanges,
    c.n_accounts AS n_accounts, w.n AS n_accounts_everywhere, m.capability AS capability,
    c.elicitation AS elicitation, c.rubric AS rubric, c.rewriting AS rewriting, c.answer_format AS answer_format,
    e.example_exchange_id AS example_exchange_id, c.example_ts AS example_ts
FROM counted AS c JOIN everywhere AS w ON w.template_id = c.template_id
JOIN examples AS e ON e.candidate = c.candidate AND e.template_id = c.template_id
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


_Known = tuple[Cells | None, Sequence[JudgedGroup]]


def shown_groups(
    judged: Sequence[JudgedGroup],
    usage: Usage,
    most_unreported: int,
    cells: Cells | None = None,
    tested: Sequence[JudgedGroup] | None = None,
) -> list[ShownGroup]:
    """Campaigns first, then the tested groups that are none, largest first.

    Args:
        judged: groups that may be shown.
        usage: who used which template.
        most_unreported: most groups shown that are no campaigns.
        cells: of all users of the reported groups' templates (`user_cells`); without them members are told less well.
        tested: all tested groups, where `judged` is only a part of them.
    """
    everything = judged if tested is None else tested
    groups = distinct(judged, usage)
    reported = [group for group in groups if group.reported]
    joined = sorted(campaigns(reported), key=lambda one: -sum(part.n_exchanges for part in one.cores))
    others = sorted((group for group in groups if not group.reported), key=lambda group: -group.n_exchanges)
    taken: set[str] = set()
    shown = [_shown("c", one, usage, taken, (cells, everything)) for one in joined]
    rest = [_shown("g", Joined([group], []), usage, taken, (None, ())) for group in others[:most_unreported]]
    return shown + rest


def _shown(prefix: str, joined: Joined, usage: Usage, taken: set[str], known: _Known) -> ShownGroup:
    ordered = tuple(sorted(joined.cores, key=lambda part: (-part.n_exchanges, part.index)))
    group_id = next(name for name in _names(prefix, ordered[0], usage) if name not in taken)
    taken.add(group_id)
    # Newcomers join campaigns only.
    probabilities = entity_probabilities(ordered, usage, *known, newcomers=prefix == "c")
    return ShownGroup(group_id, ordered, tuple(joined.extensions), prefix == "c", probabilities)


def _names(prefix: str, main: JudgedGroup, usage: Usage) -> Iterator[str]:
    """Names of a group, the best first: by its most used template, which stays when accounts are replaced."""
    candidate = main.tests.candidate
    template = str(usage.templates[candidate.templates[int(candidate.volumes.argmax())]])
    for ordinal in count(1):
        yield f"{prefix}_{hashlib.sha256(f'{template} {ordinal}'.encode()).hexdigest()[:10]}"


def shown_tables(shown: Sequence[ShownGroup], usage: Usage) -> dict[str, pa.Table]:
    """The tables that `shown_steps` starts from.

    Returns:
        shown_templates and campaign_templates (candidate, template_id), shown_members and campaign_members
        (candidate, entity, probability), of all shown groups and of those that are campaigns; campaign_numbers
        (candidate).
    """
    templates: list[tuple[int, str]] = []
    members: list[tuple[int, str, float]] = []
    for number, group in enumerate(shown):
        parts = (*group.parts, *group.extensions)
        used = sorted({template for part in parts for template in part.tests.candidate.templates})
        templates += [(number, str(usage.templates[template])) for template in used]
        members += [(number, entity, probability) for entity, probability in sorted(group.members.items())]
    campaigns_only = {number for number, group in enumerate(shown) if group.reported}
    return {
        "shown_templates": _template_table(templates),
        "campaign_templates": _template_table([row for row in templates if row[0] in campaigns_only]),
        "shown_members": _member_table(members),
        "campaign_members": _member_table([row for row in members if row[0] in campaigns_only]),
        "campaign_numbers": pa.table({"candidate": pa.array(sorted(campaigns_only), pa.int64())}),
    }


def _template_table(rows: Sequence[tuple[int, str]]) -> pa.Table:
    return pa.table(
        {
            "candidate": pa.array([row[0] for row in rows], pa.int64()),
            "template_id": pa.array([row[1] for row in rows], pa.string()),
        }
    )


def _member_table(rows: Sequence[tuple[int, str, float]]) -> pa.Table:
    return pa.table(
        {
            "candidate": pa.array([row[0] for row in rows], pa.int64()),
            "entity": pa.array([row[1] for row in rows], pa.string()),
            "probability": pa.array([row[2] for row in rows], pa.float64()),
        }
    )


def user_cells_steps(judged: Sequence[JudgedGroup], usage: Usage) -> list[Step]:
    """Steps to `user_cells`: what the users of the reported groups' templates did (for `shown_groups`)."""
    used = sorted({t for group in judged if group.reported for t in group.tests.candidate.templates})
    names = pa.table({"template_id": pa.array([str(usage.templates[t]) for t in used], pa.string())})
    return [put_step("reported_templates", names), cells_step("user_cells", "reported_templates")]


def shown_steps() -> list[Step]:
    """Steps from `shown_tables` and `user_cells` to what the shown groups did."""
    exchanges = ("shown_exchanges",)
    return [
        *pairs_steps("shown", "shown_templates"),
        *belonging_steps(),
        SqlStep("shown_cells", ("cell_probabilities", "shown_pairs"), _CELLS),
        SqlStep("shown_rest", ("signals", "shown_pairs", "shown_members", "campaign_numbers"), _REST),
        SqlStep("shown_exchanges", ("signals", "shown_cells", "shown_rest"), _EXCHANGES),
        SqlStep(
            "shown_accounts", (*exchanges, "account_profiles", "shown_members", "account_shares"), _ACCOUNTS
        ),
        SqlStep("shown_spans", exchanges, _SPANS),
        SqlStep("shown_models", exchanges, _MODELS),
        SqlStep("shown_capabilities", exchanges, _CAPABILITIES),
        SqlStep("shown_hours", exchanges, _HOURS),
        SqlStep("shown_template_use", (*exchanges, "signals", "shown_templates"), _TEMPLATES),
    ]
