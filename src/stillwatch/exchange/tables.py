"""The input tables: exchanges, accounts, releases, and the labels of laboratory worlds."""

import pyarrow as pa

from stillwatch.exchange.schema import TIMESTAMP, Column, TableSchema

_string = pa.string()

EXCHANGES = TableSchema(
    "exchanges",
    (
        Column("exchange_id", _string, False, "unique name of the exchange"),
        Column("ts", TIMESTAMP, False, "arrival of the request"),
        Column("account_id", _string, False, "the account that is billed"),
        Column("org_id", _string, True, "declared organisation of the account"),
        Column("key_id", _string, True, "keyed hash of the API key", identifier=True),
        Column("end_user_id", _string, True, "end user as the caller names it, keyed hash", identifier=True),
        Column("session_id", _string, True, "conversation"),
        Column("operation", _string, True, "chat, completion, batch, ..."),
        Column("model", _string, False, "requested model"),
        Column("client_ip", _string, True, "address seen at the edge"),
        Column("user_agent", _string, True, "user agent of the client"),
        Column("ja4", _string, True, "TLS client fingerprint"),
        Column("system_prompt", _string, True, "text of the system prompt", text=True),
        Column("prompt", _string, True, "text of the last user turn", text=True),
        Column("response", _string, True, "text of the answer", text=True),
        Column("n_messages", pa.int32(), True, "messages in the request, system included", minimum=0),
        Column("n_tools", pa.int32(), True, "tools offered", minimum=0),
        Column("temperature", pa.float32(), True, "sampling temperature", minimum=0),
        Column("max_output_tokens", pa.int32(), True, "limit on the answer's tokens", minimum=0),
        Column("input_tokens", pa.int32(), True, "tokens of the request", minimum=0),
        Column("output_tokens", pa.int32(), True, "tokens of the answer", minimum=0),
        Column("reasoning_tokens", pa.int32(), True, "tokens of hidden reasoning", minimum=0),
        Column("cached_tokens", pa.int32(), True, "request tokens served from a cache", minimum=0),
        Column("finish_reason", _string, True, "why the answer ended"),
        Column("status", pa.int32(), True, "HTTP status", minimum=0),
        Column("latency_ms", pa.float32(), True, "milliseconds to the whole answer", minimum=0),
        Column("stream", pa.bool_(), True, "whether the answer was streamed"),
    ),
    key="exchange_id",
)

ACCOUNTS = TableSchema(
    "accounts",
    (
        Column("account_id", _string, False, "the account that is billed"),
        Column("created_at", TIMESTAMP, True, "when the account was opened"),
        Column("org_id", _string, True, "declared organisation"),
        Column("payment_id", _string, True, "keyed hash of the payment instrument", identifier=True),
        Column("email_domain", _string, True, "domain of the account's e-mail address", identifier=True),
        Column("program", _string, True, "edu, startup, security_research or none"),
        Column("verified", pa.bool_(), True, "whether the account's identity was verified"),
        Column("billing_country", _string, True, "for access rules only, never a feature"),
        Column("banned_at", TIMESTAMP, True, "when the account was banned; null while active"),
    ),
    key="account_id",
)

RELEASES = TableSchema(
    "releases",
    (
        Column("model", _string, False, "model"),
        Column("released_at", TIMESTAMP, False, "when it was released"),
    ),
    key="model",
)

LABELS = TableSchema(
    "labels",
    (
        Column("exchange_id", _string, False, "the exchange"),
        Column("account_id", _string, False, "its account"),
        Column("campaign_id", _string, True, "true campaign; null = benign"),
        Column("stratum", _string, False, "benign population or attack scenario"),
    ),
    key="exchange_id",
)
