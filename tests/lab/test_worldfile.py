"""Settings of worlds: what is read, what is refused, and that a refusal says what may be set instead."""

import re

import pytest

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab import conducts, populations
from stillwatch.lab.parameters import Parameter
from stillwatch.lab.simulate import simulate
from stillwatch.lab.worldfile import known, make_world, read_world, shipped_worlds

HOST = {"population": [{"kind": "chat_users"}]}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"world": {"days": 1}}, ["[world]", "days = 1", "a whole number from 2 to 120"]),
        ({"world": {"days": 3.5}}, ["days = 3.5", "a whole number"]),
        ({"world": {"days": True}}, ["days = True"]),
        ({"world": {"start": "2026-03-02"}}, ["start", "2026-03-02T00:00:00Z"]),
        ({"world": {"start": "yesterday"}}, ["start", "yesterday"]),
        ({"world": {"days": 5, "release_day": 7}}, ["release_day = 7", "below days (5)"]),
        ({"world": {"dais": 5}}, ["unknown key dais", "Did you mean days"]),
        ({"population": [{"kind": "chat_user"}]}, ["[[population]] number 1", "'chat_user'", "chat_users"]),
        (
            {"population": [{"kind": "chat_users", "per_day": -1}]},
            ["per_day = -1", "a number from 0.01 to 100"],
        ),
        ({"population": [{"kind": "enterprise", "declared": "maybe"}]}, ["declared", "one of yes, no"]),
        ({"population": [{"kind": "chat_users"}] * 2}, ["two tables have the name chat_users"]),
        (
            HOST | {"campaign": [{"kind": "hydra", "per_day": 1e9}]},
            ["(hydra)", "per_day", "from 0.5 to 2000"],
        ),
        (
            HOST | {"campaign": [{"kind": "reseller_mixture", "host": "nobody"}]},
            ["host = 'nobody'", "chat_users"],
        ),
        ({"population": {"kind": "chat_users"}}, ["population is not a list"]),
        ({"world": 3}, ["[world] is not a table"]),
    ],
)
def test_a_bad_setting_is_named_with_what_is_allowed(settings, words):
    with pytest.raises(UsageError) as error:
        make_world(settings, "w", "w.toml")
    message = str(error.value)
    assert message.startswith("w.toml")
    assert all(word in message for word in words), message


def settings_of(kind, is_campaign, **values):
    """A world in which every population that any parameter names by default stands first."""
    hosts = ("unofficial_reseller", "coding_agent_a")
    crowd = [{"kind": "chat_users"}, *({"kind": "chat_users", "name": name} for name in hosts)]
    own = {"kind": kind, "name": "mine", **values}
    if is_campaign:
        return {"population": crowd, "campaign": [own]}
    return {"population": [*crowd, own]}


def every_parameter():
    return [
        pytest.param(kind, package is conducts, parameter, id=f"{kind}-{parameter.name}")
        for package in (populations, conducts)
        for kind, module in known(package).items()
        for parameter in module.PARAMETERS
    ]


@pytest.mark.parametrize(("kind", "is_campaign", "parameter"), every_parameter())
def test_every_parameter_takes_what_it_allows_and_names_it_when_it_refuses(kind, is_campaign, parameter):
    def read(value):
        world = make_world(settings_of(kind, is_campaign, **{parameter.name: value}), "w", "w.toml")
        return world.campaigns[-1] if is_campaign else world.populations[-1]

    good: list[object] = [parameter.default]
    bad: list[object] = [True, None, [1], {"a": 1}]
    if isinstance(parameter.default, str):
        good += ["chat_users"] if parameter.population else parameter.choices
        bad += [3, "nothing of the kind"] if parameter.population or parameter.choices else [3]
    else:
        assert parameter.low <= parameter.default <= parameter.high
        good += [parameter.low, parameter.high]
        bad += ["3", parameter.low - 1, parameter.high * 2 + 1, float("nan"), float("inf")]
        bad += [parameter.low + 0.5] if isinstance(parameter.default, int) else []
    for value in good:
        read_back = read(value).values[parameter.name]
        assert read_back == value
        assert type(read_back) is type(parameter.default)
    for value in bad:
        with pytest.raises(UsageError) as error:
            read(value)
        message = str(error.value)
        assert message.startswith("w.toml")
        assert f"{parameter.name} = {value!r} is not allowed" in message
        assert "mine" in message or f"({kind})" in message
        range_of = "chat_users" if parameter.population and isinstance(value, str) else parameter.allowed
        assert f"Set {parameter.name} to " in message
        assert range_of in message


