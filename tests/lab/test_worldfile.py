from pathlib import Path

import pytest

from stillwatch.exchange.errors import UnreadableInputError, UsageError
from stillwatch.lab import conducts, populations
from stillwatch.lab.simulate import SCALES, simulate
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
        (HOST | {"campaign": [{"kind": "hydra", "per_day": 1e9}]}, ["(hydra)", "per_day", "from 1 to 2000"]),
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


def test_a_world_that_is_no_toml_or_not_there_is_unreadable(tmp_path):
    (tmp_path / "w.toml").write_text("[world\n")
    with pytest.raises(UnreadableInputError, match="not valid TOML"):
        read_world(tmp_path / "w.toml")
    with pytest.raises(UnreadableInputError, match="one of the shipped worlds: first"):
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
    with pytest.raises(UsageError, match=r"scale = 'large' is not allowed(.|\n)*tiny, small, medium"):
        simulate("first", 1, tmp_path / "out", "large")
    with pytest.raises(UsageError, match="seed = -1"):
        simulate("first", -1, tmp_path / "out", "tiny")
    assert not (tmp_path / "out").exists()


def test_the_documentation_names_every_kind_and_scale():
    text = (Path(__file__).parents[2] / "docs" / "laboratory.md").read_text()
    kinds = [*known(populations), *known(conducts)]
    assert [kind for kind in kinds if f"`{kind}`" not in text] == []
    assert [scale for scale in SCALES if f"\n| {scale} " not in text] == []
