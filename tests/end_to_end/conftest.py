import pytest

from tests.end_to_end.worlds import null_scan, null_world, own_key_file, scanned, world

__all__ = ["null_scan", "null_world", "own_key_file", "scanned", "world"]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(own_key_file: None) -> None: ...
