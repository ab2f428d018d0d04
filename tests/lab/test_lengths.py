from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stillwatch.lab.behaviour.lengths import TokenLengths, from_quantiles
from stillwatch.lab.traces import HERE

TRACES = Path(__file__).resolve().parents[3] / "shared" / "data" / "traces"


@pytest.fixture(scope="module")
def lengths() -> TokenLengths:
    return TokenLengths.load()


@pytest.mark.parametrize("field", ["input_tokens", "output_tokens"])
def test_draws_follow_each_clients_own_histogram(lengths, field):
    rng = np.random.default_rng(1)
    table = pq.read_table(HERE / "token_lengths.parquet")
    table = table.filter(pc.equal(table["output"], field == "output_tokens"))
    size = 20_000
    for client in rng.choice(lengths.clients, 8, replace=False):
        own = table.filter(pc.equal(table["client"], client)).sort_by("bin_low")
        drawn = lengths.draw(rng, np.full(size, client), field)
        low, high = own["bin_low"].to_numpy(), own["bin_high"].to_numpy()
        share = own["share"].to_numpy().astype(float)
        place = np.searchsorted(low, drawn, side="right") - 1
        assert (place >= 0).all() and (drawn <= high[place]).all()
        seen = np.bincount(place, minlength=len(low)) / size
        assert np.abs(seen - share / share.sum()).max() < 5 * 0.5 / np.sqrt(size)


def test_a_mixed_draw_keeps_the_clients_apart(lengths):
    rng = np.random.default_rng(2)
    client = rng.integers(0, lengths.clients, 50_000)
    drawn = lengths.draw(rng, client, "output_tokens")
    table = pq.read_table(HERE / "token_lengths.parquet")
    table = table.filter(table["output"])
    reach = table.group_by("client").aggregate([("bin_low", "min"), ("bin_high", "max")]).sort_by("client")
    assert (drawn >= reach["bin_low_min"].to_numpy()[client]).all()
    assert (drawn <= reach["bin_high_max"].to_numpy()[client]).all()


def test_an_unknown_client_is_refused(lengths):
    with pytest.raises(ValueError, match="clients are 0 to"):
        lengths.draw(np.random.default_rng(0), np.array([lengths.clients]), "input_tokens")


def test_people_have_the_quantiles_of_the_conversation_trace(lengths):
    if not TRACES.exists():
        pytest.skip("../shared/data is not here")
    real = pq.read_table(TRACES / "azure_llm_2023.parquet", filters=[("service", "=", "conv")])
    rng = np.random.default_rng(3)
    for field, column in (("input_tokens", "context_tokens"), ("output_tokens", "generated_tokens")):
        drawn = lengths.draw_people(rng, 100_000, field)
        wanted = np.quantile(real[column].to_numpy(), [0.1, 0.5, 0.9])
        assert np.quantile(drawn, [0.1, 0.5, 0.9]) == pytest.approx(wanted, rel=0.03)


def test_quantiles_are_met_at_the_grid_and_between():
    grid = np.array([0.0, 1.0, 10.0])
    assert from_quantiles(grid, np.array([0.0, 0.25, 0.5, 0.75])).tolist() == [0.0, 0.5, 1.0, 5.5]
