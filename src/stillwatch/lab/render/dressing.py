"""From planned requests to exchanges, alike for all: texts, answers, tokens, statuses, what the log misses."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.behaviour.clocks import Ints
from stillwatch.lab.plan.events import Events
from stillwatch.lab.render import chance
from stillwatch.lab.render.names import hex_strings
from stillwatch.lab.render.tokens import CHARACTERS_PER_TOKEN, Tokens, count_tokens, thinks, written_tokens
from stillwatch.lab.stage import MODELS
from stillwatch.lab.texts.book import Frozen
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.render import render, render_until

# How often the log has no value, whatever the account: edges without TLS inspection, lost usage records.
_MISSING = {
    "client_ip": 0.004,
    "user_agent": 0.004,
    "ja4": 0.03,
    "response": 0.02,
    "latency_ms": 0.01,
    "input_tokens": 0.005,
}
DRESSED = EXCHANGES.arrow.set(
    EXCHANGES.names.index("system_prompt"),
    pa.field("system_prompt", pa.dictionary(pa.int32(), pa.string())),
)
"""The EXCHANGES schema, with system prompts as a dictionary: few and long, they would take most of the memory."""
_CODES = ((429, 0.55), (500, 0.15), (529, 0.2), (503, 0.1))
_MS_PER_TOKEN = np.array([8.0, 16.0, 7.0, 15.0, 14.0])


@dataclass(frozen=True)
class Wardrobe:
    """What every request is dressed with.

    Attributes:
        accounts: one row an account of the world (`Accounts.render_table`).
        book: all texts.
        systems: system prompts.
        answers: int32, program of each kind of answer.
        logged: characters of an answer that the log keeps.
    """

    accounts: pa.Table
    book: Frozen
    systems: list[str]
    answers: np.ndarray
    logged: int


def dress(events: Events, wardrobe: Wardrobe) -> pa.Table:
    """The exchanges of these requests, in their order, as a table of the schema DRESSED."""
    who = wardrobe.accounts.take(pa.array(events["account"]))
    prompt = render(wardrobe.book, _recipes(events))
    system, system_characters = _systems(events, wardrobe.systems)
    verbosity, profile = _numbers(who, "verbosity"), _numbers(who, "length_profile")
    limit = _numbers(who, "max_output_tokens").astype(np.int64)
    written = written_tokens(events, verbosity, profile.astype(np.int64), limit)
    tokens = count_tokens(events, _lengths(prompt), system_characters, profile.astype(np.int64), written)
    columns: dict[str, Any] = {
        "exchange_id": hex_strings(events["id"]),
        "ts": pa.array(events["ts"]).cast(TIMESTAMP),
        "account_id": who["account_id"],
        "org_id": who["org_id"],
        "key_id": who["key_id"],
        "end_user_id": hex_strings(events["end_user"], "u_", missing=events["end_user"] == 0),
        "session_id": _sessions(events, who),
        "operation": who["operation"],
        "model": pa.array([name for name, _, _ in MODELS]).take(pa.array(events["model"])),
        "client_ip": _addresses(events, who),
        "user_agent": _agents(events, who),
        "ja4": who["ja4"],
        "system_prompt": system,
        "prompt": prompt,
        "response": _responses(events, wardrobe, written),
        "n_messages": (1 + (events["system"] >= 0) + 2 * events["turn"].astype(np.int64)).astype(np.int32),
        "n_tools": events["n_tools"].astype(np.int32),
        "temperature": who["temperature"],
        "max_output_tokens": who["max_output_tokens"],
        "stream": who["stream"],
        **_outcome(events, tokens, limit),
    }
    return _table(events, columns)


def _recipes(events: Events) -> Recipes:
    return Recipes(*(np.ascontiguousarray(events[name]) for name in ("program", "writer", "item", "draw")))


def _systems(events: Events, systems: list[str]) -> tuple[pa.Array, Ints]:
    """System prompts as a dictionary, which Parquet keeps, and their lengths."""
    place = pa.array(events["system"], pa.int32(), mask=events["system"] < 0)
    stock = pa.array(systems, pa.string())
    lengths = np.array([*(len(text) for text in systems), 0])
    return pa.DictionaryArray.from_arrays(place, stock), lengths[events["system"]]


def _lengths(texts: pa.Array) -> Ints:
    return np.asarray(pc.binary_length(texts)).astype(np.int64)


def _numbers(who: pa.Table, name: str) -> np.ndarray:
    return np.asarray(who[name].combine_chunks().fill_null(0))


def _sessions(events: Events, who: pa.Table) -> pa.Array:
    """A conversation has a name where the client sends one; a request that stands alone is one of its own."""
    names = np.where(events["session"] == 0, ~events["id"], events["session"])
    silent = ~np.asarray(who["names_sessions"])
    return hex_strings(names, "s_", missing=silent)


def _addresses(events: Events, who: pa.Table) -> pa.Array:
    """The usual address in two of three requests, else any of the account's; a rotating proxy goes round."""
    lists = who["addresses"].combine_chunks()
    offsets = np.asarray(lists.offsets)
    first, many = offsets[:-1], np.diff(offsets)
    draw = chance.uniform(events["id"], 20)
    other = np.where(draw < 0.66, 0, np.minimum((draw - 0.66) / 0.34 * many, many - 1)).astype(np.int64)
    period = _numbers(who, "rotates_every")
    turn = events["ts"] // np.maximum(period, 1) % many
    return lists.values.take(pa.array(first + np.where(period > 0, turn, other)))


