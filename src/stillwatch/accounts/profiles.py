"""What one account does: volume, days, models, clients, and the tool it speaks through.

Volume is described here and is a stratum to condition on; no verdict rests on it.
"""

from stillwatch.engines.step import SqlStep, Step

_PROFILES = """
SELECT account_id, MIN(entity) AS entity, COUNT(*) AS n_exchanges, MIN(ts) AS first_seen, MAX(ts) AS last_seen,
    COUNT(DISTINCT CAST(ts AS DATE)) AS active_days
FROM signals GROUP BY account_id
"""

# The framework of an account is the system-prompt lineage that most of its exchanges carry.
_FRAMEWORKS = """
WITH used AS (
    SELECT account_id, system_template, COUNT(*) AS n
    FROM signals WHERE system_template IS NOT NULL GROUP BY account_id, system_template
), ranked AS (
    SELECT account_id, system_template, n,
        ROW_NUMBER() OVER (PARTITION BY account_id ORDER BY n DESC, system_template) AS place
    FROM used
)
SELECT account_id, system_template AS framework, n FROM ranked WHERE place = 1
"""

# Tiers are powers of four of exchanges per active day: 1, 4, 16, 64, ...
_STRATA = """
SELECT p.account_id AS account_id, p.entity AS entity, p.n_exchanges AS n_exchanges,
    p.n_exchanges * 1.0 / p.active_days AS exchanges_per_day,
    CAST(FLOOR(LN(p.n_exchanges * 1.0 / p.active_days) / LN(4.0) + 0.000001) AS INTEGER) AS tier,
    CASE WHEN f.n * 2 >= p.n_exchanges THEN f.framework END AS framework
FROM account_profiles AS p LEFT JOIN account_frameworks AS f ON f.account_id = p.account_id
"""


def account_steps() -> list[Step]:
    """Steps from `signals` to `account_profiles`, `account_frameworks` and `account_strata`.

    account_strata: account_id, entity, n_exchanges, exchanges_per_day, tier (integer, power of four of exchanges
    per active day), framework (system-prompt lineage of at least half of the account's exchanges, or null).
    """
    return [
        SqlStep("account_profiles", ("signals",), _PROFILES),
        SqlStep("account_frameworks", ("signals",), _FRAMEWORKS),
        SqlStep("account_strata", ("account_profiles", "account_frameworks"), _STRATA),
    ]
