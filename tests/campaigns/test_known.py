"""A town over two weeks: analysts judge the first, and the second takes in what they said and what is known."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from stillwatch.campaigns.analyst_calibration import CONFIDENCE, Count, analyst_calibration, with_measures
from stillwatch.campaigns.analyst_verdicts import VERDICTS, AnalystVerdict, Opinion
from stillwatch.campaigns.judge import Rates
from stillwatch.campaigns.known import (
    KNOWN_TABLES,
    KnownGroup,
    family_table,
    group_tables,
    read_known,
)
from stillwatch.campaigns.labelled import FOUND_BENIGN, Labelled, labelled, with_account_verdicts
from stillwatch.campaigns.ladder import CLIMB, Standing, standings
from stillwatch.campaigns.memory import remember
from stillwatch.campaigns.names import keep_names, known_groups
from stillwatch.campaigns.prior import DECADES, labels, likeness, normalised, weight_scores
from stillwatch.campaigns.tables import QUALITY, Rung
from stillwatch.exchange.errors import StillwatchError
from stillwatch.signals.templates import FAMILIES_SCHEMA, families
from tests.campaigns.worlds import (
    HOUR_US,
    START,
    Outcome,
    input_tables,
    judged,
    planted_benign,
    planted_campaigns,
    town_of,
)

RATES = Rates(0.01, 0.05, 0.02)
WEEK = pa.scalar(START + 7 * 24 * HOUR_US, pa.int64())
PAGE = (Path(__file__).parents[2] / "docs" / "labels.md").read_text(encoding="utf-8")
OPINIONS = st.sampled_from(list(Opinion))


@pytest.fixture(scope="module")
def weeks(tmp_path_factory) -> tuple[Outcome, Outcome]:
    tables = input_tables(town_of(1, planted_benign, planted_campaigns))
    early = pc.less(tables["exchanges"]["ts"].cast(pa.int64()), WEEK)
    # Row by row the same exchanges.
    both = ("exchanges", "signatures")
    first, second = (
        {**tables, **{name: tables[name].filter(half) for name in both}} for half in (early, pc.invert(early))
    )
    return judged(first, tmp_path_factory.mktemp("first")), judged(second, tmp_path_factory.mktemp("second"))


@pytest.fixture(scope="module")
def known(weeks) -> dict[str, KnownGroup]:
    """Groups of the first week, as the step tables of a scan show them."""
    first, _ = weeks
    return {group.group_id: group for group in known_groups(first.shown, *step_tables(first))}


def step_tables(outcome: Outcome) -> tuple[pa.Table, pa.Table]:
    """`shown_accounts` and `shown_template_use`, counted anew from the signals."""
    accounts: Counter[tuple[int, str]] = Counter()
    templates: Counter[tuple[int, str]] = Counter()
    rows = outcome.signals.select(["entity", "account_id", "prompt_template", "system_template"]).to_pylist()
    for number, group in enumerate(outcome.shown):
        parts = (*group.parts, *group.extensions)
        own = {str(outcome.usage.templates[t]) for part in parts for t in part.tests.candidate.templates}
        for row in rows:
            used = [row[name] for name in ("prompt_template", "system_template") if row[name] in own]
            if used and row["entity"] in group.members:
                accounts[number, row["account_id"]] += 1
                templates[number, used[0]] += 1
    return tuple(
        pa.table(
            {
                "candidate": pa.array([number for number, _ in counted], pa.int64()),
                name: pa.array([value for _, value in counted], pa.string()),
                "n_exchanges": pa.array(list(counted.values()), pa.int64()),
            }
        )
        for name, counted in (("account_id", accounts), ("template_id", templates))
    )


def entity_of(outcome: Outcome) -> dict[str, str]:
    pairs = outcome.signals.select(["account_id", "entity"]).to_pylist()
    return {row["account_id"]: row["entity"] for row in pairs}


def main_word(group: KnownGroup) -> str:
    return max(group.templates, key=lambda name: group.templates[name]).split()[0]


def called(known: dict[str, KnownGroup], word: str) -> str:
    """Name of the known group whose most used template begins with a word."""
    return next(name for name, group in known.items() if main_word(group) == word)


def under(weeks, known, *verdicts: AnalystVerdict, rates: Rates = RATES) -> Labelled:
    """The second week's groups under verdicts on the first's."""
    _, second = weeks
    found = labels(verdicts, known, second.usage, entity_of(second))
    return labelled(second.judged, found, second.usage, rates)


def standing_of(found: Labelled, second: Outcome, word: str):
    """The largest tested group of one template that begins with a word: (without verdicts, with them, group)."""
    places = [
        place
        for place, group in enumerate(found.groups)
        if {str(second.usage.templates[t]).split()[0] for t in group.tests.candidate.templates} == {word}
    ]
    place = max(places, key=lambda place: found.groups[place].n_exchanges)
    return found.without[place], found.groups[place].standing, found.groups[place]


# Names


def test_groups_go_on_under_the_names_that_they_had(weeks, known):
    _, second = weeks
    named_anew = {f"{name[:2]}of last week {i}": group for i, (name, group) in enumerate(known.items())}
    old = {name: replace(group, group_id=name) for name, group in named_anew.items()}
    shown = keep_names(second.shown, second.usage, old, entity_of(second))
    now = {group.group_id: group for group in known_groups(shown, *step_tables(second))}
    for word in ("reason", "grade", "sheet", "invoice"):
        assert called(now, word)[2:] == called(old, word)[2:]
    assert len({group.group_id for group in shown}) == len(shown)
    assert [group.probabilities for group in shown] == [group.probabilities for group in second.shown]


def test_a_campaign_that_was_a_group_keeps_all_but_the_first_letter(weeks, known):
    _, second = weeks
    name = called(known, "reason")
    was_group = {"g_quiet": replace(known[name], group_id="g_quiet", reported=False)}
    assert "c_quiet" in {
        group.group_id for group in keep_names(second.shown, second.usage, was_group, entity_of(second))
    }


def test_new_groups_never_take_the_name_of_a_known_one(weeks):
    _, second = weeks
    strangers = {
        group.group_id: KnownGroup(group.group_id, True, {"nobody": 9}, {"another": 9})
        for group in second.shown
    }
    shown = keep_names(second.shown, second.usage, strangers, entity_of(second))
    assert not {group.group_id[2:] for group in shown} & {name[2:] for name in strangers}
    assert [group.group_id[:2] for group in shown] == [group.group_id[:2] for group in second.shown]


def test_replaced_accounts_and_new_templates_keep_a_name(weeks, known):
    _, second = weeks
    group = known[called(known, "reason")]
    others = {f"banned {i}": n for i, n in enumerate(group.accounts.values())}
    for changed in (replace(group, accounts=others), replace(group, templates={"gone": 1})):
        shown = keep_names(second.shown, second.usage, {group.group_id: changed}, entity_of(second))
        assert group.group_id in {one.group_id for one in shown}


# Prior weights


def test_a_confirmed_group_weighs_more_and_a_benign_one_less(weeks, known):
    """Its threshold follows from the weight and from how many groups are reported with it."""
    _, second = weeks
    name = called(known, "reason")
    for opinion, said in ((Opinion.CONFIRMED, "confirmed it"), (Opinion.BENIGN, "found it benign")):
        found = under(weeks, known, AnalystVerdict(opinion, name, None))
        _, after, group = standing_of(found, second, "reason")
        weights = np.exp([one.standing.log_weight for one in found.groups])
        assert weights.mean() == pytest.approx(1)
        assert (after.log_weight > 0) == (opinion is Opinion.CONFIRMED)
        n_reported = sum(one.standing.level <= RATES.fdr for one in found.groups if holds(one.standing))
        needed = np.log(len(weights) / (RATES.fdr * n_reported)) - after.log_weight
        assert after.required_log_e == pytest.approx(needed)
        assert f"Of this group: an analyst {said} on a date not given" in found.words(group)
        assert f"to 10^{needed / np.log(10):.2f}" in found.words(group)
        few = found.only(one.index for one in found.groups[1::3])
        assert [few.words(one) for one in few.groups] == [found.words(one) for one in found.groups[1::3]]


def test_a_campaign_that_is_called_benign_is_still_reported(weeks, known):
    _, second = weeks
    found = under(weeks, known, AnalystVerdict(Opinion.BENIGN, called(known, "reason"), None))
    _, _, group = standing_of(found, second, "reason")
    # It is as certain as before, and a wrong verdict silences it not.
    assert [one.reported for one in found.groups] == [one.reported for one in second.judged]
    (benign,) = [one for one in group.explanations if one.name == FOUND_BENIGN]
    assert not benign.fits
    assert "look at it again" in benign.words


def test_what_is_benign_is_named_while_its_evidence_is_weak(weeks, known):
    _, second = weeks
    verdict = AnalystVerdict(Opinion.BENIGN, called(known, "sheet"), None, by="ann")
    found = under(weeks, known, verdict)
    _, _, group = standing_of(found, second, "sheet")
    (benign,) = [one for one in group.explanations if one.name == FOUND_BENIGN]
    assert benign.fits
    assert "ann found it benign on a date not given" in benign.words


def test_others_who_use_a_benign_product_s_template_are_not_excused(weeks, known):
    _, second = weeks
    group = known[called(known, "reason")]
    elsewhere = {**known, "g_product": replace(group, group_id="g_product", accounts={"a customer": 1})}
    found = labels(
        [AnalystVerdict(Opinion.BENIGN, "g_product", None)], elsewhere, second.usage, entity_of(second)
    )
    assert score_of(found, second) == pytest.approx(np.zeros(len(second.judged)))


def test_unsure_and_strangers_change_nothing(weeks, known):
    _, second = weeks
    everybody = [AnalystVerdict(Opinion.UNSURE, name, None) for name in known]
    for verdicts in (everybody, [AnalystVerdict(Opinion.BENIGN, None, "never seen")]):
        found = under(weeks, known, *verdicts)
        for before, after in zip(second.judged, found.groups, strict=True):
            assert after.standing == before.standing
            assert after.explanations == before.explanations
            assert "was lowered" not in found.words(after)
            assert "was raised" not in found.words(after)


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40))
def test_weights_are_bounded_and_average_to_one(scores):
    weights = normalised(np.array(scores))
    assert weights.mean() == pytest.approx(1.0)
    assert weights.min() >= 0.1 - 1e-12
    assert weights.max() <= 10 + 1e-12


def a_rung_away(second: Outcome, decades: list[float]):
    """The second week's tests with e-values drawn about the threshold."""
    drawn = []
    for group, log10_e in zip(second.judged, np.resize(decades, len(second.judged)), strict=True):
        rungs = {**group.tests.rung_log_e, **dict.fromkeys(CLIMB, float(log10_e * np.log(10)))}
        drawn.append(replace(group.tests, rung_log_e=rungs))
    return drawn


