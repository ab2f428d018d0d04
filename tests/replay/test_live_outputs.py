"""Lengths of answers kept slice by slice give the scores that a scan counts over the same exchanges."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.output_maximisation import OUTPUTS_STEP, USERS_STEP, TemplateScores
from stillwatch.campaigns.repetition import usage_from_tables
from stillwatch.campaigns.steps import usage_steps
from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.schema import TIMESTAMP
from stillwatch.replaying.live_outputs import OUTPUTS, LiveOutputs

ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 7),  # entity
        st.sampled_from([None, "t1", "t2", "t3"]),
        st.sampled_from([None, "s1", "t1"]),
        st.sampled_from([None, 1, 2, 3]),
        st.sampled_from([None, 0, 1, 7, 8, 255, 256, 4_000_000_000]),
    ),
    min_size=1,
    max_size=12,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = MemoryEngine(tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()


def signals(rows, day):
    # Each stands for many, or no template would have enough.
    entity, prompt, system, messages, tokens = (list(column) for column in zip(*rows * 30, strict=True))
    n = len(entity)
    return pa.table(
        {
            "ts": pa.array([day * 86_400_000_000 + at for at in range(n)], pa.int64()).cast(TIMESTAMP),
            "entity": [f"e{number}" for number in entity],
            "prompt_template": pa.array(prompt, pa.string()),
            "system_template": pa.array(system, pa.string()),
            "n_messages": pa.array(messages, pa.int32()),
            "output_tokens": pa.array(tokens, pa.int64()),
            "task": pa.array(range(n), pa.uint64()),
            "held_out": [at % 2 == 0 for at in range(n)],
        }
    )


@given(st.lists(ANSWERS, min_size=1, max_size=4), st.integers(0, 1))
@settings(max_examples=40, deadline=None)
def test_slices_add_up_to_the_scan_s_scores(engine, days, since):
    live = LiveOutputs(OUTPUTS.empty_table())
    slices = [signals(rows, day) for day, rows in enumerate(days)]
    for day, piece in enumerate(slices):
        engine.put("signals", piece)
        live.add(engine)
        live = LiveOutputs(live.table(day, since if day == len(slices) - 1 else 0))
    if since >= len(slices):
        assert len(live.table(since, since)) == 0
        return
    engine.put("signals", pa.concat_tables(slices[since:]).combine_chunks())
    for step in (*usage_steps()[:2], USERS_STEP, OUTPUTS_STEP):
        engine.run(step)
    usage = usage_from_tables(engine.table("template_usage"), engine.table("entity_totals"))
    found, want = live.scores(usage), TemplateScores.from_table(engine.table("template_outputs"))
    assert found.templates.tolist() == want.templates.tolist()
    for name in ("scores", "exchanges", "hand"):
        assert getattr(found, name).tolist() == getattr(want, name).tolist()
