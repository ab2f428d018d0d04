"""A step: a named, pure function from tables to one table. Four kinds serve every stage.

A stage lists its steps; an engine runs them. A step knows no engine and an engine knows no word of the domain.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

State = TypeVar("State")


@dataclass(frozen=True)
class SqlStep:
    """A table computed by SQL over other tables.

    Attributes:
        output: name of the table it makes.
        inputs: names of the tables that `sql` reads.
        sql: one SELECT in the DuckDB dialect, kept to what other engines can be compiled to; an engine
            transpiles it at run time.
        dense: most bytes of the table are hashes and vectors, on which an engine need not try to compress.
    """

    output: str
    inputs: tuple[str, ...]
    sql: str
    dense: bool = False


@dataclass(frozen=True)
class KernelStep:
    """A table computed batch by batch: rows of a batch may come in any order and number.

    Attributes:
        output: name of the table it makes.
        input: name of the table it reads.
        columns: the columns of `input` that `kernel` gets, in order.
        schema: Arrow schema of the batches that `kernel` returns.
        kernel: record batch -> record batch, pure.
    """

    output: str
    input: str
    columns: tuple[str, ...]
    schema: pa.Schema
    kernel: Callable[[pa.RecordBatch], pa.RecordBatch]


@dataclass(frozen=True)
class FoldStep(Generic[State]):
    """A table computed from a mergeable state (counts, sketches) folded over batches.

    Attributes:
        output: name of the table it makes.
        input: name of the table it reads.
        columns: the columns of `input` that `update` gets, in order.
        start: makes an empty state.
        update: adds what `prepare` made of a batch to a state and returns it (in place or new).
        merge: joins two states; associative and commutative.
        finish: state -> table.
        key: batch -> uint64 of each row; rows of one key are folded into one state, which is then merged with
            others. Needed where `merge` takes what two states have in common for two things. Rows whose key is
            null may go anywhere. An engine that folds everything into one state need not ask.
        prepare: batch -> what `update` takes; an engine may prepare several batches at once. The batch itself if None.
    """

    output: str
    input: str
    columns: tuple[str, ...]
    start: Callable[[], State]
    update: Callable[[State, Any], State]
    merge: Callable[[State, State], State]
    finish: Callable[[State], pa.Table]
    key: Callable[[pa.RecordBatch], pa.Array] | None = None
    prepare: Callable[[pa.RecordBatch], Any] | None = None

    def add(self, state: State, batch: pa.RecordBatch) -> State:
        """Prepare a batch and add it to a state."""
        return self.update(state, batch if self.prepare is None else self.prepare(batch))


@dataclass(frozen=True)
class DriverStep:
    """A small table computed from whole small tables in this process (group-level tests).

    Attributes:
        output: name of the table it makes.
        inputs: names of the tables it reads whole.
        function: mapping from input name to table -> table, pure.
    """

    output: str
    inputs: tuple[str, ...]
    function: Callable[[Mapping[str, pa.Table]], pa.Table]


Step = SqlStep | KernelStep | FoldStep[Any] | DriverStep
