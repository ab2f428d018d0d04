"""Events of campaigns, from one update to the next, and the rows of those that are live no longer."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stillwatch.campaigns.tables import CAMPAIGNS, FLAGGED, MEMBERS_OVER_TIME, Rung
from stillwatch.replaying.campaigns_over_time import Campaigns
from stillwatch.replaying.group_results import KEPT, kept_rows, with_kept
from stillwatch.replaying.state import history_table

ENTITIES = np.array([f"e{n:02d}" for n in range(40)])
TEMPLATES = np.array([f"t{n}" for n in range(10)])
POOL, SHAPED = Rung.ONE_TASK_POOL, Rung.TRAINING_SHAPED


def usage() -> Any:
    """Everybody used every template once."""
    once = lambda entities, templates: np.full(len(templates), float(len(entities)))  # noqa: E731
    return SimpleNamespace(entities=ENTITIES, templates=TEMPLATES, volumes=once)


def judged(entities, templates, fits=(), n=1000.0) -> Any:
    candidate = SimpleNamespace(entities=np.array(list(entities)), templates=tuple(templates))
    explanations = tuple(SimpleNamespace(name=name, fits=True, words="told") for name in fits)
    return SimpleNamespace(
        tests=SimpleNamespace(candidate=candidate),
        explanations=explanations,
        reported=not fits,
        n_exchanges=n,
    )


def shown(entities, templates=(0,), rung=POOL, name="c_1", n=1000.0) -> Any:
    part = judged(entities, templates, n=n)
    part.standing = SimpleNamespace(rung=rung, log_e=30.0)
    members = {str(ENTITIES[number]): 0.99 for number in entities}
    return SimpleNamespace(group_id=name, parts=(part,), extensions=(), main=part, members=members)


def events(campaigns: Campaigns) -> list[tuple[int, str, str, str | None]]:
    return [(row["at"], row["campaign_id"], row["event"], row["other_id"]) for row in campaigns.history]


def test_a_campaign_s_life():
    heard: list[dict[str, Any]] = []
    campaigns = Campaigns(tell=heard.append)
    campaigns.update(10, [shown(range(10))], [], usage())
    campaigns.update(20, [shown(range(11), rung=SHAPED)], [], usage())
    campaigns.update(30, [shown(range(20))], [], usage())
    innocent = judged(range(20), [0], ["a public or fixed set of tasks"])
    campaigns.update(40, [], [innocent], usage())
    campaigns.update(50, [], [innocent], usage())
    campaigns.update(60, [shown(range(20))], [], usage())
    assert events(campaigns) == [
        (10, "c_1", "flagged", None),
        (20, "c_1", "raised", None),
        (30, "c_1", "lowered", None),
        (30, "c_1", "grew", None),
        (40, "c_1", "withdrawn", None),
        (60, "c_1", "restored", None),
    ]
    assert "a public or fixed set of tasks" in campaigns.history[4]["words"]
    assert heard == campaigns.history
    one = campaigns.tracked["c_1"]
    assert one.flagged_at == 10
    assert {one.joined[f"e{n:02d}"] for n in range(10)} == {10}
    assert (one.joined["e10"], one.joined["e19"]) == (20, 30)
    assert history_table(campaigns.history).num_rows == 6


def test_evidence_that_fades_with_its_data_withdraws_nothing():
    campaigns = Campaigns()
    campaigns.update(10, [shown(range(10), n=1000.0)], [], usage())
    campaigns.update(20, [], [judged(range(10), [0], ["own work"], n=700.0)], usage())
    campaigns.update(30, [], [], usage())
    assert [event for _, _, event, _ in events(campaigns)] == ["flagged"]
    campaigns.update(40, [], [judged(range(10), [0], ["own work"], n=900.0)], usage())
    assert [event for _, _, event, _ in events(campaigns)] == ["flagged", "withdrawn"]


def test_splits_and_merges_name_both_sides():
    campaigns = Campaigns()
    campaigns.update(10, [shown(range(30), [0, 1, 2, 3])], [], usage())
    parts = [shown(range(20), [0, 1, 2], n=900.0), shown(range(20, 30), [3])]
    assert campaigns.update(20, parts, [], usage()) == ["c_1", "c_1_2"]
    assert events(campaigns)[-1] == (20, "c_1_2", "split", "c_1")
    assert campaigns.tracked["c_1_2"].flagged_at == 20
    assert set(campaigns.tracked["c_1_2"].joined.values()) == {10}
    assert campaigns.update(30, [shown(range(30), [0, 1, 2, 3])], [], usage()) == ["c_1"]
    assert (30, "c_1_2", "merged", "c_1") in events(campaigns)
    # A merged campaign's id is never given again.
    assert campaigns.update(40, [shown(range(35, 39), [9])], [], usage()) == ["c_1_3"]


def campaign(name: str, n: int) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for column in CAMPAIGNS:
        filled[column.name] = (
            0 if pa.types.is_timestamp(column.type) else [] if "list" in str(column.type) else 1
        )
    return {**filled, "campaign_id": name, "rung": "one_task_pool", "n_exchanges": n}


def tables(campaigns: list[dict[str, Any]], flagged: list[tuple[str, str]]) -> dict[str, pa.Table]:
    rows = [{"exchange_id": x, "campaign_id": c, "probability": 1.0} for x, c in flagged]
    found = {schema.name: schema.empty() for schema in KEPT}
    found["campaigns"] = pa.Table.from_pylist(campaigns, schema=CAMPAIGNS.arrow)
    found["flagged"] = pa.Table.from_pylist(rows, schema=FLAGGED.arrow)
    return found


def test_rows_of_campaigns_that_are_live_no_longer():
    first = tables([campaign("a", 2), campaign("b", 1)], [("x1", "a"), ("x2", "a"), ("x3", "b")])
    kept = kept_rows(first, {}, {"a", "b"})
    kept = kept_rows(tables([campaign("b", 1)], [("x3", "b")]), kept, {"a", "b"})
    now = tables([campaign("c", 1)], [("x2", "c")])
    told = with_kept(now, kept, {"a", "c"})
    # b was withdrawn; x2 stands in c now.
    assert told["campaigns"].select(["campaign_id", "n_exchanges"]).to_pylist() == [
        {"campaign_id": "c", "n_exchanges": 1},
        {"campaign_id": "a", "n_exchanges": 1},
    ]
    assert sorted(told["flagged"].column("exchange_id").to_pylist()) == ["x1", "x2"]
    assert told["members"].schema == MEMBERS_OVER_TIME.arrow
    assert with_kept(now, {}, {"a"}) == now


@pytest.mark.parametrize("status", ["reported", "withdrawn"])
def test_what_is_live_is_told_as_it_is_now(status):
    kept = kept_rows(tables([campaign("a", 2)], [("x1", "a"), ("x2", "a")]), {}, {"a"})
    now = tables([campaign("a", 1)], [("x2", "a")])
    told = with_kept(now, kept, {"a"} if status == "reported" else set())
    assert told["campaigns"].column("n_exchanges").to_pylist() == [1]
    assert told["flagged"].num_rows == 1