@pytest.fixture(scope="module")
def everything(weeks, known):
    """(What can be judged, opinion) -> its score for every tested group."""
    _, second = weeks
    about = [(name, None) for name in known] + [
        (None, account) for account in sorted(entity_of(second))[::40]
    ]
    verdicts = [AnalystVerdict(opinion, *one) for one in about for opinion in Opinion]
    found = labels(verdicts, known, second.usage, entity_of(second))
    return {
        ((one.group_id, one.account_id), one.opinion): score_of([label], second)
        for one, label in zip(verdicts, found, strict=True)
    }


def score_of(found, outcome: Outcome):
    """Sum of the labels' likeness to every tested group."""
    candidates = [group.tests.candidate for group in outcome.judged]
    alike = likeness([label for label in found if label.templates is not None], outcome.usage, candidates)
    return weight_scores(found, alike, outcome.usage, candidates)


def ladder_under(table, everything, tests):
    """Standings under a table {what is judged: opinion}."""
    weights = normalised(sum(everything[key] for key in table.items()))
    return standings(tests, RATES.fdr, RATES.shape_error, weights)


@settings(max_examples=150)
@given(data=st.data())
def test_a_flipped_row_never_hides_what_stands_ten_times_beyond(weeks, everything, data):
    """Any table; one row flipped: what one reports at a tenth of the rate, the other reports."""
    _, second = weeks
    about = st.sampled_from(sorted({key for key, _ in everything}, key=str))
    table = data.draw(st.dictionaries(about, OPINIONS, min_size=1))
    flipped = {**table, data.draw(st.sampled_from(sorted(table, key=str))): data.draw(OPINIONS)}
    tests = a_rung_away(second, data.draw(st.lists(st.floats(0, 6), min_size=1, max_size=30)))
    one, other = (ladder_under(rows, everything, tests) for rows in (table, flipped))
    without = standings(tests, RATES.fdr, RATES.shape_error)
    for place, changed, bare in zip(one, other, without, strict=True):
        assert holds(changed) or not holds(place) or place.level > RATES.fdr / 10
        # Against no verdicts at all it holds in both directions.
        assert holds(place) or bare.level > RATES.fdr / 10
        assert bare.level / 10 <= place.level * (1 + 1e-9)
        assert place.level <= 10 * bare.level * (1 + 1e-9)