@pytest.mark.parametrize(
    ("parameter", "allowed"),
    [
        (Parameter("n", 3, 1, 1e6), "a whole number from 1 to 1e+06"),
        (Parameter("x", 0.5, 0, 0.95), "a number from 0 to 0.95"),
        (Parameter("how", "a", choices=("a", "b")), "one of a, b"),
        (Parameter("more", "", choices=("", "b")), 'one of "", b'),
        (Parameter("name", "", meaning="any"), "any name"),
    ],
)
def test_the_allowed_range_in_words(parameter, allowed):
    assert parameter.allowed == allowed
    with pytest.raises(UsageError, match=re.escape(f"Set {parameter.name} to {allowed}.")):
        parameter.check([], "[world]", "w.toml")


def test_whole_numbers_may_be_written_with_a_point_and_numbers_without():
    assert Parameter("n", 3, 1, 10).check(4.0, "", "") == 4
    assert isinstance(Parameter("n", 3, 1, 10).check(4.0, "", ""), int)
    assert isinstance(Parameter("x", 0.5, 0, 10).check(4, "", ""), float)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"population": [{"kind": "viral"}, {"kind": "chat_users"}]},
            ["viral: host = 'chat_users'", "none does"],
        ),
        (
            {"population": [{"kind": "chat_users"}, {"kind": "viral", "host": "viral"}]},
            ["viral: host = 'viral'", "stands before it: chat_users"],
        ),
        (
            HOST | {"campaign": [{"kind": "reseller_mixture", "host": "chat_users", "other_host": "nobody"}]},
            ["reseller_mixture: other_host = 'nobody'", "chat_users"],
        ),
        (HOST | {"campaign": [{"kind": "reseller_mixture", "host": ""}]}, ["host = ''", "chat_users"]),
        (
            HOST | {"campaign": [{"kind": "hydra", "name": "h"}, {"kind": "imitation", "victim": "h"}]},
            ["imitation: victim = 'h'", "chat_users"],  # a campaign is no population
        ),
    ],
)
def test_only_populations_that_stand_before_can_be_hosts(settings, words):
    with pytest.raises(UsageError) as error:
        make_world(settings, "w", "w.toml")
    assert all(word in str(error.value) for word in words), error.value


def test_a_second_host_may_be_left_out_and_one_name_stands_for_all_copies():
    two = [{"kind": "chat_users", "groups": 2}, {"kind": "viral"}]
    campaign = [{"kind": "reseller_mixture", "host": "chat_users"}]
    world = make_world({"population": two, "campaign": campaign}, "w", "w.toml")
    assert world.campaigns[0].values["other_host"] == ""
    assert [actor.values["host"] for actor in world.populations[1:]] == ["chat_users"]


def written(tmp_path, text):
    (tmp_path / "own.toml").write_text(text)
    return tmp_path / "own.toml"


