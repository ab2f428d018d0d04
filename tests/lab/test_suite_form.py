"""The form of a suite's files and tables."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stillwatch.lab.suites.records import as_lines
from stillwatch.lab.suites.render import to_markdown
from stillwatch.lab.suites.table import table


def rate(hits: int, total: int) -> dict[str, int]:
    return {"hits": hits, "total": total}


def made_run(
    world: str, seed: int, found: list[bool], *, null: bool = False, baseline: bool = False
) -> dict[str, Any]:
    campaigns = [
        {
            "campaign_id": f"c{n}",
            "found": f,
            "scenario": {"family": "jitter" if n else "hydra"},
            "leakage": 0.25 if f else 1.0,
        }
        for n, f in enumerate(found)
    ]
    members = {"precision": rate(9, 10), "recall": rate(9, 12)}
    score = {
        "campaigns": campaigns,
        "false_campaigns": [{}] if seed == 2 else [],
        "fragments": [],
        "benign": rate(seed, 1_000),
        "benign_by_stratum": {"chat": rate(seed, 900), "cron": rate(0, 100)},
        "accounts": members,
        "exchanges": members,
    }
    named = {"world": world, "seed": seed, "null": null, "detector": "peer" if baseline else "ours"}
    return named | {"baseline": baseline, "score": score, "error": None}


HEAD = (
    "| detector | campaigns found | members found | exchanges found | flagged exchanges that are a campaign's | "
    "benign accounts reported (95 % interval) | false campaigns | gone before the verdict (median) | "
    "reported in worlds without campaigns |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
GOLDEN = """\
All worlds: 3 simulations with campaigns, 1 without

HEAD
| ours | 3 of 5 (14.7 % to 94.7 %) | SHARES | 6 of 3,000 (0.073 % to 0.43 %) | 1 | 25.0 % | 0, 4 accounts |
| peer (1 run failed) | - | - | - | - | - | - | - | - |

World `a`: 2 simulations with campaigns, 0 without

HEAD
| ours | 2 of 4 (6.8 % to 93.2 %) | SHARES | 3 of 2,000 (0.031 % to 0.44 %) | 1 | 62.5 % | - |

World `b`: 1 simulation with campaigns, 1 without

HEAD
| ours | 1 of 1 (2.5 % to 100 %) | SHARES | 3 of 1,000 (0.062 % to 0.87 %) | 0 | 25.0 % | 0, 4 accounts |
| peer (1 run failed) | - | - | - | - | - | - | - | - |

Campaigns found, by scenario

| scenario | ours | peer |
| --- | --- | --- |
| hydra | 3 of 3 | - |
| jitter | 0 of 2 | - |

Benign accounts reported, by stratum

| stratum | ours | peer |
| --- | --- | --- |
| chat | 10 of 3,600 | - |
| cron | 0 of 400 | - |
"""


def test_the_table_as_markdown():
    runs = [made_run("a", 1, [True, False]), made_run("a", 2, [True, False]), made_run("b", 3, [True])]
    runs.append(made_run("b", 4, [], null=True))
    runs.append(made_run("b", 3, [True], baseline=True) | {"score": None, "error": "exit code 1: no"})
    assert to_markdown({"runs": runs, "table": table(runs)}) == GOLDEN.replace("HEAD", HEAD).replace(
        "SHARES", "75.0 % | 75.0 % | 90.0 %"
    )


def values() -> Any:
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text()
    )
    return st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
    )


@given(values())
def test_the_kept_form_is_json_in_short_lines(value):
    text = as_lines(value)
    assert json.loads(text) == value
    assert as_lines(json.loads(text)) == text
    widest = max([len(json.dumps(leaf, ensure_ascii=False)) for leaf in leaves_of(value)], default=0)
    assert max(map(len, text.split("\n"))) <= max(110, widest + 60) or "{" in text


def leaves_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves_of(inner)]
    return [leaf for inner in value for leaf in leaves_of(inner)] if isinstance(value, list) else [value]
