"""`stillwatch lab attack`: an attacker who reads our source and tunes a campaign against our own verdicts.

He may change everything that the conducts `hydra` and `disguise` can be told, waits for each scan as the
operator would make it, and looks at what was flagged: the strongest attacker whom a laboratory can pay for,
since a real one sees bans and never scores. Search: two known starts, random settings for a third of the
budget, then one to three settings at a time are changed from the best so far (random coordinate search; for
why random see Bergstra and Bengio, JMLR 13, 2012); once nothing is flagged he tries the cheapest change
first, but no conduct for less than it was caught at. Fewest flagged exchanges first; while any are flagged
the weaker evidence; then the lower price of a thousand useful exchanges; nothing beyond a price and a delay.

What is reported of a tuned attacker must come from other seeds than those that it was tuned on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from stillwatch.exchange.errors import OutputError, UsageError
from stillwatch.lab.adversary_trials import (
    NAME,
    Log,
    Outcome,
    Scanned,
    Settings,
    Trial,
    expected_price,
    key_of,
    world_text,
)
from stillwatch.lab.conducts._dispatch import POLICIES
from stillwatch.lab.parameters import Value
from stillwatch.lab.simulate import simulation
from stillwatch.lab.worldfile import read_world

Report = Callable[[str, int, int], None]
_STARTS: tuple[Settings, ...] = ({"kind": "hydra"}, {"kind": "disguise"})
_TRIES = 60
_HIDDEN = 0.005  # share of flagged exchanges below which a campaign counts as hidden


@dataclass(frozen=True)
class Knob:
    """One setting that may be turned, and what it may be turned to; the first value is the start.

    Attributes:
        name: parameter of the conduct.
        values: at least two.
        kind: the conduct that has it; "" for both.
    """

    name: str
    values: tuple[Value, ...]
    kind: str = ""


KNOBS = (
    Knob("kind", ("disguise", "hydra")),
    Knob("infrastructure", ("clean", "proxied", "dirty")),
    Knob("wording", ("fixed", "account", "exchange")),
    Knob("variants", (5, 1, 80)),
    Knob("language", ("en", "mixed")),
    Knob("per_day", (12.0, 6.0, 3.0, 24.0)),
    Knob("again", (0.015, 0.0, 0.1)),
    Knob("planted", (0.0, 0.1, 0.25)),
    Knob("dispatch", POLICIES, "hydra"),
    Knob("jitter_hours", (0.0, 1.0, 6.0, 24.0), "hydra"),
    Knob("topics", (0, 12, 24, 64), "disguise"),
    Knob("own_topics", (1, 2, 4), "disguise"),
    Knob("sitting", (6.0, 2.0, 15.0), "disguise"),
    Knob("own_repeats", (0.0, 0.1, 0.25), "disguise"),
    Knob("cover", ("none", "chat", "coding"), "disguise"),
    Knob("cover_share", (0.3, 0.6), "disguise"),
    Knob("follow_ups", (0.0, 0.3, 0.6), "disguise"),
    Knob("hours", ("office", "private", "all"), "disguise"),
)


@dataclass(frozen=True)
class Attack:
    """What is tuned, and how long.

    Attributes:
        world: shipped world whose benign life surrounds the campaign.
        seeds: tuning seeds; every setting is tried on each.
        budget: settings to try.
        scale: of the worlds.
        max_price_eur: for a thousand useful exchanges.
        max_delay_hours: by which the data may come later.
    """

    world: str = "everyday"
    seeds: tuple[int, ...] = (1, 2)
    budget: int = 12
    scale: str = "small"
    max_price_eur: float = 400.0
    max_delay_hours: float = 336.0

    def check(self) -> None:
        """Raises UsageError, or UnreadableInputError for a world that is not there."""
        if self.budget < 1:
            raise UsageError(f"budget = {self.budget} is not allowed", "Set budget to a whole number from 1.")
        if not self.seeds:
            raise UsageError("there is no seed", "Give at least one --seed.")
        read_world(self.world)
        for seed in self.seeds:
            simulation(self.world, seed, self.scale)


@dataclass(frozen=True)
class Tuned:
    """What the attacker found.

    Attributes:
        best: the best trial.
        trials: all, in the order in which they were made.
        world: text of a world with the best campaign.
    """

    best: Trial
    trials: tuple[Trial, ...]
    world: str = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"best": self.best.to_dict(), "trials": [trial.to_dict() for trial in self.trials]}


Evaluate = Callable[[Settings, int], Outcome]


def tune_attacker(
    attack: Attack,
    work: Path,
    report: Report = lambda *_: None,
    evaluate: Evaluate | None = None,
) -> Tuned:
    """Searches the settings whose exchanges are flagged least.

    Every trial is a line of `work/trials.jsonl`; started again, it goes on where it stood, and the same attack
    ends with the same settings. `work/attacker.toml` is the world of the best.

    Args:
        attack: what is tuned.
        work: folder; made if missing.
        report: told what is done, and how much of how much.
        evaluate: what becomes of settings in the world of a seed; None to simulate and scan it.

    Raises:
        UsageError: for an attack that is not allowed, before anything is done.
        OutputError: where `work` cannot be written.
        UnreadableInputError: for a world or tables that cannot be read.
    """
    attack.check()
    try:
        work.mkdir(parents=True, exist_ok=True)
        log = Log(work / "trials.jsonl", attack.world, attack.scale, attack.seeds)
        trials: list[Trial] = []
        for number in range(attack.budget):
            settings = proposed(attack, trials)
            report(f"try {number + 1}", number, attack.budget)
            known = log.known.get(key_of(settings))
            if known is None:
                known = _tried(attack, settings, evaluate or Scanned(attack.world, attack.scale, work))
                log.add(settings, known)
            trials.append(Trial(settings, known))
        best = min(trials, key=lambda trial: _rank(attack, trial.outcome))
        text = world_text(attack.world, best.settings, _comment(attack, best))
        (work / f"{NAME}.toml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"cannot write: {error}", "Free space or choose another folder.", file=work
        ) from error
    return Tuned(best, tuple(trials), text)


def proposed(attack: Attack, trials: Sequence[Trial]) -> Settings:
    """The next settings to try; nothing but what was tried before, and how it ended, decides."""
    number = len(trials)
    if number < len(_STARTS):
        return settled(_STARTS[number])
    tried = {key_of(trial.settings) for trial in trials}
    rng = np.random.default_rng([*attack.seeds, number])
    best = min(trials, key=lambda trial: _rank(attack, trial.outcome))
    random = number < len(_STARTS) + attack.budget // 3
    drawn = [_drawn(rng, None if random else best.settings) for _ in range(_TRIES)]
    fresh = [settings for settings in drawn if key_of(settings) not in tried] or drawn
    if random or best.outcome.flagged >= _HIDDEN:
        return fresh[0]
    # Hidden already: what is left to win is the price, and that he knows before he tries.
    return min(_promising(trials, fresh) or fresh, key=expected_price)


def _promising(trials: Sequence[Trial], settings: Sequence[Settings]) -> list[Settings]:
    """Without those of a conduct that was caught at the same price or a higher one."""
    caught = dict.fromkeys(KNOBS[0].values, 0.0)
    for trial in trials:
        if trial.outcome.flagged > 0.5:
            kind = trial.settings["kind"]
            caught[kind] = max(caught[kind], expected_price(trial.settings))
    return [each for each in settings if expected_price(each) > caught[each["kind"]]]


def _drawn(rng: np.random.Generator, near: Settings | None) -> Settings:
    """Any settings, or those near others: one knob turned, or two to three."""
    if near is None:
        return settled({k.name: k.values[int(rng.integers(len(k.values)))] for k in KNOBS})
    knobs = [k for k in KNOBS if k.kind in ("", near["kind"])]
    turned = [
        knobs[n] for n in rng.permutation(len(knobs))[: int(rng.choice((1, 2, 3), p=(0.6, 0.25, 0.15)))]
    ]
    return settled({**near, **{k.name: k.values[int(rng.integers(len(k.values)))] for k in turned}})


def settled(given: Mapping[str, Value]) -> Settings:
    """These settings with the first value of every knob that they leave out; without those of other conducts."""
    kind = given.get("kind", KNOBS[0].values[0])
    full = {k.name: given.get(k.name, k.values[0]) for k in KNOBS if k.kind in ("", kind)}
    if full.get("cover") == "none":
        full.pop("cover_share")
    if full.get("topics") == 0:
        full.pop("own_topics")
    if full["wording"] == "exchange":
        full.pop("variants")
    return full


def _rank(attack: Attack, outcome: Outcome) -> tuple[bool, float, float, float]:
    """Smaller is better."""
    beyond = outcome.price_eur > attack.max_price_eur or outcome.delay_hours > attack.max_delay_hours
    return beyond, round(outcome.flagged, 2), round(outcome.evidence), outcome.price_eur


def _tried(attack: Attack, settings: Settings, evaluate: Evaluate) -> Outcome:
    ends = [evaluate(settings, seed) for seed in attack.seeds]
    means = {name: fmean(getattr(end, name) for end in ends) for name in Outcome.__dataclass_fields__}
    return Outcome(**{name: round(value, 4) for name, value in means.items()})


def _comment(attack: Attack, best: Trial) -> str:
    seeds = " ".join(f"--seed {seed}" for seed in attack.seeds)
    end = best.outcome
    return (
        "The attacker who reads our source and tunes against our verdicts. Found by\n"
        f"stillwatch lab attack {attack.world} {seeds} --budget {attack.budget} --scale {attack.scale} --out DIR\n"
        f"On these seeds {end.flagged:.0%} of its exchanges were flagged, at {end.price_eur:.0f} EUR a thousand and\n"
        f"{end.delay_hours:.0f} hours of delay. They are tuning seeds, so its score comes from others."
    )
