"""From requests to exchanges, alike for all: retries, answers, tokens, statuses, what the log misses."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.behaviour.accounts import hex_names
from stillwatch.lab.behaviour.clocks import MINUTE, SECOND, Floats
from stillwatch.lab.stage import MODELS, Stage
from stillwatch.lab.texts.answers import answer
from stillwatch.lab.traffic import NO_SESSION, Rows, Traffic

_FAILING = 0.012
# How often the log has no value, whatever the account: edges without TLS inspection, lost usage records.
_MISSING = {
    "client_ip": 0.004,
    "user_agent": 0.004,
    "ja4": 0.03,
    "response": 0.02,
    "latency_ms": 0.01,
    "input_tokens": 0.005,
}
_THINKS = np.array([False, False, False, True, True])


def dress(stage: Stage, traffic: Traffic, retry_anywhere: bool) -> pa.Table:
    """The exchanges of one population as a table of the EXCHANGES schema.

    Args:
        stage: its chance and surroundings.
        traffic: its requests.
        retry_anywhere: whether a failed request is asked again by any of the accounts (a balancer) or by the
            same.
    """
    rows, failed = _with_retries(stage, _possible(traffic, stage), retry_anywhere)
    rng, accounts, size = stage.rng, traffic.accounts, len(rows)
    places = rows.account.tolist()
    software = [accounts.software[a] for a in places]
    later = rows.ts >= accounts.switched_at[rows.account]
    # What an account asks for settles how long its answers are, more than the kind of request does.
    verbosity = np.clip(rng.lognormal(0.0, 0.6, len(accounts)), 0.3, 5.0).tolist()
    asked = zip(rows.answer, rows.prompt, failed.tolist(), places, strict=True)
    answers = [None if f else answer(k, p, stage.dice, verbosity[a]) for k, p, f, a in asked]
    tokens = _tokens(rng, rows, answers)
    columns: dict[str, object] = {
        "exchange_id": hex_names(rng, size, 12),
        "ts": rows.ts,
        "account_id": [accounts.account_id[a] for a in places],
        "org_id": [accounts.org_id[a] for a in places],
        "key_id": [accounts.key_id[a] for a in places],
        "end_user_id": rows.end_user,
        "session_id": _session_names(rng, rows, [s.sessions for s in software]),
        "operation": [s.operation for s in software],
        "model": [MODELS[m][0] for m in rows.model.tolist()],
        "client_ip": _addresses(rng, [accounts.addresses[a] for a in places]),
        "user_agent": [
            s.agents[-1] if now else s.agents[0] for s, now in zip(software, later.tolist(), strict=True)
        ],
        "ja4": [s.ja4 for s in software],
        "system_prompt": rows.system,
        "prompt": rows.prompt,
        "response": answers,
        "n_messages": np.array([s is not None for s in rows.system], np.int64) + 1 + 2 * rows.turn,
        "n_tools": rows.n_tools,
        "temperature": [s.temperature for s in software],
        "max_output_tokens": [s.max_output_tokens for s in software],
        "stream": [s.stream for s in software],
        **_outcome(rng, rows, failed, tokens),
    }
    return _table(columns, _lost(rng, size))


def _possible(traffic: Traffic, stage: Stage) -> Rows:
    """Requests between an account's birth and its ban, inside the world."""
    rows, accounts = traffic.rows, traffic.accounts
    since = np.maximum(accounts.created_at + 2 * MINUTE, stage.window[0])[rows.account]
    until = np.minimum(accounts.banned_at, stage.window[1])[rows.account]
    return rows.take(np.flatnonzero((rows.ts >= since) & (rows.ts < until)))


def _with_retries(stage: Stage, rows: Rows, anywhere: bool) -> tuple[Rows, np.ndarray]:
    """Some requests fail; most of these are sent again after seconds to a minute."""
    rng = stage.rng
    failed = rng.random(len(rows)) < _FAILING
    again = np.flatnonzero(failed & (rng.random(len(rows)) < 0.8))
    delay = (rng.lognormal(np.log(8), 1.0, len(again)) * SECOND).astype(np.int64)
    retry = rows.take(again)
    account = retry.account
    if anywhere and len(rows):
        # The balancer hands it to whoever is served next.
        order = np.argsort(rows.ts, kind="stable")
        following = np.searchsorted(rows.ts[order], retry.ts + delay)
        account = rows.account[order[np.minimum(following, len(rows) - 1)]]
    retry = retry.moved(np.minimum(retry.ts + delay, stage.window[1] - 1), account)
    return _joined(rows, retry), np.concatenate([failed, np.zeros(len(retry), bool)])


