"""What the users of reported templates asked, counted: exchanges that nothing here tells apart are one cell.

A cell is one account, template of the prompt, template of the system prompt and settings (model and limit of the
answer). Membership and the probabilities of exchanges are computed on cells, of which there are far fewer than
exchanges, and taken back to the exchanges by a join.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stillwatch.engines.step import SqlStep, Step
from stillwatch.exchange.numbering import coded, numbered, places_in

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

LEAST_LIFE = 3
"""Fewest exchanges of an account whose settings say what is usual."""
MOST_ACCOUNTS = 20_000
"""About how many accounts are asked what is usual."""

# Where a template or a limit is missing, that is a value like any other.
SETTINGS = "CONCAT(s.model, ' ', COALESCE(CAST(s.max_output_tokens AS VARCHAR), '-'))"
KEYS = f"""COALESCE(s.prompt_template, '') AS prompt_template, COALESCE(s.system_template, '') AS system_template,
    {SETTINGS} AS settings"""

_USER_CELLS = """
WITH users AS (
    SELECT s.entity AS entity FROM signals AS s JOIN {templates} AS t ON t.template_id = s.prompt_template
    UNION
    SELECT s.entity AS entity FROM signals AS s JOIN {templates} AS t ON t.template_id = s.system_template
), keyed AS (
    SELECT s.entity AS entity, s.account_id AS account_id, s.ts AS ts, {keys}
    FROM signals AS s JOIN users AS u ON u.entity = s.entity
)
SELECT entity, account_id, prompt_template, system_template, settings, COUNT(*) AS n, MIN(ts) AS first_ts,
    MAX(ts) AS last_ts
FROM keyed GROUP BY entity, account_id, prompt_template, system_template, settings
ORDER BY account_id, prompt_template, system_template, settings
"""

_CELLS_OF_USERS = """
WITH users AS (
    SELECT c.entity AS entity FROM {cells} AS c JOIN {templates} AS t ON t.template_id = c.prompt_template
    UNION
    SELECT c.entity AS entity FROM {cells} AS c JOIN {templates} AS t ON t.template_id = c.system_template
)
SELECT c.entity AS entity, c.account_id AS account_id, c.prompt_template AS prompt_template,
    c.system_template AS system_template, c.settings AS settings, c.n AS n, c.first_ts AS first_ts,
    c.last_ts AS last_ts
FROM {cells} AS c JOIN users AS u ON u.entity = c.entity
ORDER BY account_id, prompt_template, system_template, settings
"""

_ACCOUNT_SETTINGS = f"""
WITH listed AS (
    SELECT account_id, ROW_NUMBER() OVER (ORDER BY account_id) AS place, COUNT(*) OVER () AS total
    FROM account_profiles WHERE n_exchanges >= {LEAST_LIFE}
), picked AS (
    SELECT account_id FROM listed WHERE MOD(place, 1 + CAST(FLOOR(total / {MOST_ACCOUNTS}.0) AS BIGINT)) = 0
), keyed AS (
    SELECT s.account_id AS account_id, s.ts AS ts, {SETTINGS} AS settings
    FROM signals AS s JOIN picked AS p ON p.account_id = s.account_id
)
SELECT account_id, settings, COUNT(*) AS n, MIN(ts) AS first_ts, MAX(ts) AS last_ts
FROM keyed GROUP BY account_id, settings ORDER BY account_id, settings
"""


@dataclass(frozen=True)
class Cells:
    """Counted exchanges; arrays of shape (n_cells,) unless said otherwise.

    Attributes:
        accounts: names, shape (n_accounts,).
        entities: name of each account's entity, shape (n_accounts,).
        templates: names, shape (n_templates,); the first is the empty name, for no template.
        settings: names, shape (n_settings,).
        account, prompt, system, setting: indices into the above.
        n: exchanges.
        first, last: microseconds since 1970.
    """

    accounts: NDArray[np.str_]
    entities: NDArray[np.str_]
    templates: NDArray[np.str_]
    settings: NDArray[np.str_]
    account: IntArray
    prompt: IntArray
    system: IntArray
    setting: IntArray
    n: FloatArray
    first: IntArray
    last: IntArray

    @cached_property
    def totals(self) -> FloatArray:
        """All exchanges of each account, shape (n_accounts,)."""
        return np.asarray(
            np.bincount(self.account, weights=self.n, minlength=len(self.accounts)), dtype=np.float64
        )

    @cached_property
    def pair(self) -> IntArray:
        """Number of the cell's pair of templates, dense."""
        n = len(self.templates)
        return numbered(self.prompt * n + self.system, n * n)[1]

    def touching(self, templates: Sequence[str] | NDArray[np.str_]) -> NDArray[np.bool_]:
        """Cells whose prompt or system prompt is of one of these templates."""
        wanted = np.isin(self.templates, np.asarray(templates, dtype=np.str_)) & (self.templates != "")
        return np.asarray(wanted[self.prompt] | wanted[self.system])