def holds(place: Standing) -> bool:
    return place.rung in (Rung.ONE_TASK_POOL, Rung.TRAINING_SHAPED)


@settings(max_examples=25)
@given(data=st.data())
def test_a_flipped_row_hides_nothing_in_this_town(weeks, known, data):
    """On real e-values, explanations included: what is reported at a tenth of the rate stays with a row flipped."""
    table = data.draw(st.dictionaries(st.sampled_from(sorted(known)), OPINIONS, min_size=1))
    flipped = {**table, data.draw(st.sampled_from(sorted(table))): data.draw(OPINIONS)}
    strictly = replace(RATES, fdr=RATES.fdr / 10)
    one = under(weeks, known, *verdicts_of(table), rates=strictly)
    other = under(weeks, known, *verdicts_of(flipped))
    for strict, loose in zip(one.groups, other.groups, strict=True):
        assert loose.reported or not strict.reported


def test_the_town_s_campaign_is_reported_at_a_tenth_of_the_rate(weeks, known):
    strictly = replace(RATES, fdr=RATES.fdr / 10)
    verdicts = verdicts_of(dict.fromkeys(known, Opinion.CONFIRMED))
    assert any(group.reported for group in under(weeks, known, *verdicts, rates=strictly).groups)


def verdicts_of(table):
    return [AnalystVerdict(opinion, name, None) for name, opinion in table.items()]


