import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.optimize import minimize
from scipy.special import expit

from stillwatch.exchange.errors import StillwatchError
from stillwatch.links.bicm import DegreeError, check_degrees, fit_bicm, solve_bicm
from tests.links.worlds import draw

matrices = hnp.arrays(np.bool_, st.tuples(st.integers(1, 7), st.integers(1, 7)))


def expected(log_x: np.ndarray, log_y: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.asarray(expit(np.nan_to_num(log_x[:, None] + log_y[None, :], nan=-np.inf)))


@given(matrices)
def test_every_matrix_has_its_degrees_reproduced(matrix: np.ndarray) -> None:
    rows, columns = matrix.sum(1), matrix.sum(0)
    p = expected(*solve_bicm(rows, columns))
    assert np.abs(p.sum(1) - rows).max() < 1e-6
    assert np.abs(p.sum(0) - columns).max() < 1e-6


@given(matrices)
@settings(max_examples=25, deadline=None)
def test_it_is_the_maximum_of_the_likelihood(matrix: np.ndarray) -> None:
    rows, columns = matrix.sum(1), matrix.sum(0)
    n = rows.size

    def loss(z: np.ndarray) -> tuple[float, np.ndarray]:
        eta = z[:n, None] + z[None, n:]
        p = expit(eta)
        value = np.logaddexp(0, eta).sum() - z[:n] @ rows - z[n:] @ columns
        return value, np.concatenate([p.sum(1) - rows, p.sum(0) - columns])

    best = minimize(
        loss, np.zeros(n + columns.size), jac=True, method="L-BFGS-B", options={"gtol": 1e-9, "ftol": 1e-15}
    )
    brute = expit(best.x[:n, None] + best.x[None, n:])
    assert np.abs(expected(*solve_bicm(rows, columns)) - brute).max() < 1e-3


def test_heavy_tailed_degrees_at_scale() -> None:
    rng = np.random.default_rng(5)
    incidence = draw(rng, 3000, 4000, 20_000)
    model = fit_bicm(incidence)
    total = np.zeros(incidence.n_entities)
    for number, size in enumerate(model.class_size):
        p = model.probabilities(np.arange(incidence.n_entities), number)
        assert p.sum() == pytest.approx(model.class_degree[number], abs=1e-6)
        total += size * p
    assert np.abs(total - incidence.entity_degrees).max() < 1e-6


def test_strata_reproduce_the_degrees_of_each_stratum() -> None:
    rng = np.random.default_rng(6)
    incidence = draw(rng)
    strata = rng.integers(0, 3, incidence.n_entities)
    model = fit_bicm(incidence, strata)
    for value in range(0, incidence.n_values, 37):
        for stratum in range(3):
            members = np.flatnonzero(strata == stratum)
            p = model.probabilities(members, int(model.value_class[value])).sum()
            assert p == pytest.approx(incidence.matrix[members][:, [value]].sum(), abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([1, 2], [1, 1], "holders in all"),
        ([-1, 2], [1, 0], "negative"),
        ([3, 0], [1, 1, 1, 0], None),
        ([3], [2, 1], "room"),
        ([2, 2, 0], [3, 1], "room"),
    ],
)
def test_degrees_that_no_graph_has_are_refused(
    rows: list[int], columns: list[int], words: str | None
) -> None:
    if words is None:
        check_degrees(np.array(rows), np.array(columns))
        return
    with pytest.raises(DegreeError, match=words) as caught:
        solve_bicm(np.array(rows), np.array(columns))
    assert isinstance(caught.value, StillwatchError)
    assert "What to do" in str(caught.value)


@given(hnp.arrays(np.int64, st.integers(1, 4), elements=st.integers(0, 4)), st.data())
def test_refused_exactly_where_no_matrix_exists(rows: np.ndarray, data: st.DataObject) -> None:
    import networkx as nx

    columns = data.draw(hnp.arrays(np.int64, st.integers(1, 4), elements=st.integers(0, 4)))
    graph = nx.DiGraph()
    for i, r in enumerate(rows):
        graph.add_edge("s", ("r", i), capacity=int(r))
        for j in range(columns.size):
            graph.add_edge(("r", i), ("c", j), capacity=1)
    for j, c in enumerate(columns):
        graph.add_edge(("c", j), "t", capacity=int(c))
    feasible = nx.maximum_flow_value(graph, "s", "t") == rows.sum() == columns.sum()
    try:
        check_degrees(rows, columns)
        accepted = True
    except DegreeError:
        accepted = False
    assert accepted == feasible


def test_no_attributes_at_all() -> None:
    log_x, log_y = solve_bicm(np.zeros(3, np.int64), np.zeros(0, np.int64))
    assert np.all(np.isneginf(log_x))
    assert log_y.size == 0
