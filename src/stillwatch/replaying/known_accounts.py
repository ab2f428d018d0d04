"""What was known of accounts at a time: nothing is read ahead of it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.exchange.schema import TIMESTAMP


class KnownAccounts:
    """The table `accounts`, as it stood at the end of a slice.

    An account is known once it was opened, and from its first exchange on whatever its record says (clocks of two
    systems differ). Its ban is known once it happened.

    Args:
        accounts: the whole table.
    """

    def __init__(self, accounts: pa.Table) -> None:
        self._accounts = accounts.combine_chunks()
        self._row = {name: row for row, name in enumerate(accounts.column("account_id").to_pylist())}
        self._banned_index = accounts.schema.get_field_index("banned_at")

    def of(self, names: list[str], end: int) -> pa.Table:
        """Rows of accounts that made an exchange before `end` (microseconds), as they stood then."""
        rows = [self._row[name] for name in names if name in self._row]
        found = self._accounts.take(pa.array(np.array(rows, dtype=np.int64)))
        later = pc.greater_equal(found.column("banned_at"), pa.scalar(end, pa.int64()).cast(TIMESTAMP))
        seen = pc.if_else(pc.fill_null(later, False), pa.scalar(None, TIMESTAMP), found.column("banned_at"))
        return found.set_column(self._banned_index, self._accounts.schema.field(self._banned_index), seen)