def _joined(first: Rows, second: Rows) -> Rows:
    return Rows(
        np.concatenate([first.account, second.account]),
        np.concatenate([first.ts, second.ts]),
        first.prompt + second.prompt,
        first.system + second.system,
        np.concatenate([first.model, second.model]),
        first.answer + second.answer,
        np.concatenate([first.session, second.session]),
        np.concatenate([first.turn, second.turn]),
        first.end_user + second.end_user,
        np.concatenate([first.n_tools, second.n_tools]),
    )


def _tokens(rng: np.random.Generator, rows: Rows, answers: list[str | None]) -> dict[str, Floats]:
    system = np.array([len(s) if s else 0 for s in rows.system])
    prompt = np.array([len(p) for p in rows.prompt])
    length = np.array([len(a) if a else 0 for a in answers])
    # Earlier turns travel along; about 260 tokens each, question and answer together.
    history = rows.turn * 260 * rng.lognormal(0, 0.5, len(rows))
    request = (system + prompt) / 4.2 * rng.lognormal(0, 0.05, len(rows)) + 6 + history + rows.n_tools * 85
    written = np.where(length > 0, np.maximum(1, length / 4.2 * rng.lognormal(0, 0.05, len(rows))), 0)
    hidden = np.where(
        _THINKS[rows.model] & (length > 0) & (rng.random(len(rows)) < 0.6),
        written * rng.lognormal(0.3, 0.7, len(rows)),
        0,
    )
    reused = np.where(rows.turn > 0, (history + system / 4.2) * rng.beta(6, 2, len(rows)), 0)
    return {"input": request, "output": written + hidden, "reasoning": hidden, "cached": reused}


def _outcome(
    rng: np.random.Generator, rows: Rows, failed: np.ndarray, tokens: dict[str, Floats]
) -> dict[str, object]:
    size = len(rows)
    code = rng.choice([429, 500, 529, 503], size, p=(0.55, 0.15, 0.2, 0.1))
    tools = (rows.n_tools > 0) & (rng.random(size) < 0.6)
    cut = rng.random(size) < 0.015
    reason = np.where(tools, "tool_calls", np.where(cut, "length", "stop"))
    per_token = np.array([8.0, 16.0, 7.0, 15.0, 14.0])[rows.model]
    latency = 180 * rng.lognormal(0, 0.5, size) + tokens["output"] * per_token * rng.lognormal(0, 0.25, size)
    thinks = _THINKS[rows.model]
    return {
        "input_tokens": tokens["input"].astype(np.int64),
        "output_tokens": pa.array(tokens["output"].astype(np.int32), pa.int32(), mask=failed),
        "reasoning_tokens": pa.array(tokens["reasoning"].astype(np.int32), pa.int32(), mask=failed | ~thinks),
        "cached_tokens": pa.array(tokens["cached"].astype(np.int32), pa.int32(), mask=failed),
        "finish_reason": pa.array(reason, pa.string(), mask=failed),
        "status": np.where(failed, code, 200),
        "latency_ms": np.where(failed, 40 * rng.lognormal(0, 0.6, size), latency),
    }


def _session_names(rng: np.random.Generator, rows: Rows, named: list[bool]) -> list[str | None]:
    """A conversation has a name where the client sends one; a stateless program sends none."""
    numbers, place = np.unique(rows.session, return_inverse=True)
    names = hex_names(rng, len(numbers), 8, "s_")
    alone = hex_names(rng, len(rows), 8, "s_")
    return [
        (alone[i] if s == NO_SESSION else names[p]) if keep else None
        for i, (s, p, keep) in enumerate(zip(rows.session.tolist(), place.tolist(), named, strict=True))
    ]


def _addresses(rng: np.random.Generator, choices: list[list[str]]) -> list[str]:
    """The usual address in two of three requests, else any of the account's."""
    draws = rng.random(len(choices)).tolist()
    return [
        own[0] if d < 0.66 else own[int((d - 0.66) / 0.34 * len(own))]
        for own, d in zip(choices, draws, strict=True)
    ]


def _lost(rng: np.random.Generator, size: int) -> dict[str, np.ndarray]:
    return {name: rng.random(size) < share for name, share in _MISSING.items()}


def _table(columns: dict[str, object], lost: dict[str, np.ndarray]) -> pa.Table:
    arrays = []
    for column in EXCHANGES:
        values = columns[column.name]
        array = values if isinstance(values, pa.Array) else pa.array(values).cast(column.type)
        if column.name in lost:
            array = pc.if_else(pa.array(lost[column.name]), pa.scalar(None, column.type), array)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=EXCHANGES.arrow)
