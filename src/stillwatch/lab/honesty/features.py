"""What an operator's tables say of a single account, as numbers: one row an account, one column a feature."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from stillwatch.lab.behaviour.clocks import Floats

_SQL = r"""
with x as (
  select e.*, e.ts::timestamp as at, l.campaign_id, l.stratum,
    regexp_replace(e.client_ip, '[.:][^.:]*$', '') as prefix,
    ln(e.latency_ms) - avg(ln(e.latency_ms)) over (
      partition by e.model, e.status = 200, floor(4 * log2(2 + coalesce(e.output_tokens, 0)))
    ) as pace,
    epoch_us(e.ts) - lag(epoch_us(e.ts)) over (partition by e.account_id order by e.ts, e.exchange_id) as gap
  from read_parquet($exchanges) e join read_parquet($labels) l using (exchange_id)
), places as (select client_ip, count(distinct account_id) as n from x group by all
), nets as (select prefix, count(distinct account_id) as n from x group by all
), programs as (select user_agent, ja4, count(distinct account_id) as n from x group by all
), cards as (select payment_id, count(*) as n from read_parquet($accounts) group by all
), domains as (select email_domain, count(*) as n from read_parquet($accounts) group by all
)
select
  x.account_id,
  coalesce(bool_or(x.campaign_id is not null), false) as hostile,
  coalesce(bool_or(list_contains($campaigns, x.campaign_id)), false) as wanted,
  count(*) as requests,
  min(x.stratum) as stratum,
  mode(split_part(x.user_agent, '/', 1)) as program,
  count(distinct hour(x.at)) as active_hours,
  count(distinct x.at::date) as active_days,
  avg((dayofweek(x.at) in (0, 6))::int) as weekend,
  avg((hour(x.at) < 6)::int) as night,
  stddev(ln(x.gap + 1)) as gap_spread,
  avg(length(x.prompt)) as prompt_length,
  stddev(ln(1 + length(x.prompt))) as prompt_spread,
  avg((x.system_prompt is not null)::int) as system_prompt,
  avg(ln(1 + x.input_tokens)) as input_tokens,
  stddev(ln(1 + x.input_tokens)) as input_spread,
  avg(ln(1 + x.output_tokens)) as output_tokens,
  stddev(ln(1 + x.output_tokens)) as output_spread,
  avg(length(x.response)) as answer_length,
  avg(x.n_messages) as messages,
  avg(x.n_tools) as tools,
  avg((x.model like '%large%')::int) as large_model,
  count(distinct x.model) as models,
  avg((x.reasoning_tokens > 0)::int) as reasoning,
  avg(ln(1 + x.cached_tokens)) as cached,
  avg((x.finish_reason = 'length')::int) as cut_short,
  epoch($until::timestamp - min(a.created_at::timestamp)) / 86400 as age_days,
  max((a.banned_at is not null)::int) as banned,
  count(distinct x.client_ip) as addresses,
  avg(ln(places.n)) as address_sharing,
  avg(ln(nets.n)) as prefix_sharing,
  avg(ln(programs.n)) as program_sharing,
  max(ln(cards.n)) as card_sharing,
  max(ln(domains.n)) as domain_sharing,
  max(a.verified::int) as verified,
  max((a.payment_id is null)::int) as no_payment,
  max((a.email_domain is null)::int) as no_domain,
  max((a.program <> 'none')::int) as in_program,
  max((a.org_id is not null)::int) as declared,
  max((a.billing_country = $country)::int) as most_common_country,
  count(distinct x.key_id) as keys,
  count(distinct x.user_agent) as agents,
  max(x.temperature) as temperature,
  max(x.max_output_tokens) as token_limit,
  avg(x.stream::int) as streams,
  avg((x.session_id is null)::int) as unnamed_sessions,
  avg((x.end_user_id is not null)::int) as end_users,
  avg((x.operation = 'batch')::int) as batch,
  avg((x.status <> 200)::int) as errors,
  avg((x.status = 429)::int) as refused,
  avg((x.client_ip is null)::int) as address_lost,
  avg((x.user_agent is null)::int) as agent_lost,
  avg((x.ja4 is null)::int) as fingerprint_lost,
  avg((x.response is null and x.status = 200)::int) as answer_lost,
  avg((x.latency_ms is null)::int) as latency_lost,
  avg((x.input_tokens is null)::int) as usage_lost,
  avg(x.pace) as pace,
  avg(epoch_us(x.ts) % 1000000 / 1e6) as part_of_second,
  avg(('0x' || substr(x.exchange_id, 1, 4))::int / 65536) as request_name,
  max(('0x' || substr(x.account_id, 6, 4))::int / 65536) as account_name,
  avg(length(x.exchange_id)) as request_name_length,
  max(length(x.account_id)) as account_name_length,
  max(length(x.key_id)) as key_name_length,
  max(length(a.payment_id)) as card_name_length