def test_weighted_levels_are_those_of_brute_force(weeks):
    """e-BH of weight times e-value, by trying every number of rejections."""
    _, second = weeks
    rng = np.random.default_rng(3)
    for _ in range(20):
        tests = a_rung_away(second, rng.uniform(0, 5, len(second.judged)).tolist())
        weights = normalised(rng.uniform(-1, 1, len(tests)))
        e = weights * np.exp([min(test.rung_log_e[rung] for rung in CLIMB) for test in tests])
        k = max((k for k in range(1, len(e) + 1) if (e >= len(e) / (0.01 * k)).sum() >= k), default=0)
        expected = e >= len(e) / (0.01 * k) if k else np.zeros(len(e), bool)
        found = [place.rung is not None for place in standings(tests, 0.01, 0.05, weights)]
        assert found == expected.tolist()


# Single accounts


def test_a_verdict_on_an_account_moves_its_odds_by_half_a_decade(weeks, known):
    _, second = weeks
    shown = next(group for group in second.shown if group.reported)
    entity = next(iter(shown.probabilities))
    doubtful = replace(shown, probabilities={**shown.probabilities, entity: 0.5})
    for opinion, expected in ((Opinion.CONFIRMED, 10**0.5), (Opinion.BENIGN, 10**-0.5), (Opinion.UNSURE, 1)):
        found = labels([AnalystVerdict(opinion, None, entity)], known, second.usage, entity_of(second))
        moved = with_account_verdicts(doubtful, found, second.usage).probabilities
        assert moved[entity] / (1 - moved[entity]) == pytest.approx(expected)
        assert {**moved, entity: 0} == {**doubtful.probabilities, entity: 0}


def test_accounts_weigh_by_their_share_of_the_group(weeks, known):
    _, second = weeks
    candidate = max((group.tests.candidate for group in second.judged), key=lambda c: len(c.entities))
    account = str(second.usage.entities[candidate.entities[0]])
    found = labels([AnalystVerdict(Opinion.BENIGN, None, account)], known, second.usage, entity_of(second))
    used = second.usage.found_in(candidate.entities, candidate.templates)
    (score,) = weight_scores(found, likeness([], second.usage, [candidate]), second.usage, [candidate])
    assert score == pytest.approx(-used[[0]].sum() / used.sum())


# Calibration


