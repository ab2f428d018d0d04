"""Threads work ahead; what they give comes as if there were one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from stillwatch.ordered import ahead, in_order


class FaultError(Exception):
    pass


def source(items: list[int], fails: bool = False) -> Callable[[], Iterator[int]]:
    def give() -> Iterator[int]:
        for item in items:
            if item % 5 == 0:
                time.sleep(0.0002)
            yield item
        if fails:
            raise FaultError

    return give


lists = st.lists(st.lists(st.integers(0, 50), max_size=8), max_size=8)


@settings(deadline=None, max_examples=50)
@given(lists, st.integers(1, 4), st.integers(0, 60), st.none() | st.integers(0, 7))
def test_items_and_errors_come_where_they_stand(
    given_lists: list[list[int]], threads: int, most: int, failing: int | None
) -> None:
    sources = [source(items, n == failing) for n, items in enumerate(given_lists)]
    fails = failing is not None and failing < len(given_lists)
    expected = [
        item
        for items in given_lists[: failing + 1 if fails and failing is not None else None]
        for item in items
    ]
    found: list[int] = []
    try:
        found.extend(in_order(sources, threads, lambda item: item, most))
    except FaultError:
        assert fails
    else:
        assert not fails
    assert found == expected


def test_an_error_of_the_list_of_sources_comes_too() -> None:
    def sources() -> Iterator[Callable[[], Iterator[int]]]:
        yield source([1, 2])
        raise FaultError

    found = in_order(sources(), 2, lambda item: 1, 10)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(FaultError):
        next(found)


def test_only_so_much_waits() -> None:
    lock = threading.Lock()
    made, taken, most_waiting = 0, 0, 0

    def give() -> Iterator[int]:
        nonlocal made, most_waiting
        for _ in range(20):
            with lock:
                made += 1
                most_waiting = max(most_waiting, made - taken)
            yield 1

    for _ in in_order([give] * 6, 3, lambda item: 1, 7):
        time.sleep(0.0005)
        with lock:
            taken += 1
    assert taken == 120
    assert most_waiting <= 7 + 1 + 3 + 1  # room, one for the first, one in each hand, one being taken


def test_threads_end_with_their_reader() -> None:
    before = threading.active_count()
    with closing(in_order([source(list(range(1000)))] * 4, 3, lambda item: 1, 5)) as found:
        assert next(found) == 0
    assert threading.active_count() == before


@pytest.mark.parametrize("threads", [1, 2])
def test_what_is_begun_ahead_comes_when_it_is_asked_for(threads: int) -> None:
    begun = threading.Event()

    def work() -> int:
        begun.set()
        return 7

    found = ahead(work, threads)
    assert begun.wait(10 if threads > 1 else 0) == (threads > 1)
    assert found() == 7


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_ahead_is_raised_where_it_is_asked_for(threads: int) -> None:
    def work() -> int:
        raise FaultError

    found = ahead(work, threads)
    with pytest.raises(FaultError):
        found()
