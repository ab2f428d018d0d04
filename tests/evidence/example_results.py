"""A results folder as a scan would write it, for tests of what is made from one.

Counts are kept in step with each other: members add up to the campaign, hours of the timeline to the group.
The texts are our own.
"""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.tables import RESULTS
from stillwatch.evidence.results import SAMPLES

START = datetime(2026, 2, 2, tzinfo=UTC)
DAYS = 14
SCHEMAS = {schema.name: schema for schema in (*RESULTS, SAMPLES)}

Rows = dict[str, list[dict[str, Any]]]


@dataclass
class Example:
    """Rows by table, and the summary; change them before `write`."""

    tables: Rows = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    summary: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path, *, samples: bool = True) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, schema in SCHEMAS.items():
            if name != "samples" or samples:
                pq.write_table(
                    pa.Table.from_pylist(self.tables[name], schema=schema.arrow), folder / f"{name}.parquet"
                )
        (folder / "summary.json").write_text(json.dumps(self.summary, default=str), encoding="utf-8")
        return folder


@dataclass(frozen=True)
class Shape:
    """What a group is like; the numbers that follow from it are made."""

    group_id: str
    discovered_by: str
    rung: str | None
    n_accounts: int
    n_entities: int
    models: list[str]
    templates: list[tuple[str, str | None, str, float, float, float, float]]
    explanation: str
    holds: bool
    words: str
    evidence: list[tuple[str, str, str, float | None, float | None, int, float, bool, str, str]]
    explanations: list[tuple[str, bool, float | None, float | None, str]]
    exchanges_per_account: float
    rhythm: str


REASONING = (
    "Imagine you have just finished solving the task below. Write out, step by step, the reasoning you went "
    "through "
    "before you gave the answer.\n\nTask: …\n\nReturn JSON with the fields steps and answer."
)
RUBRIC = (
    "You are grading an answer. Rubric: …\nQuestion: …\nAnswer: …\nGive a score from 1 to 10 and one reason."
)
AGENTIC = "Repository state: …\nIssue: …\nPlan the edits, then call the tools one at a time. Tools: …"

