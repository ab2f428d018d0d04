"""The table `signals`: one row per exchange, what it shows; made from signatures, template families and labels."""

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines.step import KernelStep, SqlStep, Step
from stillwatch.text.sampling import uniform_of

_DRAW_SCHEMA = pa.schema([("exchange_id", pa.string()), ("draw", pa.float64()), ("held_out", pa.bool_())])


def _draw(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A number in [0, 1) and a coin for every exchange, both functions of its id alone."""
    ids = batch.column(0)
    draw = uniform_of(ids, seed=1)
    return pa.record_batch([ids, draw, pc.less(uniform_of(ids, seed=2), 0.5)], schema=_DRAW_SCHEMA)


# A task is what is left of a prompt without its template; where nothing is left, the template is the task.
_TASKS = """
SELECT p.exchange_id AS exchange_id, f.template_id AS prompt_template, p.content AS content, p.n_tokens AS n_tokens,
    CASE WHEN p.n_tokens = 0 THEN NULL WHEN p.item = 0 THEN p.text_hash ELSE p.item END AS task
FROM prompt_signatures AS p LEFT JOIN prompt_families AS f ON f.skeleton = p.skeleton
"""

_SIGNALS = """
SELECT e.exchange_id AS exchange_id, e.account_id AS account_id, a.entity AS entity, e.ts AS ts, e.model AS model,
    t.prompt_template AS prompt_template, y.template_id AS system_template,
    t.task AS task, t.content AS content, t.n_tokens AS n_tokens,
    l.capability AS capability, l.elicitation AS elicitation, l.rubric AS rubric, l.rewriting AS rewriting,
    l.answer_format AS answer_format, d.draw AS draw, d.held_out AS held_out,
    e.n_messages AS n_messages, e.max_output_tokens AS max_output_tokens, e.output_tokens AS output_tokens
FROM exchanges AS e
JOIN account_entities AS a ON a.account_id = e.account_id
JOIN exchange_draws AS d ON d.exchange_id = e.exchange_id
LEFT JOIN prompt_tasks AS t ON t.exchange_id = e.exchange_id
LEFT JOIN system_prompt_signatures AS s ON s.exchange_id = e.exchange_id
LEFT JOIN system_prompt_families AS y ON y.skeleton = s.skeleton
LEFT JOIN prompt_labels AS l ON l.exchange_id = e.exchange_id
"""


def signal_steps() -> list[Step]:
    """Steps from `exchanges`, signatures, families, labels and entities to `signals`.

    Reads: exchanges; account_entities; prompt_signatures, system_prompt_signatures; prompt_families,
    system_prompt_families (skeleton -> template_id); prompt_labels.
    """
    return [
        KernelStep("exchange_draws", "exchanges", ("exchange_id",), _DRAW_SCHEMA, _draw),
        SqlStep("prompt_tasks", ("prompt_signatures", "prompt_families"), _TASKS),
        SqlStep(
            "signals",
            (
                "exchanges",
                "account_entities",
                "exchange_draws",
                "prompt_tasks",
                "system_prompt_signatures",
                "system_prompt_families",
                "prompt_labels",
            ),
            _SIGNALS,
        ),
    ]
