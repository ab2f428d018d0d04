import os

import pytest

from stillwatch.engines.machine_memory import default_memory_limit, machine_memory

GIB = 1 << 30
OWN = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def system(tmp_path):
    """Writes a /proc and /sys: of which groups the process is, and their limits."""

    def write(groups, limits):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for file, told in limits.items():
            place = tmp_path / "sys/fs/cgroup" / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{told}\n")
        return tmp_path

    return write


def test_without_control_groups_it_is_the_machines(tmp_path):
    assert machine_memory(tmp_path) == OWN


def test_the_least_limit_of_the_groups_around_counts(system):
    limits = {"memory.max": "max", "job/memory.max": GIB // 4, "job/step/memory.max": GIB // 2}
    assert machine_memory(system("0::/job/step\n", limits)) == GIB // 4


def test_a_container_sees_its_own_limit_at_the_top(system):
    assert machine_memory(system("0::/far/away\n", {"memory.max": GIB // 8})) == GIB // 8


def test_the_first_version_of_control_groups(system):
    groups = "7:cpu,cpuacct:/job\n4:memory:/job\n0::/\n"
    limits = {"memory/job/memory.limit_in_bytes": GIB // 4, "memory/memory.limit_in_bytes": 1 << 62}
    assert machine_memory(system(groups, limits)) == GIB // 4


def test_the_engine_takes_a_quarter_of_little_and_no_more_than_is_of_use(system, monkeypatch):
    small = system("0::/\n", {"memory.max": 4 * GIB})
    monkeypatch.setattr(os, "sysconf", lambda name: 1 if name == "SC_PAGE_SIZE" else 64 * GIB)
    assert default_memory_limit(small) == "1073MB"
    assert default_memory_limit(small / "nowhere") == "2GB"


def test_where_the_system_does_not_tell_it_is_what_is_of_use(tmp_path, monkeypatch):
    def unknown(name):
        raise ValueError(name)

    monkeypatch.setattr(os, "sysconf", unknown)
    assert machine_memory(tmp_path) is None
    assert default_memory_limit(tmp_path) == "2GB"


def test_a_system_that_does_not_know_tells_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else -1)
    assert machine_memory(tmp_path) is None