def _agents(events: Events, who: pa.Table) -> pa.ChunkedArray:
    later = events["ts"] >= _numbers(who, "switched_at")
    return pc.if_else(pa.array(later), who["agent_after"], who["agent_before"])


def _responses(events: Events, wardrobe: Wardrobe, written: np.ndarray) -> pa.Array:
    """Answers as far as the log keeps them; none for a failed request."""
    wanted = np.minimum(written * CHARACTERS_PER_TOKEN, wardrobe.logged).astype(np.int64)
    wanted[events["failed"]] = 0
    programs = wardrobe.answers[events["answer"]]
    draws = (chance.uniform(events["id"], 21) * 2.0**52).astype(np.uint64)
    texts = render_until(wardrobe.book, programs, draws, wanted)
    return pc.if_else(pa.array(events["failed"]), pa.scalar(None, pa.string()), texts)


def _outcome(events: Events, tokens: Tokens, limit: Ints) -> dict[str, Any]:
    ids, failed = events["id"], events["failed"]
    tools = (events["n_tools"] > 0) & (chance.uniform(ids, 22) < 0.6)
    full = (limit > 0) & (tokens.written >= limit)
    reason = np.where(full, 1, np.where(tools, 2, 0))
    code = np.array([code for code, _ in _CODES])[chance.choice(ids, 23, tuple(w for _, w in _CODES))]
    output = tokens.written + tokens.hidden
    slow = output * _MS_PER_TOKEN[events["model"]] * chance.lognormal(ids, 24, 0, 0.25)
    latency = 180 * chance.lognormal(ids, 25, 0, 0.5) + slow
    refused = 40 * chance.lognormal(ids, 26, 0, 0.6)
    return {
        "input_tokens": tokens.request.astype(np.int32),
        "output_tokens": pa.array(output.astype(np.int32), mask=failed),
        "reasoning_tokens": pa.array(tokens.hidden.astype(np.int32), mask=failed | ~thinks(events)),
        "cached_tokens": pa.array(tokens.cached.astype(np.int32), mask=failed),
        "finish_reason": pa.array(["stop", "length", "tool_calls"]).take(pa.array(reason, mask=failed)),
        "status": np.where(failed, code, 200).astype(np.int32),
        # Tenths of a millisecond: what a clock tells, and the same on every processor.
        "latency_ms": np.round(np.where(failed, refused, latency), 1).astype(np.float32),
    }


def _table(events: Events, columns: dict[str, Any]) -> pa.Table:
    arrays = []
    for number, column in enumerate(EXCHANGES):
        given = columns[column.name]
        values = pa.array(given) if isinstance(given, np.ndarray) else given
        if column.name in _MISSING:
            lost = chance.uniform(events["id"], 40 + number) < _MISSING[column.name]
            values = pc.if_else(pa.array(lost), pa.scalar(None, values.type), values)
        arrays.append(values)
    return pa.Table.from_arrays(arrays, schema=DRESSED)
