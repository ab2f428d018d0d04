from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from stillwatch.lab.behaviour.clients import Catalogue
from stillwatch.lab.networks import shapes

NETWORK = Path(__file__).parents[3] / "shared" / "data" / "network"


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_equal_programs_are_one_object_however_they_are_drawn():
    catalogue = Catalogue(rng())
    drawn = catalogue.sdks(3_000, rng(2)) + catalogue.browsers(3_000, rng(3)) + [catalogue.sdk(rng(4))]
    drawn += [catalogue.named(("agent/1", "agent/2"), "t13d1011h2", rng(n)) for n in range(40)]
    assert len({id(s) for s in drawn}) == len(set(drawn))


def test_one_and_many_are_drawn_from_the_same_shares():
    catalogue = Catalogue(rng())
    source = rng(5)
    single: Counter[str] = Counter()
    for _ in range(4_000):
        single[catalogue.browser(source).agents[0]] += 1
    many = Counter(s.agents[0] for s in catalogue.browsers(4_000, rng(6)))
    for agent in single | many:
        assert abs(single[agent] - many[agent]) < 6 * np.sqrt(single[agent] + many[agent] + 1), agent
    assert catalogue.browsers(0, rng()) == catalogue.sdks(0, rng()) == []


def test_fingerprints_depend_on_the_world_and_not_on_who_asks_first():
    one, two = Catalogue(rng(1)), Catalogue(rng(1))
    one.browsers(500, rng(9))
    asked = [one.named(("a/1",), "t13d1234h2", rng(n)).ja4 for n in range(30)]
    assert asked == [two.named(("a/1",), "t13d1234h2", rng(n)).ja4 for n in range(30)]
    assert set(asked).isdisjoint(
        Catalogue(rng(2)).named(("a/1",), "t13d1234h2", rng(n)).ja4 for n in range(30)
    )
    assert all(ja4.startswith("t13d1234h2_") for ja4 in asked)


def test_a_stack_has_as_many_builds_as_the_real_counts_say():
    catalogue = Catalogue(rng())
    found: dict[str, set[str]] = {}
    for software in catalogue.browsers(150_000, rng(2)) + catalogue.sdks(150_000, rng(3)):
        found.setdefault(software.ja4.split("_")[0], set()).add(software.ja4)
    builds = shapes()["builds"]
    # The rarest of Java's fourteen is one in 100,000 Java programs.
    assert 7 <= len(found["t13d3812h1"]) <= builds["java"]
    for head, stack in (("t13d1516h2", "chromium"), ("t13d1812h1", "python"), ("t13d1311h2", "go")):
        assert len(found[head]) == builds[stack]


@pytest.mark.parametrize("kind", ["sdk", "browser"])
def test_the_common_program_is_the_most_frequent_one(kind):
    catalogue = Catalogue(rng())
    drawn = catalogue.sdks(50_000, rng(2)) if kind == "sdk" else catalogue.browsers(50_000, rng(2))
    common = [catalogue.common(rng(n), kind) for n in range(300)]
    usual = Counter(common).most_common(1)[0][0]
    assert Counter(drawn).most_common(1)[0][0] == usual
    assert {s.ja4 for s in common} == {usual.ja4}
    assert {(s.temperature, s.max_output_tokens, s.operation) for s in common} == {(None, None, "chat")}
    with pytest.raises(ValueError, match="there are sdk and browser"):
        catalogue.common(rng(), "phone")


@pytest.mark.skipif(
    not NETWORK.exists(), reason="the development tables (../shared/data/network) are not here"
)
def test_user_agents_are_as_concentrated_as_the_real_ones():
    """Cumulative shares of the k most common user agents: largest difference to header-generator's model."""
    weights = pq.read_table(NETWORK / "user_agents.parquet")["weight"].drop_null().to_numpy()
    real = np.sort(weights / weights.sum())[::-1]
    drawn = [s.agents[0] for s in Catalogue(rng()).browsers(100_000, rng(2)) if "Mozilla" in s.agents[0]]
    ours = np.array([n for _, n in Counter(drawn).most_common()]) / len(drawn)
    size = min(len(real), len(ours))
    distance = np.abs(np.cumsum(real[:size]) - np.cumsum(ours[:size])).max()
    assert distance < 0.08
