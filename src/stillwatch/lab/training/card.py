# ruff: noqa: E501 - rows of tables and sentences of the card read best in one line
"""The card of the classifiers: as numbers (card.json), and the same for people (docs/signals.md)."""

from collections import Counter
from typing import Any

import numpy as np

from stillwatch.lab.training.capabilities import CAPABILITIES
from stillwatch.lab.training.corpus import BULK, OWN, PROMPT, TEACHER, Corpus
from stillwatch.lab.training.evaluation import (
    LEAST,
    THRESHOLD,
    Calibrated,
    any_form_report,
    capability_report,
    form_report,
)
from stillwatch.lab.training.examples import FILLS, TRAINED_PER_PROJECT, Examples
from stillwatch.lab.training.folds import N_FOLDS, NEAR_COPY
from stillwatch.signals.classifiers import HEAD, LABELS, TAIL, TRAINING_FORMS

METHOD = (
    "Linear models over hashed words and word pairs, fitted by L-BFGS with an L2 penalty; projects weighted by the square root "
    "of their size, classes balanced; features of fewer than two projects dropped; weights stored in eight bits. "
    f"Errors: {N_FOLDS}-fold cross-validation that holds out whole projects, with near-copies of held-out templates (cosine >= "
    f"{NEAR_COPY}) taken out of training. The penalty is chosen and the probabilities are calibrated (Platt; softmax temperature) "
    "on the same held-out scores, the calibration of a fold's figures on the other folds. A template has a label when the mean "
    f"probability over its fillings is at least {THRESHOLD}. Figures are of the unquantised models of the folds."
)
LABELLING = (
    "Capability: the corpora's own labels, corrected by name after reading (capabilities.py). Elicitation, rubric and answer format: "
    "weak labels by rules over the wording of templates with their slots empty (labels.py), corrected by hand (corrections.py) after "
    "reading all teacher templates and every bulk template that the rules called elicitation or rubric grading; unclear ones "
    "are neither trained nor counted. Rewriting: no public corpus asks for it, so its positives are 48 templates of our own (own_templates.toml, "
    "six families as six projects), written by few people in few manners: its recall on others' templates is unknown. Further short "
    "templates of our own (own_capabilities.toml) bring plain words for each capability and for elicitation into training; no figure "
    "counts them. Some of them were written after a first cross-validation had shown danielmiessler/fabric to be taken for elicitation."
)
MISSES = (
    "Forms asked for in other words than the corpora's, above all in languages other than English.",
    "Instructions beyond the first 2,000 and last 1,000 characters of a system prompt or prompt.",
    "A short demand inside a long pasted text: the more other words, the weaker the score.",
    "Intent: a legitimate judge, tutor or benchmark has the same form as a campaign and gets the same label.",
    "Capability is counted by the projects' own labels: a question template filled with mathematics counts as question answering.",
    "Bare seed questions (a mathematics problem alone) are not elicitation here, though a campaign may send them to a reasoning model.",
)  # fmt: skip


def make_card(
    corpus: Corpus, examples: Examples, calibrated: Calibrated, run: dict[str, Any]
) -> dict[str, Any]:
    """Everything that is known about the classifiers, as numbers and plain text."""
    units = corpus.units
    truth = np.array([unit.form.values() for unit in units], np.int64)
    return {
        **run,
        "method": METHOD,
        "labelling": LABELLING,
        "misses": list(MISSES),
        "reads": {"head": HEAD, "tail": TAIL},
        "threshold": THRESHOLD,
        "least": LEAST,
        "counts": {
            "units": dict(sorted(Counter(unit.kind for unit in units).items())),
            "projects": dict(sorted(Counter(kind for kind, _ in {(u.kind, u.project) for u in units}).items())),
            "fills": FILLS,
            "rows": int(examples.x.shape[0]),
            "trained_rows": int(examples.trained.sum()),
            "templates_trained_per_project_at_most": TRAINED_PER_PROJECT,
            "languages": dict(sorted(Counter(unit.language for unit in units if unit.kind != PROMPT).items())),
            "positives": {
                name: {kind: int(sum(truth[i, j] == 1 for i, u in enumerate(units) if u.kind == kind)) for kind in (TEACHER, BULK, OWN, PROMPT)}
                for j, name in enumerate(LABELS)
            },
        },
        "penalties": [float(value) for value in calibrated.penalties],
        "capability": capability_report(units, calibrated.capability),
        "labels": {name: form_report(units, calibrated.forms[:, j], truth[:, j]) for j, name in enumerate(LABELS)},
        "training_shaped": any_form_report(units, calibrated.shares[:, 0], TRAINING_FORMS),
        "any_form": any_form_report(units, calibrated.shares[:, 1], LABELS),
        "sources": corpus.sources,
    }  # fmt: skip


