"""Our own table of exchanges as JSON lines: the column names of docs/data.md."""

from collections.abc import Iterator

from stillwatch.exchange.tables import EXCHANGES
from stillwatch.sources.addresses import SeenAddress
from stillwatch.sources.fields import first_name
from stillwatch.sources.source import Item, ParsedExchange, Record


class CanonicalJsonl:
    """One record an exchange."""

    name = "canonical-jsonl"
    shape = "the columns of docs/data.md: exchange_id, ts, account_id, model, ..."

    def recognises(self, record: Record) -> float:
        """By the required columns; rows of another table with the same names have nested bodies."""
        if not all(key in record for key in ("ts", "account_id", "model")):
            return 0.0
        if any(isinstance(value, (dict, list)) for value in record.values()):
            return 0.0
        known = sum(key in EXCHANGES.names for key in record) / len(record)
        return known if "exchange_id" in record else known * 0.9

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange; `client_ip` is by definition the edge's view."""
        values = {
            key: record[key] for key in EXCHANGES.names if key != "client_ip" and record.get(key) is not None
        }
        found = first_name(record, "exchange_id")
        yield ParsedExchange(
            values,
            address=SeenAddress(edge=record.get("client_ip")),
            request_ids=() if found is None else (found,),
            fields=record,
        )
