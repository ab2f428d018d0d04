"""Work that several threads do at once, and whose results come in the order of the work."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Source = Callable[[], Iterator[Item]]


def in_order(
    sources: Iterable[Source[Item]], threads: int, weigh: Callable[[Item], int], most: int
) -> Generator[Item]:
    """All items of all sources, in order, while threads work ahead.

    An error of a source is raised where its next item would stand. Close the iterator where it is not read to
    its end, so that the threads stop.

    Args:
        sources: each gives some items; one thread works on one source at a time.
        threads: how many work; with one, nothing is worked ahead.
        weigh: bytes that an item holds.
        most: about how many bytes may wait to be taken.
    """
    if threads == 1:
        for source in sources:
            yield from source()
        return
    work = _Work(iter(sources), weigh, most)
    with ThreadPoolExecutor(threads, "stillwatch-ordered") as pool:
        try:
            for _ in range(threads):
                pool.submit(work.go_on)
            while (lane := work.first()) is not None:
                yield from work.take(lane)
        finally:
            work.stop()


def ahead(work: Callable[[], Item], threads: int) -> Callable[[], Item]:
    """Begin in a thread of its own with what is wanted later.

    Args:
        work: what is done.
        threads: how many may work; with one, it is done when it is asked for.

    Returns:
        Waits for what `work` gives, and gives it, or raises its error.
    """
    if threads == 1:
        return work
    with_own = ThreadPoolExecutor(1, "stillwatch-ahead")
    found = with_own.submit(work)
    with_own.shutdown(wait=False)
    return found.result


class _Lane(Generic[Item]):
    """What one source has given and nobody has taken yet."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Item, int]] = deque()
        self.is_done = False
        self.error: BaseException | None = None


class _Work(Generic[Item]):
    """The lanes, in order; everything here is changed under one lock."""

    def __init__(self, sources: Iterator[Source[Item]], weigh: Callable[[Item], int], most: int) -> None:
        self._sources = sources
        self._weigh = weigh
        self._room = most
        self._lanes: deque[_Lane[Item]] = deque()
        self._exhausted = False
        self._stopped = False
        self._failed: BaseException | None = None
        self._changed = threading.Condition()

    def go_on(self) -> None:
        """Work on one source after the other."""
        while (taken := self._next()) is not None:
            lane, source = taken
            try:
                for item in source():
                    if not self._put(lane, item):
                        return
            except BaseException as error:
                lane.error = error  # raised again by whoever takes the items
            with self._changed:
                lane.is_done = True
                self._changed.notify_all()

    def _next(self) -> tuple[_Lane[Item], Source[Item]] | None:
        with self._changed:
            if self._stopped or self._exhausted:
                return None
            try:
                source = next(self._sources, None)
            except BaseException as error:
                self._failed, source = error, None
            if source is None:
                self._exhausted = True
                self._changed.notify_all()
                return None
            lane: _Lane[Item] = _Lane()
            self._lanes.append(lane)
            self._changed.notify_all()
            return lane, source

    def _put(self, lane: _Lane[Item], item: Item) -> bool:
        """Wait for room, which the first lane always gets for one item: everybody else waits for it."""
        weight = self._weigh(item)
        with self._changed:
            self._changed.wait_for(
                lambda: self._stopped or weight <= self._room or (lane is self._lanes[0] and not lane.waiting)
            )
            if self._stopped:
                return False
            self._room -= weight
            lane.waiting.append((item, weight))
            self._changed.notify_all()
            return True

    def first(self) -> _Lane[Item] | None:
        """The lane whose items come next; None after the last."""
        with self._changed:
            self._changed.wait_for(lambda: self._lanes or self._exhausted)
            if self._lanes:
                return self._lanes[0]
            if self._failed is not None:
                raise self._failed
            return None

    def take(self, lane: _Lane[Item]) -> Iterator[Item]:
        """Items of the first lane as they come; then the lane is gone."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: lane.waiting or lane.is_done)
                if not lane.waiting:
                    break
                item, weight = lane.waiting.popleft()
                self._room += weight
                self._changed.notify_all()
            yield item
        if lane.error is not None:
            raise lane.error
        with self._changed:
            self._lanes.popleft()
            self._changed.notify_all()

    def stop(self) -> None:
        """Let every thread end with what it is doing."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