def test_a_world_extends_a_shipped_one(tmp_path):
    base = read_world("everyday")
    assert base.campaigns == ()
    own = """extends = "everyday"
[world]
days = 9
release_day = 4.5
[[population]]
kind = "chat_users"
accounts = 77
[[population]]
kind = "cron_fleet"
name = "my_own"
[[campaign]]
kind = "hydra"
"""
    world = read_world(written(tmp_path, own))
    assert (world.name, world.days, world.release_day) == ("own", 9, 4.5)
    assert (world.start, world.full, world.logged) == (base.start, base.full, base.logged)
    ours = {actor.name: actor.values for actor in world.populations}
    theirs = {actor.name: actor.values for actor in base.populations}
    assert ours.keys() == theirs.keys() | {"my_own"}
    assert ours["chat_users"]["accounts"] == 77
    assert all(ours[name] == theirs[name] for name in theirs if name != "chat_users")
    assert [campaign.name for campaign in world.campaigns] == ["hydra"]


def test_a_replaced_population_keeps_its_place_before_its_guests(tmp_path):
    names = [actor.name for actor in read_world("everyday").populations]
    own = 'extends = "everyday"\n[[population]]\nkind = "chat_users"\naccounts = 30\n'
    world = read_world(written(tmp_path, own))
    assert [actor.name for actor in world.populations] == names


def test_campaigns_of_the_extended_world_are_left_behind(tmp_path):
    assert read_world("first").campaigns
    world = read_world(written(tmp_path, 'extends = "first"\n'))
    assert world.campaigns == ()
    assert [a.values for a in world.populations] == [a.values for a in read_world("first").populations]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "nowhere"', ["extends = 'nowhere' is not allowed", "everyday, first"]),
        ("extends = 3", ["extends = 3 is not allowed"]),
        ('extends = ["first"]', ["extends = ['first'] is not allowed"]),
        ('extends = "first"\n[population]\nkind = "viral"', ["population is not a list of tables"]),
        ('extends = "first"\n[world]\ndays = 5', ["release_day", "below days (5)"]),
        ('extends = "first"\n[[population]]\nkind = "chat_user"', ["'chat_user'", "chat_users"]),
        ('extends = "first"\nworld = 3', ["[world] is not a table"]),
        ('[[campaign]]\nname = "x"', ["[[campaign]] number 1", "kind = None", "hydra"]),
    ],
)
def test_what_cannot_be_extended_is_said_of_the_own_file(tmp_path, text, words):
    with pytest.raises(UsageError) as error:
        read_world(written(tmp_path, text))
    assert all(word in str(error.value) for word in words), error.value
    assert str(error.value).startswith(str(tmp_path / "own.toml"))


def test_a_world_that_is_no_toml_or_not_there_is_unreadable(tmp_path):
    (tmp_path / "w.toml").write_text("[world\n")
    with pytest.raises(UnreadableInputError, match="not valid TOML"):
        read_world(tmp_path / "w.toml")
    with pytest.raises(UnreadableInputError, match=r"one of the shipped worlds: .*everyday, first"):
        read_world(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_text("[worlds]\n")
    with pytest.raises(UsageError, match="unknown table worlds"):
        read_world(tmp_path / "x.toml")


def test_every_shipped_world_can_be_read():
    for name in shipped_worlds():
        assert read_world(name).populations


def test_every_population_and_conduct_tells_whom_it_models_and_what_may_be_set():
    for package, act in ((populations, "live"), (conducts, "wage")):
        for name, module in known(package).items():
            assert len(module.__doc__ or "") > 200, name
            assert callable(getattr(module, act)), name
            assert module.SCALES in ("accounts", "groups"), name
            assert module.MIN_ACCOUNTS >= 1, name
            assert any(p.name == "accounts" for p in module.PARAMETERS), name
            assert all(p.meaning for p in module.PARAMETERS), name


def test_scale_and_seed_are_checked_before_anything_is_written(tmp_path):
    with pytest.raises(
        UsageError, match=r"scale = 'huge' is not allowed(.|\n)*tiny, small, medium, large, 28.8m"
    ):
        simulate("first", 1, tmp_path / "out", "huge")
    with pytest.raises(UsageError, match="seed = -1"):
        simulate("first", -1, tmp_path / "out", "tiny")
    assert not (tmp_path / "out").exists()