def card_markdown(card: dict[str, Any]) -> str:
    """The card for people: `docs/signals.md` holds exactly this text."""
    lines = [
        f"Trained with seed {card['seed']}, date {card['date']}, {2 ** card['bits']:,} features, on "
        f"{card['counts']['trained_rows']:,} texts of {sum(card['counts']['projects'].values())} project parts.",
        "",
        f"**How trained and counted.** {card['method']}",
        "",
        f"**How labelled.** {card['labelling']}",
        "",
        "Shares are in percent, with exact 95 % intervals; in brackets hits / templates.",
        "",
        "| form | precision | recall | false positives: legitimate templates | ... single prompts | labelled of all legitimate templates |",
        "|---|---|---|---|---|---|",
    ]
    for name in LABELS:
        report = card["labels"][name]
        wrong = report["false_positive_rate"]
        cells = (
            report["precision"],
            report["recall"],
            wrong["benign_templates"],
            wrong["benign_prompts"],
            report["benign_templates"],
        )
        lines.append(f"| {name} | " + " | ".join(_percent(cell) for cell in cells) + " |")
    lines += [
        "",
        *_training_shape(card["training_shaped"]),
        "",
        _any_form(card["any_form"]),
        "",
        *_languages(card),
        "",
        *_capability(card["capability"]),
    ]
    lines += [
        "",
        "**What they miss.**",
        *(f"- {text}" for text in card["misses"]),
        "",
        *_sources(card["sources"]),
    ]
    return "\n".join(lines) + "\n"


def _percent(share: dict[str, Any]) -> str:
    if not share["n"]:
        return "-"
    return f"{100 * share['rate']:.1f} ({100 * share['low']:.1f}-{100 * share['high']:.1f}; {share['labelled']}/{share['n']})"


def _training_shape(report: dict[str, Any]) -> list[str]:
    lines = [
        f"**At least one of {', '.join(report['forms'])}** in at least half of a template's fillings (unseen projects). "
        f"A legitimate project has such a form in {100 * report['benign_projects_mean']:.1f} % of its templates on average: judges, "
        "benchmarks and prompt collections have the same forms.",
        "",
        "| templates | share that has one |",
        "|---|---|",
        f"| teacher (collect training data) | {_percent(report['teacher_templates'])} |",
        f"| own rewriting templates | {_percent(report['own_rewriting_templates'])} |",
        f"| legitimate bulk use, all | {_percent(report['benign_templates'])} |",
    ]
    lines += [
        f"| - {project} | {_percent(share)} |"
        for project, share in report["benign_templates_by_project"].items()
    ]
    return [*lines, f"| single prompts of users, seeds and items | {_percent(report['benign_prompts'])} |"]


def _any_form(report: dict[str, Any]) -> str:
    return (
        f"With the answer format counted too, {_percent(report['benign_templates'])} of legitimate templates have a form: "
        "it says nothing about training by itself."
    )


def _languages(card: dict[str, Any]) -> list[str]:
    lines = [
        "**By language of the template** (false positives among legitimate templates; `none`: hardly any fixed text):",
        "",
        "| form | English | other | none |",
        "|---|---|---|---|",
    ]
    for name in LABELS:
        shares = card["labels"][name]["false_positive_rate_by_language"]
        lines.append(
            f"| {name} | " + " | ".join(_percent(shares[key]) for key in ("english", "other", "none")) + " |"
        )
    shares = card["training_shaped"]["benign_templates_by_language"]
    return [
        *lines,
        "| any training form | "
        + " | ".join(_percent(shares[key]) for key in ("english", "other", "none"))
        + " |",
    ]


def _capability(report: dict[str, Any]) -> list[str]:
    lines = [
        f"**Capability.** Right for {_percent(report['templates'])} of templates and {_percent(report['prompts'])} of bare prompts of "
        f"unseen projects; `other` (general talk, writing, images, or unsure) for {_percent(report['given_as_other'])}.",
        "",
        "| capability | projects | precision, templates | recall, templates | recall, bare prompts | legitimate templates so labelled |",
        "|---|---|---|---|---|---|",
    ]
    for name in CAPABILITIES:
        row = report["classes"][name]
        cells = (row["precision"], row["recall"], row["recall_prompts"], report["benign_templates"][name])
        lines.append(f"| {name} | {row['projects']} | " + " | ".join(_percent(cell) for cell in cells) + " |")
    return lines


def _sources(sources: list[dict[str, Any]]) -> list[str]:
    lines = ["**Data.**", "", "| table | source | licence | rows |", "|---|---|---|---|"]
    return lines + [f"| {s['table']} | {s['source']} | {s['licence']} | {s['rows']} |" for s in sources]
