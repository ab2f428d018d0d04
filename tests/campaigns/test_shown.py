"""Which campaign an exchange goes to where an account is a member of two."""

import pyarrow as pa
import pytest

from stillwatch.campaigns.belonging import PROBABILITIES_SCHEMA
from stillwatch.campaigns.shown import shown_steps
from tests.engines.every_engine import every_engine

PAIRS = {
    "candidate": [0, 1],
    "prompt_template": ["t", "u"],
    "system_template": ["", ""],
    "template_id": ["t", "u"],
}


def cell(candidate: int, template: str, shared: float, probability: float) -> dict[str, object]:
    values = {"candidate": candidate, "account_id": "a", "prompt_template": template, "system_template": ""}
    values |= {"settings": "m -", "n": 3.0, "member": 1.0, "shared": shared, "probability": probability}
    return values | {"dedicated": 0.9, "dedicated_most": 0.9}


@pytest.mark.parametrize(
    ("other", "winner"),
    [
        ((0.0, 0.9999), 1),  # one that the account mostly works for, but with other templates
        ((0.9, 0.9999), 0),  # one with the same template
    ],
)
@every_engine
def test_an_exchange_goes_to_a_campaign_whose_template_it_has(open_engine, tmp_path, other, winner):
    engine = open_engine(tmp_path)
    rows = [cell(0, "t", 0.9, 0.95), cell(0, "u", *other), cell(1, "u", 0.9, 0.95)]
    engine.put("cell_probabilities", pa.Table.from_pylist(rows, schema=PROBABILITIES_SCHEMA))
    engine.put("shown_pairs", pa.table(PAIRS))
    (step,) = [step for step in shown_steps() if step.output == "shown_cells"]
    engine.run(step)
    chosen = {row["prompt_template"]: row["candidate"] for row in engine.table("shown_cells").to_pylist()}
    assert chosen == {"t": 0, "u": winner}
    engine.close()
