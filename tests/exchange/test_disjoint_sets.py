import hypothesis.strategies as st
import networkx as nx
import numpy as np
from hypothesis import given, settings

from stillwatch.exchange.disjoint_sets import connected, root, roots

pairs = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
)


@settings(deadline=None)
@given(pairs)
def test_connected_vertices_have_the_least_of_them_in_common(case):
    n, edges = case
    graph = nx.Graph(edges)
    graph.add_nodes_from(range(n))
    ones, others = np.array(edges, np.int64).reshape(-1, 2).T.copy()
    expected = {v: min(part) for part in nx.connected_components(graph) for v in part}
    assert connected(ones, others, n).tolist() == [expected[v] for v in range(n)]


def test_a_chain_has_one_root_and_is_left_as_it_is():
    chain = np.array([0, 0, 1, 2, 4], np.int64)
    assert roots(chain).tolist() == [0, 0, 0, 0, 4]
    assert chain.tolist() == [0, 0, 1, 2, 4]
    assert root(chain, 3) == 0
