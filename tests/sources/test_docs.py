"""docs/sources.md tells the truth about what the code knows."""

from pathlib import Path

from stillwatch.sources import bedrock, otlp
from stillwatch.sources.canonical_parquet import NAME
from stillwatch.sources.envelope import _NAMES
from stillwatch.sources.registry import SOURCES

TEXT = (Path(__file__).parent.parent.parent / "docs" / "sources.md").read_text()


def test_every_format_is_in_the_table() -> None:
    for name in (NAME, *(source.name for source in SOURCES)):
        assert f"| `{name}` |" in TEXT


def test_the_account_s_fields_stand_in_their_order() -> None:
    told = TEXT[TEXT.index("## The account") : TEXT.index("## Addresses")]
    for fields in (otlp._ACCOUNT, [name for name in _NAMES["account_id"] if "Id" not in name]):
        line = next(
            line for line in told.splitlines() if f"`{fields[0]}`" in line and f"`{fields[-1]}`" in line
        )
        places = [line.index(f"`{field}`") for field in fields]
        assert places == sorted(places)


def test_the_schema_name_of_bedrock() -> None:
    assert bedrock.SCHEMA == "ModelInvocationLog"