def count_benign(weeks, known, *words: str):
    verdicts = [AnalystVerdict(Opinion.BENIGN, called(known, word), None) for word in words]
    return analyst_calibration(under(weeks, known, *verdicts), verdicts, known, RATES.fdr)


def test_innocents_stay_under_the_threshold_and_a_wrong_verdict_is_warned_of(weeks, known):
    honest = count_benign(weeks, known, "agent", "sheet", "invoice")
    assert (honest.benign_groups.of, honest.benign_groups.over) == (3, 0)
    assert honest.reported_before.of == 0
    assert honest.warnings() == []
    wrong = count_benign(weeks, known, "sheet", "reason")
    assert (wrong.benign_groups.of, wrong.benign_groups.over) == (2, 1)
    assert (wrong.reported_before.of, wrong.reported_before.over) == (1, 1)
    assert len(wrong.warnings()) == 2
    assert "1 of 2 groups that analysts found benign" in wrong.warnings()[0]


@given(st.integers(1, 60), st.data())
def test_intervals_are_exact(of, data):
    """Their ends are the rates at which so many or so few are seen with a probability of 2.5%."""
    over = data.draw(st.integers(0, of))
    low, high = Count("any", of, over, 0.01).interval
    assert low == 0 if over == 0 else binom.sf(over - 1, of, low) == pytest.approx(0.025)
    assert high == 1 if over == of else binom.cdf(over, of, high) == pytest.approx(0.025)
    assert Count("any", of, over, low + 1e-6).contradicts is False
    assert Count("any", of, over, low - 1e-6).contradicts is True


def test_the_quality_table_tells_it(weeks, known):
    told = {
        "analyst_verdicts": {"confirmed": 0, "benign": 2, "unsure": 0, "rows_without_traffic": []},
        "analyst_calibration": count_benign(weeks, known, "sheet", "reason").as_dict(),
    }
    table = with_measures(QUALITY.empty(), told)
    assert table.schema == QUALITY.arrow
    rows = {(row["measure"], row["subject"]): row for row in table.to_pylist()}
    assert rows["analysts' verdicts", "benign"]["value"] == 2
    assert rows["analysts' calibration", "found benign"]["value"] == 1
    assert with_measures(table, {}) is table


def test_groups_tell_what_they_were_and_what_verdicts_did(weeks, known, tmp_path):
    _, second = weeks
    name = called(known, "reason")
    was_group = {"g_earlier": replace(known[name], group_id="g_earlier", reported=False)}
    write(tmp_path, {"known_templates": family_table({}), **group_tables(was_group.values())})
    (tmp_path / "verdicts.csv").write_text("group_id,verdict\ng_earlier,confirmed\n")
    memory = remember(tmp_path, tmp_path / "verdicts.csv", tmp_path / "out")
    entities = second.signals.select(["account_id", "entity"])
    found = memory.judged(second.judged, second.usage, entities, RATES)
    shown = memory.named(second.shown, found, second.usage, entities)
    renamed = {old.group_id: new.group_id for old, new in zip(second.shown, shown, strict=True)}
    groups = second.tables["groups"]
    column = pa.array([renamed[old] for old in groups["group_id"].to_pylist()], pa.string())
    groups = groups.set_column(0, groups.schema.field(0), column)
    told = memory.worded(groups, shown, found)
    assert told.schema == groups.schema
    words = dict(zip(told["group_id"].to_pylist(), told["words"].to_pylist(), strict=True))
    known_again = words.pop("c_earlier")
    assert "goes on from g_earlier of the known results, a tested group that was not reported." in known_again
    assert "Of this group: an analyst confirmed it" in known_again
    assert words
    assert all("It is new: no group of the known results became it." in other for other in words.values())
    nothing = remember(None, None, tmp_path)
    assert nothing.worded(groups, shown, nothing.judged(second.judged, second.usage, entities, RATES)).equals(
        groups
    )


# The known tables


