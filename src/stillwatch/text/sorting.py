"""Sorting within kernels: numpy's sort takes longer to compile than a whole module of kernels."""

from numba import njit

_SHORT = 32  # values that insertion sorts faster than a heap, above all where they are nearly in order


@njit(nogil=True, cache=True)
def sort(values, n):  # type: ignore[no-untyped-def]
    """Sort values[:n] in place, ascending."""
    if n <= _SHORT:
        _insertion_sort(values, n)
    else:
        _heap_sort(values, n)


@njit(nogil=True, cache=True)
def _insertion_sort(values, n):  # type: ignore[no-untyped-def]
    for i in range(1, n):
        moving = values[i]
        place = i
        while place > 0 and values[place - 1] > moving:
            values[place] = values[place - 1]
            place -= 1
        values[place] = moving


@njit(nogil=True, cache=True)
def _heap_sort(values, n):  # type: ignore[no-untyped-def]
    end = n
    root = n // 2
    while end > 1:
        if root > 0:
            root -= 1
        else:
            end -= 1
            values[0], values[end] = values[end], values[0]
        parent, moving = root, values[root]
        child = 2 * parent + 1
        while child < end:
            if child + 1 < end and values[child + 1] > values[child]:
                child += 1
            if values[child] <= moving:
                break
            values[parent] = values[child]
            parent = child
            child = 2 * parent + 1
        values[parent] = moving
