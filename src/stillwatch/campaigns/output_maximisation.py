"""Output maximisation (rung *training_shaped*): does the group collect long answers and never talk about them?

What should move: whoever trains on answers wants all of them long and needs no conversation. The score of a template
is the share of its exchanges without a follow-up times the lower quartile of their answers' tokens: half of it falls
where a quarter of the answers is short (classification, extraction, chat, benchmarks with a letter for an answer) or
where people go on to talk. Null model: the group is one of the hands behind the same traffic's template families
(templates that much the same accounts use are one hand), so that its rank among them is uniform (conformal p-value;
Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random world"). A group is one observation, however many
exchanges it has. The event "among the `LEVEL` highest" has at most that probability, and its inverse is the e-value:
enough to climb the last rung, never a proof of a campaign.

Contamination: campaigns have templates too, and a fifth of them among the families would silence the test. So the
templates of groups that other families already judge dealt are taken out of the reference, whoever owns them; that
judgement looks at who asks what and when, never at answers.
Sees: reasoning, code, tool use, grading and rewriting alike, and needs no text. Works badly: below some twenty hands;
and tutoring, homework and licensed distillation score as high, so all rungs below are needed. Evaded by: asking for
short answers, which is asking for less to train on, or by mixing a third of short throw-away requests into each
template at the price of these requests, or by planted follow-ups at theirs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from stillwatch.campaigns.finding import Finding
from stillwatch.campaigns.overlap import overlaps
from stillwatch.campaigns.tables import Rung
from stillwatch.engines.step import SqlStep
from stillwatch.exchange.numbering import coded

Floats = NDArray[np.float64]

LEVEL = 0.05
LEAST_EXCHANGES = 50
LEAST_ENTITIES = 5
BINS_A_DOUBLING = 8
SAME_HAND = 0.5
MOST_TEMPLATES = 1_000
"""An entity with more templates than this does not tell which of them come from one hand (see `overlaps`)."""
_NOT_SEEN = 1e-3

USERS_STEP = SqlStep(
    "template_users",
    ("signals",),
    """
SELECT template_id, entity, COUNT(*) AS n FROM (
    SELECT prompt_template AS template_id, entity FROM signals WHERE prompt_template IS NOT NULL
    UNION ALL
    SELECT system_template AS template_id, entity FROM signals WHERE system_template IS NOT NULL
) AS used GROUP BY template_id, entity
""",
)
"""Exchanges by template and entity. A scan has them counted already: `USERS_OF_USAGE_STEP`."""
USERS_OF_USAGE_STEP = SqlStep(
    "template_users",
    ("template_usage",),
    "SELECT template_id, entity, CAST(SUM(n) AS BIGINT) AS n FROM template_usage GROUP BY template_id, entity",
)
_LENGTH_BIN = f"CAST(FLOOR({BINS_A_DOUBLING} * LN(1 + u.output_tokens) / LN(2)) AS BIGINT)"
OUTPUTS_STEP = SqlStep(
    "template_outputs",
    ("signals", "template_users"),
    f"""
WITH kept AS (
    SELECT template_id FROM template_users GROUP BY template_id
    HAVING COUNT(*) >= {LEAST_ENTITIES} AND SUM(n) >= {LEAST_EXCHANGES}
), used AS (
    SELECT k.template_id AS template_id, s.n_messages AS n_messages, s.output_tokens AS output_tokens
    FROM signals AS s JOIN kept AS k ON k.template_id = s.prompt_template
    WHERE s.n_messages IS NOT NULL AND s.output_tokens IS NOT NULL
    UNION ALL
    SELECT k.template_id AS template_id, s.n_messages AS n_messages, s.output_tokens AS output_tokens
    FROM signals AS s JOIN kept AS k ON k.template_id = s.system_template
    WHERE s.n_messages IS NOT NULL AND s.output_tokens IS NOT NULL
)
SELECT u.template_id AS template_id, CAST(NULL AS VARCHAR) AS entity, u.n_messages <= 2 AS single,
    {_LENGTH_BIN} AS length_bin, COUNT(*) AS n