def test_known_tables_come_back(known, tmp_path):
    rng = np.random.default_rng(0)
    skeletons = pa.table(
        {
            "skeleton": pa.array(rng.integers(1, 2**60, 50), pa.uint64()),
            "n_exchanges": pa.array(np.full(50, 60), pa.int64()),
            "n_texts": pa.array(np.full(50, 50), pa.int64()),
            "signature": pa.array([rng.bytes(8 * 12) for _ in range(50)], pa.binary()),
        }
    )
    found = {field: families(skeletons) for field in ("prompt", "system_prompt")}
    write(tmp_path, {"known_templates": family_table(found), **group_tables(known.values())})
    again = read_known(tmp_path)
    assert again.groups == known
    for field, table in found.items():
        assert again.families[field].schema.names == FAMILIES_SCHEMA.names
        # What was known is named as it was, with itself or with nothing new.
        assert families(skeletons, again.families[field]).equals(table)
    again = read_known(tmp_path)
    assert group_tables(again.groups.values()) == group_tables(known.values())


def write(folder, tables):
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "summary.json").write_text("{}")


def test_what_is_not_met_again_is_dropped_but_campaigns_and_labelled_groups(known, tmp_path):
    write(tmp_path, {"known_templates": family_table({}), **group_tables(known.values())})
    quiet = called(known, "sheet")
    table = tmp_path / "verdicts.csv"
    table.write_text(f"group_id,verdict\n{quiet},benign\n")
    memory = remember(tmp_path, table, tmp_path / "out")
    left = memory.left([], {})["known_groups"]["group_id"].to_pylist()
    campaigns = {name for name, group in known.items() if group.reported}
    assert called(known, "reason") in campaigns
    assert set(left) == campaigns | {quiet} < known.keys()


@pytest.mark.parametrize("schema", KNOWN_TABLES, ids=lambda schema: schema.name)
@pytest.mark.parametrize("damage", ["missing", "damaged", "column"])
def test_damaged_results_are_refused_by_name(known, tmp_path, schema, damage):
    write(tmp_path, {"known_templates": family_table({}), **group_tables(known.values())})
    file = tmp_path / f"{schema.name}.parquet"
    if damage == "missing":
        file.unlink()
    elif damage == "damaged":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        pq.write_table(pq.read_table(file).drop_columns([schema.names[1]]), file)
    with pytest.raises(StillwatchError) as refused:
        read_known(tmp_path)
    assert str(file) in str(refused.value)
    assert "What to do: scan the earlier data again" in str(refused.value)


def test_unfinished_and_absent_results_are_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(StillwatchError, match="What to do"):
            read_known(folder)


def test_verdicts_must_fit_the_known_results(known, tmp_path):
    write(tmp_path, {"known_templates": family_table({}), **group_tables(known.values())})
    name = called(known, "reason")
    account = next(iter(known[name].accounts))
    table = tmp_path / "verdicts.csv"

    def told(rows: str, results=tmp_path, out=tmp_path / "out") -> str:
        table.write_text(f"group_id,account_id,verdict\n{rows}\n")
        with pytest.raises(StillwatchError) as refused:
            remember(results, table, out)
        return str(refused.value)

    assert f"{table}, row 2: there is no group 'c_none'" in told("c_none,,benign")
    assert f"{table}, row 3: account 'nobody' is none of group" in told(
        f"{name},,benign\n{name},nobody,benign"
    )
    assert "--known" in told(f"{name},,benign", results=None)
    assert "choose another folder with --out" in told(f"{name},,benign", out=tmp_path)
    table.write_text(
        f"group_id,account_id,verdict\n{name},,Confirmed\n{name},{account},benign\n,who,unsure\n"
    )
    memory = remember(tmp_path, table, tmp_path / "out")
    assert {opinion: memory.origin[opinion] for opinion in Opinion} == dict.fromkeys(Opinion, 1)
    table.write_text("account_id,verdict\nwho,benign\n")
    assert remember(None, table, tmp_path / "out").verdicts == (
        AnalystVerdict(Opinion.BENIGN, None, "who", row=2),
    )
    assert SimpleNamespace(**vars(remember(None, None, tmp_path))).verdicts == ()


@pytest.mark.parametrize("schema", [VERDICTS, *KNOWN_TABLES], ids=lambda schema: schema.name)
def test_the_page_shows_the_tables(schema):
    assert f"<!-- table: {schema.name} -->\n{schema.markdown()}\n" in PAGE


def test_the_page_tells_the_constants():
    text = " ".join(PAGE.split())
    assert "the weight √10, one that looks like a benign group 1/√10" in text
    assert DECADES == 0.5
    assert f'"{FOUND_BENIGN}"' in text
    assert "exact 95 % intervals" in text
    assert CONFIDENCE == 0.95