FIRST = Shape(
    "c_7f3a91",
    "links",
    "training_shaped",
    140,
    140,
    ["still-large-2", "still-large-1"],
    [
        (REASONING, "reasoning", "prompt", 0.98, 0.0, 0.0, 0.91),
        (
            "Explain how an expert would think about … and where a beginner would go wrong. Number the "
            "thoughts.",
            "reasoning",
            "prompt",
            0.87,
            0.0,
            0.0,
            0.66,
        ),
        (
            "Given the table …, state what a careful analyst would check first and why. …",
            "data_analysis",
            "prompt",
            0.41,
            0.0,
            0.0,
            0.35,
        ),
    ],
    "benchmark",
    False,
    "140 accounts answer one queue of reasoning tasks without ever repeating one, and share 11 payment "
    "instruments.",
    [
        (
            "repetitive",
            "template",
            "template_concentration",
            0.982,
            0.31,
            140,
            3.2,
            True,
            "accounts of the same volume and framework",
            "98% of their exchanges stand in three templates.",
        ),
        (
            "coordinated",
            "shared_attributes",
            "validated_co_occurrence",
            118.0,
            2.4,
            140,
            43.7,
            True,
            "attributes are dealt out at random, given how common each is and how many each account has",
            "118 pairs of accounts share a payment instrument that hardly anyone else has.",
        ),
        (
            "coordinated",
            "timing",
            "common_stream",
            1.04,
            1.86,
            336,
            5.1,
            True,
            "accounts are busy at times of their own",
            "Hour by hour the accounts vary no more than one stream cut into pieces would.",
        ),
        (
            "one_task_pool",
            "exchangeability",
            "pooled_likelihood_ratio",
            512.4,
            0.0,
            9_800,
            212.3,
            True,
            "each account stays in topics of its own, as benign users of such templates do",
            "Which account sends a task says nothing about what the task is.",
        ),
        (
            "one_task_pool",
            "partition",
            "duplicate_pairs",
            0.0,
            51.3,
            9_800,
            22.1,
            True,
            "accounts draw their tasks independently",
            "No task was sent twice, where 51 repeats were to be expected.",
        ),
        (
            "training_shaped",
            "purpose",
            "elicitation_share",
            0.93,
            0.06,
            9_800,
            61.0,
            True,
            "templates of benign automation",
            "93% of the prompts ask for the reasoning behind an answer.",
        ),
    ],
    [
        (
            "benchmark",
            False,
            0.0,
            0.8,
            "A benchmark is covered by each of its runners; here each account sees a share that "
            "no other sees, and the tasks never come to an end.",
        ),
        (
            "enterprise",
            False,
            0.0,
            0.5,
            "The accounts declare no common organisation and pay with 11 unrelated cards.",
        ),
        (
            "coding_agent",
            False,
            0.02,
            0.5,
            "Users of one agent stay in their own projects; these accounts have none.",
        ),
    ],
    70.0,
    "machine",
)
SECOND = Shape(
    "c_19be04",
    "templates",
    "training_shaped",
    250,
    244,
    ["still-medium-3"],
    [
        (RUBRIC, "rubric_grading", "prompt", 0.02, 0.97, 0.0, 0.88),
        (
            "Rewrite the text so that it could be printed anywhere without offence: …",
            "rewriting",
            "prompt",
            0.0,
            0.0,
            0.94,
            0.1,
        ),
        ("You are a strict and fair examiner.", None, "system_prompt", 0.0, 0.9, 0.0, 0.0),
    ],
    "reseller",
    False,
    "250 accounts of one reseller carry a common stream of grading tasks beside the traffic of unrelated "
    "customers.",
    [
        (
            "repetitive",
            "template",
            "template_concentration",
            0.44,
            0.31,
            250,
            1.4,
            True,
            "accounts of the same volume and framework",
            "44% of their exchanges stand in two templates.",
        ),
        (
            "coordinated",
            "shared_attributes",
            "validated_co_occurrence",
            61.0,
            9.8,
            250,
            18.2,
            True,
            "attributes are dealt out at random, given how common each is and how many each account has",
            "61 pairs of accounts share an address prefix and were opened within the same hour.",
        ),
        (
            "one_task_pool",
            "exchangeability",
            "pooled_likelihood_ratio",
            148.9,
            0.0,
            17_500,
            64.6,
            True,
            "each account stays in topics of its own, as benign users of such templates do",
            "Which account sends a task says nothing about what the task is.",
        ),
        (
            "one_task_pool",
            "partition",
            "duplicate_pairs",
            31.0,
            33.9,
            17_500,
            0.0,
            False,
            "accounts draw their tasks independently",
            "Tasks repeat about as often as chance would have it.",
        ),
        (
            "training_shaped",
            "purpose",
            "rubric_share",
            0.71,
            0.04,
            17_500,
            33.8,
            True,
            "templates of benign automation",
            "71% of the prompts ask for a grade by a rubric.",
        ),
    ],
    [
        (
            "reseller",
            False,
            0.44,
            0.05,
            "A reseller's customers send different work; 44% of this traffic is one stream.",
        ),
        ("product", False, None, None, "No product of the accounts' owner is declared."),
    ],
    70.0,
    "mixed",
)
THIRD = Shape(
    "c_d2045c",
    "links",
    "one_task_pool",
    41,
    41,
    ["still-code-1", "still-large-2"],
    [(AGENTIC, "agentic_coding", "prompt", 0.12, 0.0, 0.0, 0.52)],
    "ci_fleet",
    False,
    "41 accounts work through one list of coding issues; what it is for is not shown.",
    [
        (
            "repetitive",
            "template",
            "template_concentration",
            0.99,
            0.31,
            41,
            2.1,
            True,
            "accounts of the same volume and framework",
            "99% of their exchanges stand in one template.",
        ),
        (
            "coordinated",
            "timing",
            "alternation_runs",
            8.4,
            0.0,
            41,
            9.3,
            True,
            "accounts start sessions at intervals of their own",
            "Sessions alternate between accounts like a balancer's.",
        ),
        (
            "one_task_pool",
            "exchangeability",
            "pooled_likelihood_ratio",
            40.2,
            0.0,
            2_050,
            17.4,
            True,
            "each account stays in topics of its own, as benign users of such templates do",
            "Which account sends a task says nothing about what the task is.",
        ),
        (
            "training_shaped",
            "purpose",
            "elicitation_share",
            0.12,
            0.06,
            2_050,
            0.4,
            False,
            "templates of benign automation",
            "12% of the prompts ask for the reasoning behind an answer.",
        ),
    ],
    [
        (
            "ci_fleet",
            False,
            0.11,
            0.9,
            "A build server starts on commits of its own repository; here 11% of the tasks share one.",
        )
    ],
    50.0,
    "machine",
)
INNOCENT = [
    (
        "g_coding_agent",
        310,
        310,
        "coding_agent",
        "repetitive",
        "310 users of one coding agent share its system prompt, and each stays in projects of their own.",
        41.0,
        "human",
    ),
    (
        "g_enterprise",
        24,
        1,
        "declared_organisation",
        "coordinated",
        "24 accounts of one declared organisation balance their own work; joined, they are one customer.",
        210.0,
        "machine",
    ),
    (
        "g_benchmark",
        12,
        12,
        "benchmark",
        "coordinated",
        "12 accounts run shards of a public benchmark and each covers the whole set.",
        320.0,
        "machine",
    ),
    (
        "g_homework",
        180,
        180,
        "course",
        "repetitive",
        "180 students behind one address hand in the same twenty exercises.",
        14.0,
        "human",
    ),
    (
        "g_cron_fleet",
        36,
        36,
        "cron",
        "repetitive",
        "36 unrelated jobs start on the hour; each works on data of its own.",
        336.0,
        "machine",
    ),
    (
        "g_viral",
        420,
        420,
        "viral_prompt",
        None,
        "420 people tried a prompt that went round; hardly anyone used it twice.",
        1.6,
        "human",
    ),
]