@dataclass(frozen=True)
class UsualSettings:
    """Settings of a sample of all accounts; arrays of shape (n,) unless said otherwise.

    Attributes:
        accounts: names, shape (n_accounts,).
        account: index into `accounts`.
        setting: index into `Cells.settings`, or -1 for one that is not there.
        n: exchanges.
        first, last: microseconds since 1970.
    """

    accounts: NDArray[np.str_]
    account: IntArray
    setting: IntArray
    n: FloatArray
    first: IntArray
    last: IntArray


def cells_step(output: str, templates: str) -> Step:
    """Cells of all entities that use one of the templates in the table `templates` (column template_id)."""
    return SqlStep(output, ("signals", templates), _USER_CELLS.format(templates=templates, keys=KEYS))


def cells_of_users_step(output: str, cells: str, templates: str) -> Step:
    """What `cells_step` makes for `templates`, out of the table `cells` that it made for more templates than these:
    the exchanges are not counted again.
    """
    return SqlStep(output, (cells, templates), _CELLS_OF_USERS.format(cells=cells, templates=templates))


def settings_step() -> Step:
    """`account_settings` from `signals` and `account_profiles`: settings of a sample of accounts."""
    return SqlStep("account_settings", ("signals", "account_profiles"), _ACCOUNT_SETTINGS)


def read_cells(table: pa.Table) -> Cells:
    """Read a table that `cells_step` made."""
    accounts, account = coded(table.column("account_id"))
    entities, entity = coded(table.column("entity"))
    of_account = np.zeros(len(accounts), dtype=np.int64)
    of_account[account] = entity
    fields = [table.column(f"{field}_template") for field in ("prompt", "system")]
    empty = pa.chunked_array([pa.array([""], pa.string())])
    templates, template = coded(
        pa.chunked_array([*empty.chunks, *fields[0].chunks, *fields[1].chunks], pa.string())
    )
    prompt, system = template[1 : len(table) + 1], template[len(table) + 1 :]
    settings, setting = coded(table.column("settings"))
    return Cells(
        _names(accounts),
        _names(entities.take(pa.array(of_account))),
        _names(templates),
        _names(settings),
        account,
        prompt,
        system,
        setting,
        *_counts(table),
    )


def read_settings(table: pa.Table, cells: Cells) -> UsualSettings:
    """Read the table `account_settings` in the numbers of `cells`."""
    accounts, account = coded(table.column("account_id"))
    setting = places_in(pa.array(cells.settings.tolist(), pa.string()), table.column("settings"))
    return UsualSettings(_names(accounts), account, setting, *_counts(table))


def _counts(table: pa.Table) -> tuple[FloatArray, IntArray, IntArray]:
    n = table.column("n").to_numpy().astype(np.float64)
    first, last = (table.column(f"{end}_ts").cast(pa.int64()).to_numpy() for end in ("first", "last"))
    return n, first, last


def _names(names: pa.Array) -> NDArray[np.str_]:
    return np.asarray(names.to_pylist(), dtype=np.str_)
