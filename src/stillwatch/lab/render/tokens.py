"""How long requests and answers are: by the text, by the turn, by the real histograms for machines."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from stillwatch.lab.behaviour.clocks import Floats, Ints
from stillwatch.lab.behaviour.lengths import Field, TokenLengths
from stillwatch.lab.plan.events import Events
from stillwatch.lab.render import chance
from stillwatch.lab.texts.answers import KINDS

CHARACTERS_PER_TOKEN = 4.2
_HISTORY = 260.0  # tokens of an earlier turn, question and answer together
_TOOL = 85.0  # tokens of a tool's description
_THINKS = np.array([False, False, False, True, True])
# Median tokens and sigma of the logarithm of an answer, where no real histogram says otherwise.
_SHAPES = {
    "short": (9.0, 0.5),
    "plain": (190.0, 0.7),
    "code": (260.0, 0.8),
    "coding": (260.0, 0.8),
    "agentic_coding": (330.0, 0.7),
    "tool_use": (210.0, 0.7),
    "reasoning": (420.0, 0.6),
    "data_analysis": (360.0, 0.6),
    "rubric": (210.0, 0.6),
    "judging": (170.0, 0.6),
    "summary": (120.0, 0.5),
    "translation": (150.0, 0.7),
    "rewriting": (210.0, 0.6),
    "generation": (240.0, 0.7),
}


@dataclass(frozen=True)
class Tokens:
    """Tokens of each exchange, float64: of the request, of the written answer, of hidden reasoning, from the cache."""

    request: Floats
    written: Floats
    hidden: Floats
    cached: Floats


@cache
def _real() -> TokenLengths:
    return TokenLengths.load()


def written_tokens(events: Events, verbosity: Floats, profile: Ints, limit: Ints) -> Floats:
    """Tokens of each visible answer, at least one, at most the limit that the client set (0: none).

    A kind of answer has its length, an account its own habit; a machine with a profile answers as the real
    client does, in half of its requests, which keeps what its kind of work needs and what its trade is like
    both visible.
    """
    shapes = np.array([_SHAPES.get(kind, _SHAPES["plain"]) for kind in KINDS])
    kind = events["answer"]
    own = shapes[kind, 0] * np.exp(shapes[kind, 1] * chance.normal(events["id"], 1))
    talk = _real().people_at(chance.uniform(events["id"], 1), "output_tokens")
    own = np.where((profile < 0) & (kind == KINDS.index("plain")), talk, own) * verbosity
    real = _machine(events["id"], 2, profile, "output_tokens")
    machine = (profile >= 0) & (kind != KINDS.index("short")) & (chance.uniform(events["id"], 3) < 0.5)
    wanted = np.where(machine, real, own)
    return np.maximum(1, np.where(limit > 0, np.minimum(wanted, limit), wanted))


def _machine(ids: chance.Names, purpose: int, profile: Ints, field: Field) -> Ints:
    """What the real client of each machine would have; of no use where there is none."""
    client = np.maximum(profile, 0)
    return (
        _real().histograms[field].at(client, chance.uniform(ids, purpose), chance.uniform(ids, purpose + 40))
    )


def count_tokens(
    events: Events, characters: Ints, system_characters: Ints, profile: Ints, written: Floats
) -> Tokens:
    """Tokens of whole exchanges; earlier turns, tools and (for machines) attached context travel along."""
    ids, turn = events["id"], events["turn"]
    history = turn * _HISTORY * chance.lognormal(ids, 4, 0, 0.5)
    text = (characters + system_characters) / CHARACTERS_PER_TOKEN * chance.lognormal(ids, 5, 0, 0.05)
    request = text + 6 + history + events["n_tools"] * _TOOL
    context = _machine(ids, 6, profile, "input_tokens")
    request = np.where(profile >= 0, np.maximum(request, context), request)
    thinks = _THINKS[events["model"]] & (chance.uniform(ids, 7) < 0.6)
    hidden = np.where(thinks, written * chance.lognormal(ids, 8, 0.3, 0.7), 0)
    again = (history + system_characters / CHARACTERS_PER_TOKEN) * (0.4 + 0.6 * chance.uniform(ids, 9))
    return Tokens(request, written, hidden, np.where(turn > 0, again, 0))


def thinks(events: Events) -> np.ndarray:
    """Whether the model of each exchange can think before it answers."""
    return np.asarray(_THINKS[events["model"]])