FROM used AS u
GROUP BY 1, 3, 4
UNION ALL
SELECT u.template_id AS template_id, u.entity AS entity, CAST(NULL AS BOOLEAN) AS single,
    CAST(NULL AS BIGINT) AS length_bin, u.n AS n
FROM template_users AS u JOIN kept AS k ON k.template_id = u.template_id
""",
)
"""Of templates with enough users and exchanges: how many exchanges by answer's length and whether they open a
conversation (one user turn, with or without a system prompt), in rows without an entity; and by entity, in rows
without a length. Apart, because a row for each entity and length would be nearly one for each exchange."""
LENGTHS_STEP = SqlStep(
    "answer_lengths",
    ("signals",),
    f"""
WITH used AS (
    SELECT prompt_template AS template_id, n_messages, output_tokens FROM signals
    UNION ALL
    SELECT system_template AS template_id, n_messages, output_tokens FROM signals
)
SELECT u.template_id AS template_id, u.n_messages <= 2 AS single, {_LENGTH_BIN} AS length_bin, COUNT(*) AS n
FROM used AS u
WHERE u.template_id IS NOT NULL AND u.n_messages IS NOT NULL AND u.output_tokens IS NOT NULL
GROUP BY 1, 2, 3
""",
)
"""The same counts of all templates, for a replay that adds them up slice by slice."""


@dataclass(frozen=True)
class Lengths:
    """How many exchanges by template, answer's length, and whether they open a conversation; arrays of shape (n_rows,).

    Attributes:
        template: place of the template.
        single: whether nobody has talked before.
        length_bin: see `BINS_A_DOUBLING`.
        n: exchanges.
    """

    template: NDArray[np.int64]
    single: NDArray[np.bool_]
    length_bin: NDArray[np.int64]
    n: Floats


@dataclass(frozen=True)
class TemplateScores:
    """Scores of template families, and which of them come from one hand.

    Attributes:
        templates: names, shape (n,).
        scores: tokens, shape (n,).
        exchanges: exchanges that each score rests on, shape (n,).
        hand: number of the bundle of templates that much the same entities use, shape (n,). The twelve sheets of
            one university are one observation.
    """

    templates: NDArray[np.str_]
    scores: Floats
    exchanges: Floats
    hand: NDArray[np.int64]

    @classmethod
    def from_table(cls, outputs: pa.Table) -> "TemplateScores":
        """From the step table `template_outputs`; families with few users or exchanges are left out."""
        names, template = coded(outputs.column("template_id"))
        has_entity, has_length = (
            outputs.column(name).is_valid().to_numpy() for name in ("entity", "length_bin")
        )
        entities, entity = coded(outputs.column("entity").filter(pa.array(has_entity)))
        used = csc_array(
            (np.ones(len(entity)), (entity, template[has_entity])), shape=(len(entities), len(names))
        )
        used.sum_duplicates()
        used.data[:] = 1.0  # several cells of one pair have been added up
        lengths = Lengths(
            template[has_length],
            outputs.column("single").fill_null(False).to_numpy().astype(bool)[has_length],
            outputs.column("length_bin").fill_null(0).to_numpy()[has_length],
            outputs.column("n").to_numpy().astype(np.float64)[has_length],
        )
        return cls.counted(np.asarray(names.to_pylist(), dtype=np.str_), used, lengths)

    @classmethod
    def counted(cls, names: NDArray[np.str_], users: csc_array, lengths: Lengths) -> "TemplateScores":
        """From counts; families with few users or exchanges are left out.

        Args:
            names: of all templates, in order.
            users: shape (n_entities, n_templates), ones: who uses which template.
            lengths: of the answers.
        """
        exchanges = np.bincount(lengths.template, lengths.n, minlength=len(names))
        kept = np.flatnonzero((np.diff(users.indptr) >= LEAST_ENTITIES) & (exchanges >= LEAST_EXCHANGES))
        rows = np.argsort(lengths.template, kind="stable")
        begin, end = np.searchsorted(lengths.template[rows], [kept, kept + 1])
        scores = [
            _score(lengths.single[own], lengths.length_bin[own], lengths.n[own])
            for own in (rows[first:last] for first, last in zip(begin, end, strict=True))
        ]
        hand = overlaps(csr_array(users[:, kept]), MOST_TEMPLATES).labels(SAME_HAND)
        volume = np.asarray(exchanges[kept], dtype=np.float64)
        return cls(np.asarray(names[kept]), np.array(scores, dtype=np.float64), volume, hand)

    def of(self, templates: Collection[str]) -> float | None:
        """Score of a group with these templates: that of its middle exchange's template; None if unknown."""
        inside = self._among(templates)
        if not inside.any():
            return None
        return _quantile(self.scores[inside], self.exchanges[inside], 0.5)

    def without(self, templates: Collection[str]) -> Floats:
        """One score for each hand that has none of these templates."""
        names, scores = self._hands
        return scores[~np.isin(names, self.hand[self._among(templates)])]

    @cached_property
    def _hands(self) -> tuple[NDArray[np.int64], Floats]:
        """Each hand and its score: that of the template of its middle exchange."""
        order = np.argsort(self.hand, kind="stable")
        names, begin = np.unique(self.hand[order], return_index=True)
        parts = [part for part in np.split(order, begin[1:]) if len(part)]
        middle = [_quantile(self.scores[part], self.exchanges[part], 0.5) for part in parts]
        return names, np.array(middle, dtype=np.float64)

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.templates.tolist())}

    def _among(self, templates: Collection[str]) -> NDArray[np.bool_]:
        inside = np.zeros(len(self.templates), dtype=bool)
        inside[[self._place[name] for name in templates if name in self._place]] = True
        return inside


