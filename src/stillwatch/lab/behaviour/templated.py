"""Requests made of templates: which template, which content, whose words - and the accounts that send them all day."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from stillwatch.lab.behaviour.accounts import Accounts, machine_profiles
from stillwatch.lab.behaviour.clients import Software
from stillwatch.lab.behaviour.clocks import DAY, Ints
from stillwatch.lab.behaviour.lengths import TokenLengths
from stillwatch.lab.behaviour.living import developer_accounts
from stillwatch.lab.stage import Stage
from stillwatch.lab.texts import answers
from stillwatch.lab.texts.recipes import Recipes
from stillwatch.lab.texts.templates import Template
from stillwatch.lab.texts.turns import Words, draws, earlier
from stillwatch.lab.traffic import NONE

# Uses whose answer is a label or a handful of fields.
_SHORT = ("moderation", "extraction", "classification")


@dataclass(frozen=True)
class Asked:
    """Columns of templated requests, one entry a request.

    Attributes:
        prompts: recipes.
        system: int64, place in the book's system prompts, or NONE.
        answer: int64, kind of answer.
    """

    prompts: Recipes
    system: Ints
    answer: Ints


def asked(stage: Stage, templates: Sequence[Template], which: Ints, item: Ints, writer: Words | int) -> Asked:
    """Requests of these templates.

    Args:
        stage: of the population.
        templates: at least one.
        which: int64 per request, place in `templates`.
        item: int64 per request, which content.
        writer: uint64 per request (or one for all), whose contents.
    """
    program = np.array([template.program for template in templates])[which]
    salt = np.array([template.salt for template in templates], np.uint64)[which]
    system = np.array([system_of(stage, template.system) for template in templates])[which]
    kinds = np.array([_kind(template.capability) for template in templates])[which]
    prompts = Recipes.of(program, np.asarray(writer, np.uint64) ^ salt, item, draws(stage.rng, len(which)))
    return Asked(prompts, system, kinds)


def system_of(stage: Stage, text: str | None) -> int:
    """Place of a system prompt in the book, NONE without one."""
    return stage.book.system(text) if text else NONE


def _kind(capability: str) -> int:
    return answers.kind("short" if capability in _SHORT else capability)


def fresh_items(rng: np.random.Generator, account: Ints, again: float) -> Ints:
    """Running numbers of contents within each account; the share `again` comes a second time.

    Args:
        rng: source of chance.
        account: int64 per request, in the order of time within an account.
        again: spam, boilerplate, deliveries that are sent twice.
    """
    size = len(account)
    return earlier(account, rng.random(size) < again, rng.random(size))


def woven(parts: Sequence[tuple[Ints, Recipes]]) -> Recipes:
    """Recipes of several kinds, each in the places where it belongs; together they fill 0..n-1."""
    places = np.concatenate([place for place, _ in parts])
    return Recipes.concatenate([recipes for _, recipes in parts]).take(np.argsort(places))


def machine_accounts(stage: Stage, count: int, software: list[Software] | None = None) -> Accounts:
    """Accounts of programs that run all day: opened before the world begins, answers as long as a real client's."""
    accounts = developer_accounts(stage, count, software)
    accounts.length_profile[:] = machine_profiles(stage.rng, count, _real_clients())
    settle(accounts, stage.window)
    return accounts


@cache
def _real_clients() -> int:
    return TokenLengths.load().clients


def settle(accounts: Accounts, window: tuple[int, int]) -> None:
    """Moves births inside the world to before it, and keeps how they are spread."""
    start, end = window
    late = accounts.created_at >= start - DAY
    accounts.created_at[late] -= end - start + DAY
