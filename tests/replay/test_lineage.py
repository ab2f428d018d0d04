"""Which campaign of now is which of before."""

from hypothesis import given
from hypothesis import strategies as st

from stillwatch.campaigns.lineage import Body, Change, follow, kinship

NAMES = st.frozensets(st.integers(0, 30), min_size=1, max_size=20)
BODIES = st.builds(Body, NAMES, NAMES, st.floats(1, 1e6))


def body(members, templates=("t",), size=1.0):
    return Body(frozenset(members), frozenset(templates), size)


def changes(steps):
    return [(step.change, step.before, step.now, step.other) for step in steps]


def test_a_campaign_keeps_its_id_when_all_its_accounts_are_replaced():
    before = {"a": body(range(10), ["t", "u", "v"])}
    now = [body(range(50, 60), ["t", "u", "v", "w"])]
    assert changes(follow(before, now)) == [(Change.KEPT, "a", 0, None)]


def test_one_template_in_common_makes_no_kin_of_strangers():
    before = {"a": body(range(10), ["t", "u", "v", "w"])}
    now = [body(range(50, 60), ["t", "x", "y"])]
    assert changes(follow(before, now)) == [
        (Change.NEW, None, 0, None),
        (Change.GONE, "a", None, None),
    ]


def test_of_two_parts_the_larger_keeps_the_id():
    before = {"a": body(range(30))}
    now = [body(range(20, 30)), body(range(20))]
    assert changes(follow(before, now)) == [(Change.SPLIT, None, 0, "a"), (Change.KEPT, "a", 1, None)]


def test_of_two_that_merge_the_larger_stays():
    before = {"a": body(range(10), ["t"]), "b": body(range(10, 30), ["u"])}
    now = [body(range(30), ["t", "u"])]
    assert changes(follow(before, now)) == [
        (Change.KEPT, "b", 0, None),
        (Change.MERGED, "a", None, 0),
    ]


def test_a_campaign_that_ends_is_not_taken_in_by_one_with_its_members_beside_it():
    whole, part = body(range(40), ["t"]), body(range(10), ["u"])
    assert changes(follow({"a": whole, "b": part}, [whole])) == [
        (Change.KEPT, "a", 0, None),
        (Change.GONE, "b", None, None),
    ]


def test_members_with_templates_that_were_nobodys_are_no_part_of_a_campaign():
    whole, part = body(range(40), ["t"]), body(range(10), ["u"])
    assert changes(follow({"a": whole}, [whole, part])) == [
        (Change.KEPT, "a", 0, None),
        (Change.NEW, None, 1, None),
    ]


def test_two_that_share_templates_are_told_apart_by_members():
    before = {"a": body(range(10), ["t", "u"]), "b": body(range(10, 20), ["t", "u"])}
    now = [body(range(11, 21), ["t", "u"]), body(range(1, 11), ["t", "u"])]
    assert {step.before: step.now for step in follow(before, now)} == {"b": 0, "a": 1}


@given(st.dictionaries(st.sampled_from("abcde"), BODIES, max_size=5), st.lists(BODIES, max_size=5))
def test_every_campaign_is_told_once_and_no_id_is_given_twice(before, now):
    steps = follow(before, now)
    assert [step.now for step in steps if step.now is not None] == list(range(len(now)))
    kept = [str(step.before) for step in steps if step.change is Change.KEPT]
    gone = [str(step.before) for step in steps if step.now is None]
    assert len(kept) == len(set(kept))
    assert sorted(kept + gone) == sorted(before)
    for step in steps:
        if step.change is Change.KEPT:
            assert kinship(before[step.before], now[step.now]) > 0
        if step.change is Change.MERGED:
            members = before[step.before].members
            assert len(members & now[step.other].members) >= len(members) / 2
        if step.change is Change.SPLIT:
            members = now[step.now].members
            assert len(members & before[step.other].members) >= len(members) / 2


@given(st.dictionaries(st.sampled_from("abcde"), BODIES, max_size=5))
def test_what_stays_as_it_was_keeps_its_id(before):
    distinct: dict[str, Body] = {}
    for name, one in before.items():
        if (one.members, one.templates) not in [(b.members, b.templates) for b in distinct.values()]:
            distinct[name] = one
    steps = follow(distinct, list(distinct.values()))
    assert [step.before for step in steps] == list(distinct)


@given(BODIES, BODIES)
def test_kinship_is_symmetric(one, other):
    assert kinship(one, other) == kinship(other, one)
    assert 0 <= kinship(one, other) <= 2
    assert kinship(one, one) == 2
