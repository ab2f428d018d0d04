"""The table `signals`: one row per exchange, what it shows; made from signatures, template families and entities."""

from stillwatch.engines.step import SqlStep, Step
from stillwatch.signals.signatures import SIGNATURES

_SIGNALS = f"""
SELECT g.exchange_id AS exchange_id, g.account_id AS account_id, a.entity AS entity, g.ts AS ts, g.model AS model,
    p.template_id AS prompt_template, y.template_id AS system_template,
    g.task AS task, g.content AS content, g.own_tokens AS own_tokens,
    g.capability AS capability, g.elicitation AS elicitation, g.rubric AS rubric, g.rewriting AS rewriting,
    g.answer_format AS answer_format, g.draw AS draw, g.held_out AS held_out,
    g.n_messages AS n_messages, g.max_output_tokens AS max_output_tokens, g.output_tokens AS output_tokens
FROM {SIGNATURES} AS g
JOIN account_entities AS a ON a.account_id = g.account_id
LEFT JOIN prompt_families AS p ON p.skeleton = g.prompt_skeleton
LEFT JOIN system_prompt_families AS y ON y.skeleton = g.system_prompt_skeleton
"""


def signal_steps() -> list[Step]:
    """Steps to `signals` from `signatures`, `account_entities` and the families of both texts (skeleton ->
    template_id)."""
    read = (SIGNATURES, "account_entities", "prompt_families", "system_prompt_families")
    return [SqlStep("signals", read, _SIGNALS, dense=True)]