@dataclass(frozen=True)
class OutputMaximisation:
    """Outcome for one group.

    Attributes:
        log_e: natural logarithm of the e-value.
        score: tokens; None where nothing is known of the group's answers.
        p_value: conformal rank among the reference, 1 where nothing is known.
        usual: median score of the reference; None without one.
        n_reference: hands in it.
    """

    log_e: float
    score: float | None
    p_value: float
    usual: float | None
    n_reference: int


def output_maximisation_test(
    score: float | None, reference: Floats, level: float = LEVEL
) -> OutputMaximisation:
    """Test whether a group's score is among the highest of its traffic.

    Args:
        score: of the group (`TemplateScores.of`).
        reference: scores of other hands, without those of the group and of groups judged dealt
            (`TemplateScores.without`).
        level: probability of the event that is tested; the e-value is its inverse.
    """
    m = len(reference)
    usual = float(np.median(reference)) if m else None
    allowed = int(np.floor(level * (m + 1) + 1e-9))
    if score is None or allowed == 0:
        return OutputMaximisation(0.0, score, 1.0, usual, m)
    rank = int((reference >= score).sum()) + 1
    log_e = np.log((m + 1) / allowed) if rank <= allowed else np.log(_NOT_SEEN)
    return OutputMaximisation(float(log_e), score, rank / (m + 1), usual, m)


def words(found: OutputMaximisation) -> Finding:
    """The finding in words."""
    if found.score is None:
        text = "nothing is known of how long the answers are and whether they are followed up"
    elif found.usual is None:
        text = "there is no other family of templates to compare the answers with"
    else:
        text = (
            f"the lower quartile of the answers' lengths, times the share of exchanges that nobody follows up, is "
            f"{found.score:.0f} tokens; the middle one of {found.n_reference} others behind this traffic's templates "
            f"has {found.usual:.0f}, and {found.p_value:.1%} reach as much"
        )
    return Finding(
        Rung.TRAINING_SHAPED,
        "output_maximisation",
        "lower quartile of answers' tokens x share without follow-ups",
        found.score,
        found.usual,
        found.n_reference,
        found.log_e,
        "the group is one of the hands behind the template families of the same traffic",
        text,
    )


def _score(single: NDArray[np.bool_], bins: NDArray[np.int64], weight: Floats) -> float:
    alone = float(weight[single].sum())
    if alone == 0:
        return 0.0
    quartile = _quantile(bins[single].astype(np.float64), weight[single], 0.25)
    return float(alone / weight.sum() * (2 ** (quartile / BINS_A_DOUBLING) - 1))


def _quantile(values: Floats, weight: Floats, level: float) -> float:
    """Smallest value below or at which `level` of the weight lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(reached, level * reached[-1])])
