import pytest

from tests.end_to_end.worlds import own_key_file

__all__ = ["own_key_file"]


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(own_key_file: None) -> None: ...
