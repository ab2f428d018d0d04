"""docs/data.md says what the code says."""

import re

from stillwatch.campaigns.tables import RESULTS
from stillwatch.exchange.tables import ACCOUNTS, EXCHANGES, LABELS, RELEASES
from stillwatch.exchange.values import REPAIRS
from tests.exchange.data_page import PAGE, filled


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert page == filled(page), "run `python -m tests.exchange.data_page`"


def test_every_column_of_every_table_is_explained() -> None:
    page = PAGE.read_text("utf-8")
    for table in (EXCHANGES, ACCOUNTS, RELEASES, LABELS, *RESULTS):
        for column in table:
            assert f"| {column.name} | {column.type} |" in page and column.meaning
            assert not re.search(r"[|\n]", column.meaning)


def test_the_limits_in_prose_are_the_limits_of_the_code() -> None:
    page = PAGE.read_text("utf-8")
    assert "1 MiB" in page and "64 KiB" in page and "2015" in page
    assert all(name in page for name in REPAIRS)