def example(*, campaigns: bool = True) -> Example:
    """Three campaigns and six groups that were tested and not reported; without `campaigns` only the six."""
    made = Example()
    chance = np.random.default_rng(7)
    for shape in [*([FIRST, SECOND, THIRD] if campaigns else []), *map(_innocent, INNOCENT)]:
        _add_group(made, shape, chance)
    _add_busy(made, chance)
    _add_quality(made)
    tables = made.tables
    made.summary = {
        "version": "0.1.0",
        "generated_from": {
            "command": "stillwatch scan demo/world --out demo/results --seed 1",
            "dataset": "demo/world",
            "files": 3,
        },
        "counts": {
            "exchanges": 150_214,
            "accounts": 5_000,
            "quarantined": 17,
            "groups_tested": len(tables["groups"]),
            "campaigns": len(tables["campaigns"]),
        },
        "period": [START.isoformat(), (START + timedelta(days=DAYS, seconds=-1)).isoformat()],
        "settings": {"fdr": 0.01, "seed": 1, "templates": {"bands": 32, "rows": 2}},
        "steps": [
            {"name": "templates", "seconds": 6.314, "rows": 150_214},
            {"name": "links", "seconds": 1.07, "rows": 8_122},
            {"name": "tests", "seconds": 3.9, "rows": len(tables["evidence"])},
        ],
        "fdr": 0.01,
    }
    return made


def _innocent(row: tuple[str, int, int, str, str | None, str, float, str]) -> Shape:
    group_id, n_accounts, n_entities, explanation, rung, words, per_account, rhythm = row
    return Shape(
        group_id,
        "templates",
        rung,
        n_accounts,
        n_entities,
        ["still-medium-3"],
        [
            (
                "You are a helpful assistant inside … Answer about …",
                "chat",
                "system_prompt",
                0.01,
                0.0,
                0.0,
                0.02,
            )
        ],
        explanation,
        True,
        words,
        [
            (
                "coordinated",
                "timing",
                "common_stream",
                1.9,
                1.86,
                n_accounts,
                0.1,
                False,
                "accounts are busy at times of their own",
                "The accounts keep hours of their own.",
            ),
            (
                "one_task_pool",
                "exchangeability",
                "pooled_likelihood_ratio",
                None,
                None,
                n_accounts,
                0.0,
                False,
                "each account stays in topics of its own, as benign users of such templates do",
                "Too few exchanges to tell.",
            ),
        ],
        [(explanation, True, 0.93, 0.8, words)],
        per_account,
        rhythm,
    )


