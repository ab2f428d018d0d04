"""Every family of evidence alone and left out, on the groups that a scan has tested (`scan --keep-steps`).

The tests are run once; what is switched off afterwards is what they may say. *Left out*, a family counts as e = 1
where its rung averages families and does not stand in the way where its rung needs several; innocent explanations
that rest on it are not tried. *Alone*, a family and the repetition of the template are all there is: a group is
reported where the smaller of both e-values passes e-BH, and nothing explains it. Members are chosen as always.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.campaigns.births import Lives
from stillwatch.campaigns.candidates import CandidateSettings
from stillwatch.campaigns.co_occurrence import AttributeModels
from stillwatch.campaigns.evalues import false_discovery_levels
from stillwatch.campaigns.explanations import explain
from stillwatch.campaigns.families import FAMILIES, TIES, rungs
from stillwatch.campaigns.group import GroupTests
from stillwatch.campaigns.judge import Beside, Rates, judge
from stillwatch.campaigns.ladder import Standing, standings
from stillwatch.campaigns.output_maximisation import TemplateScores
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import shown_groups
from stillwatch.campaigns.steps import CANDIDATE_TABLES, find_candidates, wordings
from stillwatch.campaigns.tables import Rung
from stillwatch.lab.score import match
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.scenarios import Scenario, read_scenarios
from stillwatch.lab.scoring.store import opened_store
from stillwatch.lab.scoring.tables import Reported, Truth, read_truth
from stillwatch.lab.targets.adaptivity import Side, side
from stillwatch.links.incidence import Attributes
from stillwatch.links.steps import fit_models
from stillwatch.settings import ScanSettings
from stillwatch.signals.classifiers import load_classifiers


@dataclass(frozen=True)
class JudgedWorld:
    """What one scan tested, and the truth.

    Attributes:
        usage: who used which template.
        groups: every tested group.
        accounts: entity -> its accounts.
        truth: the labels.
        scenarios: true campaign -> its scenario.
        rates: error rates of the verdicts.
    """

    usage: Usage
    groups: Sequence[JudgedGroup]
    accounts: dict[str, list[str]]
    truth: Truth
    scenarios: dict[str, Scenario]
    rates: Rates


@dataclass(frozen=True)
class Effect:
    """What a choice of families finds.

    Attributes:
        found: true campaigns found, by column of the targets.
        accused: benign accounts that are members of reported campaigns.
        false: reported campaigns that are none.
        shaped: true campaigns found on the last rung, training-shaped.
    """

    found: dict[Side, Rate]
    accused: Rate
    false: int
    shaped: int

    @classmethod
    def add(cls, effects: Iterable["Effect"]) -> "Effect":
        """Over several worlds."""
        effects = list(effects)
        return cls(
            {one: Rate.add(effect.found[one] for effect in effects) for one in Side},
            Rate.add(effect.accused for effect in effects),
            sum(effect.false for effect in effects),
            sum(effect.shaped for effect in effects),
        )


def read_tested(
    steps: Path, labels: Path, settings: ScanSettings, without: tuple[str, ...] = ()
) -> JudgedWorld:
    """Tests the groups of a scan that kept its steps.

    Args:
        steps: the folder `steps` of its results.
        labels: labels.parquet of the simulation, scenarios.parquet beside it.
        settings: those of the scan.
        without: families that are switched off from the start, not afterwards.
    """

    def table(name: str) -> pa.Table:
        return pq.read_table(steps / f"{name}.parquet")

    tables = {name: table(name) for name in CANDIDATE_TABLES}
    usage, found = find_candidates(tables, CandidateSettings(minimum_entities=settings.minimum_accounts))
    attributes = Attributes.from_table(table("account_attributes"))
    models = AttributeModels(attributes, fit_models(attributes))
    form = load_classifiers().benign_training_form_rate
    rates = Rates(settings.fdr, settings.shape_error, form, without, thorough=True, threads=settings.threads)
    accounts: dict[str, list[str]] = {}
    for row in table("account_entities").to_pylist():
        accounts.setdefault(row["entity"], []).append(row["account_id"])
    with opened_store() as store:
        truth = read_truth(store, labels)
    scenarios = read_scenarios(labels.parent, truth.exchanges) or {}
    beside = Beside(
        models,
        Lives.from_tables(table("accounts"), table("account_entities")),
        TemplateScores.from_table(table("template_outputs")),
        wordings(tables["template_kin"], usage),
    )
    groups = judge(usage, found, table("candidate_sample").to_batches(), beside, rates)
    return JudgedWorld(usage, groups, accounts, truth, scenarios, rates)


def left_out(world: JudgedWorld, families: Collection[str]) -> Effect:
    """Without these families."""
    tests = [_without(group.tests, families) for group in world.groups]
    places = standings(tests, world.rates.fdr, world.rates.shape_error)
    judged = [
        replace(group, tests=test, standing=place, explanations=tuple(explain(test, place)))
        for group, test, place in zip(world.groups, tests, places, strict=True)
    ]
    return _effect(world, judged)


def unexplained(world: JudgedWorld) -> Effect:
    """With every family, and no innocent explanation tried."""
    return _effect(world, [replace(group, explanations=()) for group in world.groups])


def alone(world: JudgedWorld, family: str) -> Effect:
    """With this family only, beside the repetition of the template that makes a group."""
    log_e = np.array(
        [min(g.tests.log_e.get(family, 0.0), g.tests.candidate.log_e_repetitive) for g in world.groups]
    )
    levels = false_discovery_levels(log_e)
    judged = [
        replace(group, standing=_by_itself(float(value), float(level), world.rates.fdr), explanations=())
        for group, value, level in zip(world.groups, log_e, levels, strict=True)
    ]
    return _effect(world, judged)


def _without(test: GroupTests, families: Collection[str]) -> GroupTests:
    kept = tuple(finding for finding in test.findings if finding.family not in families)
    reached = rungs(test.log_e, test.candidate.log_e_repetitive, families)
    return replace(test, findings=kept, rung_log_e=reached, left_out=tuple(families))


def _by_itself(log_e: float, level: float, fdr: float) -> Standing:
    return Standing(Rung.ONE_TASK_POOL if level <= fdr else None, log_e, level, 0.0)


def _effect(world: JudgedWorld, judged: Sequence[JudgedGroup]) -> Effect:
    shown = shown_groups([group for group in judged if group.reported], world.usage, 0)
    members = {
        group.group_id: {
            account: probability
            for entity, probability in group.members.items()
            for account in world.accounts[entity]
            if account in world.truth.home
        }
        for group in shown
    }
    rung = {group.group_id: str(group.main.standing.rung) for group in shown}
    matches = match(Reported(rung, members, {name: Counter() for name in members}), world.truth)
    accused = {account for own in members.values() for account in own} - world.truth.members
    of_side = {c: side(world.scenarios.get(c, Scenario(c))) for c in matches.of}
    return Effect(
        {
            one: Rate(
                sum(bool(names) for c, names in matches.of.items() if of_side[c] is one),
                sum(which is one for which in of_side.values()),
            )
            for one in Side
        },
        Rate(len(accused), len(world.truth.home.keys() - world.truth.members)),
        len(matches.false),
        sum(any(rung[name] == Rung.TRAINING_SHAPED for name in names) for names in matches.of.values()),
    )


__all__ = ["FAMILIES", "TIES", "Effect", "JudgedWorld", "alone", "left_out", "read_tested", "unexplained"]