from x
join read_parquet($accounts) a on a.account_id = x.account_id
left join places on places.client_ip = x.client_ip
left join nets on nets.prefix = x.prefix
left join programs
  on programs.user_agent is not distinct from x.user_agent and programs.ja4 is not distinct from x.ja4
left join cards on cards.payment_id = a.payment_id
left join domains on domains.email_domain = a.email_domain
group by x.account_id having count(*) >= $fewest order by x.account_id
"""
_NO_FEATURES = ("account_id", "hostile", "wanted", "requests", "stratum", "program")
_FEWEST = 5


@dataclass(frozen=True)
class AccountFeatures:
    """What single accounts look like; an entry (or row) an account.

    Attributes:
        names: of the features.
        values: float64, accounts x features; a figure that an account does not have counts as zero.
        hostile: bool, whether any request belongs to a campaign.
        wanted: bool, whether one belongs to the campaigns that were asked for.
        requests: float64, number of requests.
        stratum: name of the population that the account belongs to.
        program: name of the program that it mostly calls with, without its version.
    """

    names: tuple[str, ...]
    values: Floats
    hostile: NDArray[np.bool_]
    wanted: NDArray[np.bool_]
    requests: Floats
    stratum: NDArray[np.str_]
    program: NDArray[np.str_]


def account_features(world: Path, campaigns: tuple[str, ...]) -> AccountFeatures:
    """Features of every account with five requests or more.

    Args:
        world: folder that `lab simulate` wrote.
        campaigns: names of the campaigns in which `wanted` accounts act.
    """
    files = {
        "exchanges": str(world / "dataset" / "exchanges" / "*.parquet"),
        "labels": str(world / "labels.parquet"),
        "accounts": str(world / "dataset" / "accounts.parquet"),
    }
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        until, country = _surroundings(connection, files)
        values = {
            **files,
            "campaigns": list(campaigns),
            "until": until,
            "country": country,
            "fewest": _FEWEST,
        }
        found = connection.sql(_SQL, params=values).to_arrow_table()
    column = {name: found[name].to_numpy(zero_copy_only=False) for name in found.column_names}
    names = tuple(name for name in found.column_names if name not in _NO_FEATURES)
    table = np.stack([np.nan_to_num(column[name].astype(np.float64)) for name in names], axis=1)
    return AccountFeatures(
        names,
        table,
        column["hostile"].astype(bool),
        column["wanted"].astype(bool),
        column["requests"].astype(np.float64),
        column["stratum"].astype(str),
        column["program"].astype(str),
    )


def _surroundings(connection: duckdb.DuckDBPyConnection, files: dict[str, str]) -> tuple[object, str]:
    """End of the world, and the country in which most accounts are billed."""
    ends = connection.sql("select max(ts)::timestamp from read_parquet(?)", params=[files["exchanges"]])
    countries = connection.sql(
        "select billing_country from read_parquet(?) group by 1 order by count(*) desc, 1 limit 1",
        params=[files["accounts"]],
    )
    return ends.fetchall()[0][0], str(countries.fetchall()[0][0])
