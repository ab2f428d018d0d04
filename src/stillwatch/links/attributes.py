"""What accounts can share: one row per account, kind and value, with the declared organisations joined.

Reads `exchanges` and `accounts` (exchange/tables.py). Only accounts that made an exchange are counted: the
null model asks what a group of active accounts would share by chance, and dormant accounts would make recent
births and fresh cards look rarer than they are among the active.
"""

from stillwatch.engines.step import KernelStep, SqlStep, Step
from stillwatch.links.addresses import PREFIX_SCHEMA, prefix_kernel

KINDS = ("payment", "prefix", "client", "email_domain", "birth")

# Birth cohorts are hours: registration by script takes minutes to a few hours, so a cohort falls into few
# bins; a day would be as popular as a payday, a minute would tear cohorts apart.
_ENTITIES = """
WITH used AS (
    SELECT CAST(account_id AS VARCHAR) AS account_id, MIN(NULLIF(TRIM(CAST(org_id AS VARCHAR)), '')) AS org_id
    FROM exchanges GROUP BY 1
), declared AS (
    SELECT CAST(account_id AS VARCHAR) AS account_id, MIN(NULLIF(TRIM(CAST(org_id AS VARCHAR)), '')) AS org_id
    FROM accounts GROUP BY 1
)
SELECT used.account_id AS account_id, COALESCE(declared.org_id, used.org_id, used.account_id) AS entity
FROM used LEFT JOIN declared ON declared.account_id = used.account_id
"""

_ADDRESSES = """
SELECT DISTINCT CAST(client_ip AS VARCHAR) AS client_ip FROM exchanges WHERE client_ip IS NOT NULL
"""

_ATTRIBUTES = """
WITH requests AS (
    SELECT DISTINCT CAST(account_id AS VARCHAR) AS account_id, CAST(client_ip AS VARCHAR) AS client_ip,
        NULLIF(TRIM(CAST(ja4 AS VARCHAR)), '') AS ja4,
        NULLIF(TRIM(CAST(user_agent AS VARCHAR)), '') AS user_agent
    FROM exchanges
), found AS (
    SELECT CAST(account_id AS VARCHAR) AS account_id, 'payment' AS kind,
        NULLIF(TRIM(CAST(payment_id AS VARCHAR)), '') AS value
    FROM accounts
    UNION ALL
    SELECT requests.account_id AS account_id, 'prefix' AS kind, address_prefixes.prefix AS value
    FROM requests JOIN address_prefixes ON address_prefixes.client_ip = requests.client_ip
    UNION ALL
    SELECT account_id, 'client' AS kind,
        CONCAT(COALESCE(ja4, '-'), ' ', COALESCE(user_agent, '-')) AS value
    FROM requests WHERE ja4 IS NOT NULL OR user_agent IS NOT NULL
    UNION ALL
    SELECT CAST(account_id AS VARCHAR) AS account_id, 'email_domain' AS kind,
        NULLIF(LOWER(TRIM(CAST(email_domain AS VARCHAR))), '') AS value
    FROM accounts
    UNION ALL
    SELECT CAST(account_id AS VARCHAR) AS account_id, 'birth' AS kind,
        STRFTIME(CAST(created_at AS TIMESTAMP), '%Y-%m-%d %H:00') AS value
    FROM accounts WHERE created_at IS NOT NULL
)
SELECT DISTINCT account_entities.entity AS entity, found.account_id AS account_id, found.kind AS kind,
    found.value AS value
FROM found JOIN account_entities ON account_entities.account_id = found.account_id
WHERE found.value IS NOT NULL
"""

_VALUES = """
SELECT kind, value, COUNT(DISTINCT entity) AS degree FROM account_attributes GROUP BY kind, value
"""


def attribute_steps() -> list[Step]:
    """Steps from `exchanges` and `accounts` to what accounts share.

    Makes, in order:
        account_entities: account_id, entity (the declared organisation, of the accounts table before that of
            the exchanges, else the account itself).
        addresses, address_prefixes: client_ip, prefix (null where unreadable: count these for data quality).
        account_attributes: entity, account_id, kind, value; one row per distinct account, kind and value.
        attribute_values: kind, value, degree (entities that have it).
    """
    return [
        SqlStep("account_entities", ("exchanges", "accounts"), _ENTITIES),
        SqlStep("addresses", ("exchanges",), _ADDRESSES),
        KernelStep("address_prefixes", "addresses", ("client_ip",), PREFIX_SCHEMA, prefix_kernel),
        SqlStep(
            "account_attributes",
            ("exchanges", "accounts", "address_prefixes", "account_entities"),
            _ATTRIBUTES,
        ),
        SqlStep("attribute_values", ("account_attributes",), _VALUES),
    ]