def _add_group(made: Example, shape: Shape, chance: np.random.Generator) -> None:
    group, tables = shape.group_id, made.tables
    reported = shape.group_id.startswith("c_")
    accounts = [f"acct_{_digest(f'{group}{i}')}" for i in range(shape.n_accounts)]
    sent = 1 + chance.poisson(shape.exchanges_per_account, shape.n_accounts)
    total = int(sent.sum())
    hours = _spread(total, shape.rhythm, chance)
    active = [START + timedelta(hours=int(h)) for h in np.flatnonzero(hours)]
    first, last = active[0] + timedelta(minutes=3), active[-1] + timedelta(minutes=41)
    capabilities = list(dict.fromkeys(t[1] for t in shape.templates if t[1]))
    seen = {
        "n_accounts": shape.n_accounts,
        "n_exchanges": total,
        "first_seen": first,
        "last_seen": last,
        "models": shape.models,
        "capabilities": capabilities,
    }
    tables["groups"].append(
        {
            "group_id": group,
            "reported": reported,
            "discovered_by": shape.discovered_by,
            "rung": shape.rung,
            "n_entities": shape.n_entities,
            "exchanges_per_day": total / DAYS,
            "explanation": shape.explanation,
            "explanation_holds": shape.holds,
            "words": shape.words,
            **seen,
        }
    )
    columns = (
        "rung",
        "family",
        "statistic",
        "value",
        "expected",
        "n",
        "log10_e",
        "holds",
        "null_model",
        "words",
    )
    tables["evidence"] += [
        {"group_id": group, **dict(zip(columns, row, strict=True))} for row in shape.evidence
    ]
    parts = ("explanation", "fits", "measure", "threshold", "words")
    tables["explanations"] += [
        {"group_id": group, "rank": i, **dict(zip(parts, row, strict=True))}
        for i, row in enumerate(shape.explanations, start=1)
    ]
    for hour in np.flatnonzero(hours):
        busy = int(min(shape.n_accounts, hours[hour], 1 + hours[hour] * 0.7))
        tables["timeline"].append(
            {
                "group_id": group,
                "hour": START + timedelta(hours=int(hour)),
                "n_exchanges": int(hours[hour]),
                "n_accounts": busy,
            }
        )
    _add_templates(made, shape, total)
    if reported:
        held = list(dict.fromkeys(e[1] for e in shape.evidence if e[7]))
        tables["campaigns"].append(
            {
                "campaign_id": group,
                "rung": shape.rung,
                "fdr": 10.0 ** -max(e[6] for e in shape.evidence),
                "log10_e": next(e[6] for e in shape.evidence if e[0] == shape.rung),
                "flagged_at": None,
                "families": held,
                **seen,
            }
        )
        for account, n in zip(accounts, sent.tolist(), strict=True):
            share = 1.0 if shape.rhythm == "machine" else float(np.round(chance.uniform(0.2, 0.9), 3))
            tables["members"].append(
                {
                    "campaign_id": group,
                    "account_id": account,
                    "n_exchanges": n,
                    "share": share,
                    "probability": float(np.round(1 - chance.exponential(0.004), 4)),
                }
            )
            tables["flagged"] += [
                {"exchange_id": f"x_{_digest(f'{account}{i}')}{i}", "campaign_id": group, "probability": 0.97}
                for i in range(n)
            ]
        _add_ties(made, group, accounts, chance)


