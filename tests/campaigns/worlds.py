"""Small worlds from conduct to result tables: the steps of a scan after the texts were read.

A person has attributes and does things (traces.py); what the text kernels would say of a prompt (its template, the
rest of it, its content, its forms) is written down as they write it. Everything after is the product's own code.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.accounts.profiles import account_steps
from stillwatch.campaigns.candidates import Candidate, CandidateSettings
from stillwatch.campaigns.cells import read_cells
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.judge import Beside, Rates, judge
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.results import BUSY_STEP, FLAGGED_STEP, campaign_names, result_tables
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import (
    ShownGroup,
    shown_groups,
    shown_steps,
    shown_tables,
    user_cells_steps,
)
from stillwatch.campaigns.steps import (
    CANDIDATE_TABLES,
    candidate_tables,
    find_candidates,
    put_step,
    sample_steps,
    usage_steps,
    wordings,
)
from stillwatch.engines.duckdb import DuckdbEngine
from stillwatch.engines.run import Run
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES
from stillwatch.links.incidence import Attributes
from stillwatch.links.steps import fit_models, link_steps
from stillwatch.signals.kinship import KIN_SCHEMA
from stillwatch.signals.signatures import SIGNATURES_SCHEMA
from stillwatch.signals.steps import signal_steps
from stillwatch.text.sampling import uniform_of
from tests.campaigns.traces import HOURS, Events, World

START = 1_780_272_000_000_000  # microseconds since 1970; a midnight
HOUR_US = 3_600_000_000
FORMS = ("elicitation", "rubric", "rewriting", "answer_format")

FAMILIES = pa.schema([("skeleton", pa.uint64()), ("template_id", pa.string()), ("signature", pa.binary())])


@dataclass(frozen=True)
class Prompts:
    """What the prompts of a piece of conduct look like: names of templates by number, system prompt, form; models and
    limits of the answer that they are sent with (one of each, drawn; none: a model by the task, no limit)."""

    templates: tuple[str | None, ...] = (None,)
    system: str | None = None
    form: str | None = None
    capability: str | None = "chat"
    models: tuple[str, ...] = ()
    limits: tuple[int | None, ...] = (None,)


@dataclass
class Town:
    """Collects persons and what they do."""

    seed: int
    world: World = field(init=False)
    accounts: list[dict[str, object]] = field(default_factory=list)
    exchanges: list[dict[str, object]] = field(default_factory=list)
    prompts: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(np.random.default_rng(self.seed))
        self.rng = self.world.rng

    def person(self, kind: str, **attributes: object) -> str:
        """An account with a card, an address, a mailbox and an hour of birth of its own, unless said otherwise."""
        number = len(self.accounts)
        freemail = self.rng.random() < 0.7
        self.accounts.append(
            {
                "account_id": f"{kind}-{number}",
                "payment_id": f"card {number}",
                "email_domain": "freemail" if freemail else f"domain {self.rng.integers(0, 300)}",
                "created_at": START - int(self.rng.integers(1, 20_000)) * HOUR_US,
                "address": f"10.{self.rng.integers(0, 200)}.{self.rng.integers(0, 200)}.7",
                **attributes,
            }
        )
        return str(self.accounts[-1]["account_id"])

    def does(self, account: str, events: Events, prompts: Prompts) -> None:
        """Write down what an account did."""
        person = self.accounts[int(account.rsplit("-", 1)[1])]
        n = len(events.hour)
        content = self.world.centres[events.subject] + self.world.noise * self.rng.normal(size=(n, 64))
        content = np.rint(content / np.linalg.norm(content, axis=1, keepdims=True) * 127).astype(np.int8)
        for i in range(n):
            self.exchanges.append(
                {
                    "exchange_id": f"x{len(self.exchanges)}",
                    "account_id": account,
                    "ts": START + int(events.hour[i] * HOUR_US),
                    "model": prompts.models[self.rng.integers(len(prompts.models))]
                    if prompts.models
                    else ("large" if events.task[i] % 3 else "small"),
                    "max_output_tokens": prompts.limits[self.rng.integers(len(prompts.limits))]
                    if len(prompts.limits) > 1
                    else prompts.limits[0],
                    "client_ip": person["address"],
                }
            )
            self.prompts.append(
                {
                    "template": prompts.templates[events.template[i] % len(prompts.templates)],
                    "system": prompts.system,
                    "task": int(events.task[i]) + 1,
                    "content": content[i].tobytes(),
                    "form": prompts.form,
                    "capability": prompts.capability,
                }
            )

    def own_repeats(self, events: Events, share: float) -> Events:
        """The account comes back to tasks of its own."""
        task = events.task.copy()
        for i in np.argsort(events.hour)[1:]:
            if self.rng.random() < share:
                earlier = events.hour < events.hour[i] - 1
                task[i] = self.rng.choice(task[earlier]) if earlier.any() else task[i]
        return Events(events.hour, events.subject, events.template, task)

    def people(
        self,
        kind: str,
        n: int,
        mean: float,
        prompts: Prompts,
        *,
        repeating: float = 0.1,
        **attributes: object,
    ) -> None:
        """Customers with own work, in sessions, who come back to it."""
        for _ in range(n):
            events = self.world.customer(
                int(self.rng.poisson(mean)) + 1,
                loyalty=5,
                clumping=3.0,
                repeating=0,
                n_templates=len(prompts.templates),
            )
            self.does(self.person(kind, **attributes), self.own_repeats(events, repeating), prompts)


def planted_benign(town: Town) -> None:
    """Busy innocents of the kinds that trip over shared text, shared owners and shared addresses."""
    rng, world = town.rng, town.world
    town.people("chat", 220, 12, Prompts())
    for agent in range(2):
        town.people("agent", 60, 30, Prompts(system=f"agent {agent}", capability="agentic_coding"))
    # A prompt that goes round: strangers, twice or thrice each, among their other things.
    for _ in range(70):
        account = town.person("viral")
        town.does(account, world.customer(10, loyalty=5, clumping=3, repeating=0), Prompts())
        town.does(account, world.customer(3, loyalty=5, clumping=1, repeating=0), Prompts(("viral",)))
    # A benchmark, sharded over keys on one card, run again and again.
    items, shard = world.fresh(240), {"payment_id": "card of a lab", "email_domain": "lab.example"}
    for runner in range(10):
        task = rng.permutation(np.tile(items, 1))
        hour = rng.uniform(0, 3, len(task)) + rng.integers(0, 5) * 60
        events = Events(hour, task % 30, np.zeros(len(task), dtype=np.int64), task)
        town.does(
            town.person("bench", address=f"10.9.9.{runner}", **shard),
            events,
            Prompts(("bench",), form="rubric"),
        )
    # A class behind one address, with one sheet of exercises.
    sheet = world.fresh(20)
    for _ in range(50):
        n = int(rng.poisson(10)) + 2
        hour = rng.uniform(0, HOURS, n)
        task = np.where(rng.random(n) < 0.6, rng.choice(sheet, n), world.fresh(n))
        events = Events(hour, task % 7, np.zeros(n, dtype=np.int64), task)
        town.does(
            town.person("uni", address="10.8.8.8", email_domain="uni.example"), events, Prompts(("sheet",))
        )
    # An enterprise that balances its keys in the open: one queue of ordinary work, one card, undeclared.
    pool = world.queue(20, 2_000)
    for events in pool:
        account = town.person("enterprise", payment_id="card of a firm", email_domain="firm.example")
        town.does(account, events, Prompts(("invoice",), form="answer_format", capability="extraction"))
    # The same with its organisation declared.
    for events in world.queue(15, 1_500):
        account = town.person("declared", org_id="a declared firm")
        town.does(account, events, Prompts(("ticket",), form="elicitation"))


def planted_campaigns(town: Town) -> None:
    """A pool with dirty ties, and one mixed into a reseller's customers."""
    for number, events in enumerate(town.world.queue(50, 5_000, n_templates=5)):
        account = town.person(
            "hydra",
            payment_id=f"stolen {number // 5}",
            address=f"10.77.{number % 6}.1",
            created_at=START - (number // 15 + 2) * HOUR_US,
        )
        named = tuple(f"reason {i}" for i in range(5))
        town.does(account, events, Prompts(named, form="elicitation", capability="reasoning"))
    for number, events in enumerate(town.world.queue(30, 3_000, n_templates=4)):
        account = town.person("resold", payment_id=f"reseller {number // 6}", address=f"10.66.{number % 3}.1")
        town.does(account, events, Prompts(tuple(f"grade {i}" for i in range(4)), form="rubric"))
        town.does(account, world_of_a_customer(town, 60), Prompts())


def world_of_a_customer(town: Town, n: int) -> Events:
    """What an honest customer of a reseller asks."""
    return town.own_repeats(town.world.customer(n, loyalty=3, clumping=3, repeating=0), 0.1)


@dataclass(frozen=True)
class Outcome:
    """A judged world."""

    tables: dict[str, pa.Table]
    signals: pa.Table
    usage: Usage
    found: list[Candidate]
    judged: list[JudgedGroup]
    shown: list[ShownGroup]

    def kinds(self, campaign_id: str | None = None) -> set[str]:
        """Kinds of persons among the members."""
        return {
            row["account_id"].rsplit("-", 1)[0]
            for row in self.tables["members"].to_pylist()
            if campaign_id in (None, row["campaign_id"])
        }


def input_tables(town: Town) -> dict[str, pa.Table]:
    """The tables that stand before `signals`."""
    ids = [row["exchange_id"] for row in town.exchanges]
    tables = {
        "exchanges": pa.Table.from_pylist(town.exchanges, schema=EXCHANGES.arrow),
        "accounts": pa.Table.from_pylist(town.accounts, schema=ACCOUNTS.arrow),
    }
    columns: dict[str, Any] = {
        name: tables["exchanges"].column(name) for name in SIGNATURES_SCHEMA.names if name in EXCHANGES.names
    }
    for which, column in (("prompt", "template"), ("system_prompt", "system")):
        names = sorted({str(row[column]) for row in town.prompts if row[column] is not None})
        number = {name: index + 1 for index, name in enumerate(names)}
        columns[f"{which}_skeleton"] = [number.get(str(row[column]), 0) for row in town.prompts]
        columns[f"{which}_text_hash"] = [row["task"] for row in town.prompts]
        columns[f"{which}_signature"] = [None for _ in town.prompts]
        families = [{"skeleton": index, "template_id": name} for name, index in number.items()]
        tables[f"{which}_families"] = pa.Table.from_pylist(families, schema=FAMILIES)
    for form in FORMS:
        columns[form] = [0.9 if row["form"] == form else 0.05 for row in town.prompts]
    for name in ("task", "content", "capability"):
        columns[name] = [row[name] for row in town.prompts]
    columns["own_tokens"] = [30 for _ in town.prompts]
    names_of_rows = pa.array(ids, pa.string())
    columns["draw"] = uniform_of(names_of_rows, seed=1)
    columns["held_out"] = pc.less(uniform_of(names_of_rows, seed=2), 0.5)
    tables["signatures"] = pa.table(columns).select(SIGNATURES_SCHEMA.names).cast(SIGNATURES_SCHEMA)
    return tables


def permuted(tables: dict[str, pa.Table], seed: int) -> dict[str, pa.Table]:
    """The same exchanges with their account labels dealt anew."""
    order = np.random.default_rng(seed).permutation(len(tables["exchanges"]))
    dealt = {}
    for name in ("exchanges", "signatures"):
        at = tables[name].schema.get_field_index("account_id")
        column = tables[name].column(at).take(order)
        dealt[name] = tables[name].set_column(at, tables[name].schema.field(at), column)
    return {**tables, **dealt}


def judged(
    tables: dict[str, pa.Table],
    folder: Path,
    cap: int = 60_000,
    budget: int | None = None,
    kin: Sequence[tuple[str, str]] = (),
    threads: int = 1,
) -> Outcome:
    """All steps from signatures to result tables; `kin` are pairs of templates that are close kin."""
    engine = DuckdbEngine(folder, "1GB", 1)
    run = Run(engine, lambda *report: None, 50)
    for name, table in tables.items():
        engine.put(name, table)
    for steps in (link_steps(), signal_steps(), account_steps(), usage_steps()):
        run.steps(steps)
    usage, found = find_candidates(
        {name: engine.table(name) for name in CANDIDATE_TABLES}, CandidateSettings()
    )
    _put(run, candidate_tables(usage, found, cap, budget))
    run.steps(sample_steps())
    attributes = Attributes.from_table(engine.table("account_attributes"))
    models = AttributeModels(attributes, fit_models(attributes))
    close = pa.table([*zip(*kin, strict=True), [0.4] * len(kin)], schema=KIN_SCHEMA) if kin else None
    beside = Beside(models, wordings=None if close is None else wordings(close, usage))
    rates = Rates(0.01, 0.05, 0.02, threads=threads)
    groups = judge(usage, found, engine.batches("candidate_sample"), beside, rates)
    run.steps(user_cells_steps(groups, usage))
    shown = shown_groups(groups, usage, 60, read_cells(engine.table("user_cells")))
    _put(run, shown_tables(shown, usage))
    run.steps(shown_steps())
    run.steps([put_step("campaign_names", campaign_names(shown)), FLAGGED_STEP, BUSY_STEP])
    parts = ("models", "capabilities", "spans", "accounts", "hours", "template_use")
    steps_made = {f"shown_{name}": engine.table(f"shown_{name}") for name in parts}
    results = result_tables(shown, {**steps_made, "busy_accounts": engine.table("busy_accounts")}, models)
    results["flagged"] = engine.table("flagged")
    outcome = Outcome(results, engine.table("signals"), usage, found, groups, shown)
    engine.close()
    return outcome


def _put(run: Run, tables: dict[str, pa.Table]) -> None:
    run.steps(put_step(name, table) for name, table in tables.items())


def town_of(seed: int, *parts: object) -> Town:
    """A town in which each part (a function of the town) happens."""
    town = Town(seed)
    for part in parts:
        part(town)  # type: ignore[operator]
    return town


def rows_of(table: pa.Table, **where: object) -> Iterable[dict[str, object]]:
    """Rows with the given values."""
    return [row for row in table.to_pylist() if all(row[key] == value for key, value in where.items())]
