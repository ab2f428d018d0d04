"""The graph of a group: accounts, the rare values they share, and where to draw both."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.evidence.figures import Figure, Row, key_of
from stillwatch.evidence.numbers import Kind

MOST_ACCOUNTS = 150
MOST_VALUES = 60
WIDTH = 720
HEIGHT = 420
_MARGIN = 22

Points = npt.NDArray[np.float64]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SharedValue:
    """A value that at least two accounts of the group share.

    Attributes:
        row: a row of `ties` that names it.
        accounts: the accounts of the group that have it, in the order of the table.
        n_here: their number, as a figure.
    """

    row: Row
    accounts: tuple[str, ...]
    n_here: Figure


@dataclass(frozen=True)
class Node:
    """An account (`value` is None) or a shared value, placed in the view box."""

    x: float
    y: float
    account: Figure | None
    value: SharedValue | None
    kind: str


@dataclass(frozen=True)
class AccountGraph:
    """The drawing of a group's ties.

    Attributes:
        nodes: accounts first, then shared values.
        edges: x1, y1, x2, y2 and kind of each line.
        kinds: kinds of shared values that are drawn, in alphabetical order.
        n_tied: accounts of the group that share at least one value.
        n_drawn: accounts that are drawn.
        n_values: shared values in all.
        n_values_drawn: shared values that are drawn.
    """

    nodes: tuple[Node, ...]
    edges: tuple[tuple[float, float, float, float, str], ...]
    kinds: tuple[str, ...]
    n_tied: Figure
    n_drawn: int
    n_values: Figure
    n_values_drawn: int


def shared_values(group_id: str, rows: Sequence[Row]) -> list[SharedValue]:
    """Values shared by two accounts or more, the least expected by chance first.

    Args:
        group_id: the group.
        rows: its rows of the table `ties`.
    """
    holders: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        holders[row["kind"], row["value"]].append(row)
    values = []
    for (kind, value), held in holders.items():
        accounts = tuple(dict.fromkeys(row["account_id"] for row in held))
        if len(accounts) > 1:
            source = f"distinct(ties.account_id[{key_of(group_id, kind, value)}])"
            values.append(SharedValue(held[0], accounts, Figure(len(accounts), Kind.COUNT, source)))
    return sorted(values, key=lambda v: (v.row["log10_p"], -len(v.accounts), v.row["kind"], v.row["value"]))


def draw_graph(values: Sequence[SharedValue]) -> AccountGraph | None:
    """Choose what is drawn and place it: at most `MOST_ACCOUNTS` accounts and `MOST_VALUES` shared values.

    Values are taken in the order given as long as there is room for two of their accounts at least.
    """
    if not values:
        return None
    accounts: dict[str, int] = {}
    chosen: list[tuple[SharedValue, list[int]]] = []
    for value in values:
        room = MOST_ACCOUNTS - len(accounts)
        known = [name for name in value.accounts if name in accounts]
        new = [name for name in value.accounts if name not in accounts][:room]
        if len(chosen) == MOST_VALUES or len(known) + len(new) < 2:
            continue
        for name in new:
            accounts[name] = len(accounts)
        chosen.append((value, [accounts[name] for name in known + new]))
    pairs = np.array(
        [(account, len(accounts) + place) for place, (_, held) in enumerate(chosen) for account in held],
        dtype=np.int64,
    )
    points = place_nodes(len(accounts) + len(chosen), pairs)
    labels = {row_account: value.row for value, _ in chosen for row_account in value.accounts}
    nodes = [_account_node(points[i], name, labels[name]) for name, i in accounts.items()]
    nodes += [_value_node(points[len(accounts) + i], value) for i, (value, _) in enumerate(chosen)]
    edges = [(nodes[a].x, nodes[a].y, nodes[b].x, nodes[b].y, nodes[b].kind) for a, b in pairs.tolist()]
    tied = len({name for value in values for name in value.accounts})
    key = key_of(values[0].row["group_id"])
    kinds = sorted({value.row["kind"] for value, _ in chosen})
    return AccountGraph(
        tuple(nodes),
        tuple(edges),
        tuple(kinds),
        n_tied=Figure(tied, Kind.COUNT, f"distinct(ties.account_id[{key}] where shared)"),
        n_drawn=len(accounts),
        n_values=Figure(len(values), Kind.COUNT, f"distinct(ties.value[{key}] where shared)"),
        n_values_drawn=len(chosen),
    )


def place_nodes(n: int, pairs: Pairs, rounds: int = 220) -> Points:
    """Place nodes by forces, without chance: the same graph is always drawn the same.

    Fruchterman and Reingold, "Graph drawing by force-directed placement", Software: Practice and Experience
    1991, with a pull towards the middle that keeps unconnected parts on the page; the start is a sunflower
    spiral, not random.

    Args:
        n: nodes.
        pairs: int64[edges, 2], node numbers.
        rounds: steps of cooling.

    Returns:
        float64[n, 2] inside the view box.
    """
    turn = np.pi * (3 - np.sqrt(5))
    order = np.arange(n)
    radius = np.sqrt((order + 0.5) / max(1, n))
    points = np.column_stack([radius * np.cos(order * turn), radius * np.sin(order * turn)])
    ideal = 1.0 / np.sqrt(max(1, n))
    for step in range(rounds):
        force = _repulsion(points, ideal) + _attraction(points, pairs, ideal) - 0.9 * ideal * points
        length = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-12)
        heat = 0.12 * (1 - step / rounds) + 1e-3
        points = points + force / length * np.minimum(length, heat)
    return _to_box(points)


def _repulsion(points: Points, ideal: float) -> Points:
    across = points[:, None, 0] - points[None, :, 0]
    down = points[:, None, 1] - points[None, :, 1]
    weight = ideal**2 / np.maximum(across**2 + down**2, 1e-6)
    return np.column_stack([(across * weight).sum(axis=1), (down * weight).sum(axis=1)])


def _attraction(points: Points, pairs: Pairs, ideal: float) -> Points:
    force = np.zeros_like(points)
    if len(pairs):
        gaps = points[pairs[:, 0]] - points[pairs[:, 1]]
        pull = gaps * (np.linalg.norm(gaps, axis=1, keepdims=True) / ideal)
        np.subtract.at(force, pairs[:, 0], pull)
        np.add.at(force, pairs[:, 1], pull)
    return force


def _to_box(points: Points) -> Points:
    low, high = points.min(axis=0), points.max(axis=0)
    spread = np.maximum(high - low, 1e-9)
    box = np.array([WIDTH - 2 * _MARGIN, HEIGHT - 2 * _MARGIN])
    placed: Points = np.round(_MARGIN + (points - low) / spread * box, 1)
    return placed


def _account_node(point: Points, name: str, row: Row) -> Node:
    source = f"ties.account_id[{key_of(row['group_id'], row['kind'], row['value'], name)}]"
    return Node(float(point[0]), float(point[1]), Figure(name, Kind.TEXT, source, 80), None, "account")


def _value_node(point: Points, value: SharedValue) -> Node:
    return Node(float(point[0]), float(point[1]), None, value, value.row["kind"])
