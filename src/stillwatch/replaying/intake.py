"""One slice of exchanges -> its `signals`, and everything live that they are added to."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.engines.memory import MemoryEngine
from stillwatch.exchange.writer import write_table
from stillwatch.replaying.known_accounts import KnownAccounts
from stillwatch.replaying.live_cells import LiveCells
from stillwatch.replaying.slices import DAY_US
from stillwatch.replaying.source import Source
from stillwatch.replaying.state import State
from stillwatch.replaying.texts import name_signed, sign
from stillwatch.signals.signatures import SIGNATURES
from stillwatch.signals.steps import signal_steps

SIGNALS = "signals"


class Intake:
    """Takes slices in.

    Args:
        source: the input.
        parts: folder of the signal parts.
        live: engine that holds the live `signals`.
        spill: folder for what memory does not hold.
        memory_limit: of the engine of one slice.
    """

    def __init__(
        self, source: Source, parts: Path, live: MemoryEngine, spill: Path, memory_limit: str
    ) -> None:
        self._source = source
        self._exchanges = source.open()
        self._signed = source.open_signatures()
        self._skeletons = source.skeletons() if self._signed is not None else {}
        self._accounts = KnownAccounts(source.accounts)
        self._parts = parts
        self._live = live
        self._cells = LiveCells(live)
        self._engine = MemoryEngine(spill, memory_limit)
        parts.mkdir(parents=True, exist_ok=True)

    @property
    def accounts(self) -> KnownAccounts:
        """What is known of accounts."""
        return self._accounts

    @property
    def cells(self) -> LiveCells:
        """What live entities did."""
        return self._cells

    @property
    def engine(self) -> MemoryEngine:
        """Engine of the present slice."""
        return self._engine

    def take(self, state: State, start: int, end: int) -> int:
        """Take in the exchanges of a slice; returns how many there are.

        Args:
            state: changed in place.
            start: microseconds since 1970.
            end: likewise, not included.
        """
        state.cursor = end
        exchanges = self._exchanges.between(start, end)
        if len(exchanges) == 0:
            return 0
        day = start // DAY_US
        engine = self._engine
        engine.put("exchanges", exchanges.combine_chunks())
        names = sorted(pc.unique(exchanges.column("account_id")).to_pylist())
        engine.put("accounts", self._accounts.of(names, end))
        state.attributes.add(engine, day)
        if self._signed is not None:
            engine.put(SIGNATURES, self._signed.between(start, end).combine_chunks())
            name_signed(engine, state.fields, self._skeletons, day)
        else:
            sign(engine, state.fields, day)
        for step in signal_steps():
            engine.run(step)
        state.outputs.add(engine)
        signals = engine.table(SIGNALS).sort_by([("ts", "ascending"), ("exchange_id", "ascending")])
        signals = signals.combine_chunks()
        name = f"signals-{end}.parquet"
        write_table(self._parts / name, signals)
        state.parts.append((name, day))
        self._live.append(SIGNALS, signals)
        self._cells.add(signals)
        state.usage.add(signals, day)
        return len(exchanges)

    def restore(self, state: State) -> None:
        """Put the live signals of a state that was read back into the engine, and forget parts after it."""
        held = {name for name, _ in state.parts}
        for file in self._parts.glob("signals-*"):
            if file.name not in held:
                file.unlink()
        for name, _ in state.parts:
            self._live.append(SIGNALS, pa.parquet.read_table(self._parts / name))

    def forget(self, state: State, live_since: int) -> None:
        """Let go of signals from before day `live_since`; their parts stay on disk until the end."""
        state.parts = [(name, day) for name, day in state.parts if day >= live_since]
        self._live.keep_since(SIGNALS, "ts", live_since * DAY_US)
        self._cells.forget()

    def close(self) -> None:
        """Close the engine and the files."""
        self._engine.close()
        self._exchanges.close()
        if self._signed is not None:
            self._signed.close()