def _add_templates(made: Example, shape: Shape, total: int) -> None:
    prompts = [t for t in shape.templates if t[2] == "prompt"] or shape.templates
    weights = np.array([2.0**-i for i in range(len(prompts))])
    parts = np.floor(total * weights / weights.sum()).astype(int)
    parts[0] += total - parts.sum()
    sizes = {id(t): int(n) for t, n in zip(prompts, parts, strict=True)}
    for i, template in enumerate(shape.templates):
        skeleton, capability, field_, elicitation, rubric, rewriting, answer = template
        template_id = f"t_{_digest(shape.group_id + str(i))[:8]}"
        example_id = f"x_{_digest(template_id)}"
        made.tables["group_templates"].append(
            {
                "group_id": shape.group_id,
                "template_id": template_id,
                "field": field_,
                "n_exchanges": sizes.get(id(template), total // 2),
                "n_accounts": shape.n_accounts - i,
                "n_accounts_everywhere": shape.n_accounts + 3 * i + 2,
                "capability": capability,
                "elicitation": elicitation,
                "rubric": rubric,
                "rewriting": rewriting,
                "answer_format": answer,
                "skeleton": skeleton,
                "example_exchange_id": example_id,
            }
        )
        if shape.group_id.startswith("c_"):
            made.tables["samples"].append(
                {
                    "group_id": shape.group_id,
                    "exchange_id": example_id,
                    "template_id": template_id,
                    "redacted": skeleton.replace("…", "███████"),
                    "text": None,
                }
            )


def _add_ties(made: Example, group: str, accounts: list[str], chance: np.random.Generator) -> None:
    kinds = {
        "c_7f3a91": [("payment", 11, 96), ("prefix", 7, 60)],
        "c_19be04": [("prefix", 14, 120), ("birth", 9, 90), ("client", 2, 110)],
    }.get(group, [])
    for kind, n_values, n_holders in kinds:
        holders = chance.choice(len(accounts), n_holders, replace=False)
        for place, holder in enumerate(holders.tolist()):
            which = (
                place % n_values if place < 2 * n_values else int(chance.integers(n_values) ** 2 // n_values)
            )
            value = {"prefix": f"198.51.{which}.0/24", "birth": f"2026-01-{10 + which}T0{which % 10}"}.get(
                kind, _digest(f"{group}{kind}{which}")
            )
            made.tables["ties"].append(
                {
                    "group_id": group,
                    "kind": kind,
                    "value": value,
                    "account_id": accounts[holder],
                    "n_accounts_everywhere": 64 + 3 * which,
                    "log10_p": -4.0 - 2.5 * (n_values - which),
                }
            )


def _add_busy(made: Example, chance: np.random.Generator) -> None:
    strata = [
        ("heavy / harness", "g_benchmark", "Runs a public benchmark; covers the whole set by itself."),
        ("heavy / declared enterprise", "g_enterprise", "One of the declared keys of one organisation."),
        ("heavy / own product", None, "Steady traffic in templates that no other account uses."),
        ("heavy / coding agent", "g_coding_agent", "Stays in two projects of its own."),
    ]
    for i in range(20):
        stratum, group, words = strata[i % len(strata)]
        n = int(chance.integers(400, 3_000))
        made.tables["busy"].append(
            {
                "account_id": f"acct_{_digest(f'busy{i}')}",
                "n_exchanges": n,
                "exchanges_per_day": n / DAYS,
                "stratum": stratum,
                "group_id": group,
                "words": words,
            }
        )


def _add_quality(made: Example) -> None:
    rows = [
        ("rows read", "demo/world/exchanges.parquet", 150_231.0, "Everything in the file was looked at."),
        (
            "rows quarantined",
            "timestamp in the future",
            17.0,
            "Left out of every verdict; see quarantine.parquet.",
        ),
        ("null share", "ja4", 0.125, "Ties by client are weaker where it is missing."),
        ("null share", "response", 1.0, "Nothing is said about answers."),
    ]
    names = ("measure", "subject", "value", "words")
    made.tables["quality"] += [dict(zip(names, row, strict=True)) for row in rows]


def _spread(total: int, rhythm: str, chance: np.random.Generator) -> np.ndarray:
    hours = np.arange(24 * DAYS)
    weight = np.ones(len(hours))
    if rhythm != "machine":
        weight = 0.08 + np.exp(-(((hours % 24) - 14) ** 2) / 18) * np.where((hours // 24) % 7 < 5, 1.0, 0.45)
    if rhythm == "mixed":
        weight = weight + 0.4
    if rhythm == "machine":
        weight = 0.7 + 0.3 * np.sin(hours / 11) + np.where(hours > 24 * 9, 0.9, 0.0)
    return chance.multinomial(total, weight / weight.sum())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
