"""Cells of fewer templates are picked out of those of more as if they had been counted anew."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.campaigns.cells import cells_of_users_step, cells_step
from stillwatch.engines.memory import MemoryEngine

TEMPLATES = ["t1", "t2", "t3", None]
EXCHANGE = st.tuples(
    st.sampled_from("abcdef"), st.sampled_from(TEMPLATES), st.sampled_from(TEMPLATES), st.integers(0, 99)
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = MemoryEngine(tmp_path_factory.mktemp("spill"))
    yield engine
    engine.close()


def signals(rows) -> pa.Table:
    account, prompt, system, minute = map(list, zip(*rows, strict=True))
    return pa.table(
        {
            "entity": pa.array([name if name != "b" else "firm" for name in account]),
            "account_id": pa.array(account),
            "prompt_template": pa.array(prompt, pa.string()),
            "system_template": pa.array(system, pa.string()),
            "ts": pa.array([at * 60_000_000 for at in minute], pa.timestamp("us", "UTC")),
            "model": pa.array([f"m{at % 2}" for at in minute]),
            "max_output_tokens": pa.array([at % 3 or None for at in minute], pa.int32()),
        }
    )


@given(st.lists(EXCHANGE, min_size=1, max_size=40), st.sets(st.sampled_from(["t1", "t2", "t3"])))
@settings(max_examples=50, deadline=None)
def test_fewer_templates_out_of_more(engine, rows, wanted):
    engine.put("signals", signals(rows))
    engine.put("reported", pa.table({"template_id": ["t1", "t2", "t3"]}))
    engine.put("wanted", pa.table({"template_id": pa.array(sorted(wanted), pa.string())}))
    engine.run(cells_step("user_cells", "reported"))
    engine.run(cells_of_users_step("picked", "user_cells", "wanted"))
    engine.run(cells_step("counted", "wanted"))
    assert engine.table("picked").equals(engine.table("counted"))
