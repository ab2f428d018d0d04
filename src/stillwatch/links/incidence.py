"""Who has what: entities and the values of one kind as a sparse 0/1 matrix."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import sparse

from stillwatch.exchange.numbering import coded, runs

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Incidence:
    """Entities x values of one kind.

    Attributes:
        kind: name of the kind.
        matrix: CSR (n_entities, n_values), sorted indices, every stored entry 1.
        values: names of the values (n_values,), sorted.
    """

    kind: str
    matrix: sparse.csr_array
    values: tuple[str, ...]

    @classmethod
    def from_pairs(
        cls,
        kind: str,
        entities: Ints,
        values: Ints,
        shape: tuple[int, int],
        names: tuple[str, ...] | None = None,
    ) -> "Incidence":
        """From parallel arrays of entity and value numbers; pairs that repeat count once."""
        ones = np.ones(len(entities), np.int32)
        matrix = sparse.csr_array((ones, (entities, values)), shape=shape)
        matrix.sum_duplicates()
        matrix.sort_indices()
        matrix.data[:] = 1
        return cls(kind, matrix, names if names is not None else tuple(str(v) for v in range(shape[1])))

    @property
    def n_entities(self) -> int:
        """Number of entities, those without any value of this kind included."""
        return int(self.matrix.shape[0])

    @property
    def n_values(self) -> int:
        """Number of values."""
        return int(self.matrix.shape[1])

    @cached_property
    def entity_degrees(self) -> Ints:
        """Values of each entity (n_entities,)."""
        return np.diff(self.matrix.indptr).astype(np.int64)

    @cached_property
    def value_degrees(self) -> Ints:
        """Entities of each value (n_values,)."""
        return np.bincount(self.matrix.indices, minlength=self.n_values).astype(np.int64)

    @cached_property
    def n_informed(self) -> int:
        """Entities with any value of this kind."""
        return int((self.entity_degrees > 0).sum())

    def values_of(self, entities: Ints) -> tuple[Ints, Ints]:
        """Values of some entities one after the other, and the place of each value's entity among them."""
        starts, sizes = self.matrix.indptr[entities].astype(np.int64), self.entity_degrees[entities]
        place, at = runs(starts, sizes)
        return self.matrix.indices[at].astype(np.int64), place

    def holders(self, value: int) -> Ints:
        """Entities that have a value, ascending."""
        turned = self.transposed
        return np.asarray(turned.indices[turned.indptr[value] : turned.indptr[value + 1]], dtype=np.int64)

    @cached_property
    def transposed(self) -> sparse.csr_array:
        """Values x entities, CSR with sorted indices."""
        matrix = self.matrix.T.tocsr()
        matrix.sort_indices()
        return matrix


@dataclass(frozen=True)
class Attributes:
    """All kinds over one numbering of entities.

    Attributes:
        entities: names (n_entities,), sorted.
        kinds: one incidence per kind, by name.
    """

    entities: tuple[str, ...]
    kinds: dict[str, Incidence]

    @classmethod
    def from_table(cls, table: pa.Table) -> "Attributes":
        """From a table with string columns entity, kind, value (`account_attributes`), in any order."""
        entities, rows = coded(table.column("entity"))
        kinds = {}
        for kind in sorted(pc.unique(table.column("kind")).to_pylist()):
            mask = pc.equal(table.column("kind"), kind)
            values, columns = coded(table.column("value").filter(mask))
            of_kind = rows[mask.combine_chunks().to_numpy(zero_copy_only=False)]
            shape = (len(entities), len(values))
            kinds[kind] = Incidence.from_pairs(kind, of_kind, columns, shape, tuple(values.to_pylist()))
        return cls(tuple(entities.to_pylist()), kinds)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Entity name -> its number."""
        return {name: number for number, name in enumerate(self.entities)}

    def numbers_of(self, names: Iterable[str]) -> Ints:
        """Number of each named entity, -1 for one without any attribute."""
        return np.fromiter((self.numbers.get(name, -1) for name in names), np.int64)
