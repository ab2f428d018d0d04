"""Settings: the command line over variables over the file over defaults, and errors that name the key."""

import pytest

from stillwatch.exchange.errors import UsageError
from stillwatch.settings import ScanSettings, load_settings

DEFAULTS = {
    name: field.get_default(call_default_factory=True) for name, field in ScanSettings.model_fields.items()
}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    import os

    for name in list(os.environ):
        if name.upper().startswith("STILLWATCH_"):
            monkeypatch.delenv(name)


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "stillwatch.toml"
        file.write_text(text)
        return file

    return write


def test_defaults():
    assert load_settings(None, {}).model_dump() == DEFAULTS


def test_rising_order(write, monkeypatch):
    file = write("fdr = 0.02\nthreads = 3\nmemory_limit = '1GB'\n")
    monkeypatch.setenv("STILLWATCH_THREADS", "5")
    monkeypatch.setenv("STILLWATCH_MEMORY_LIMIT", "2GB")
    found = load_settings(file, {"memory_limit": "8GB", "fdr": None})
    assert (found.fdr, found.threads, found.memory_limit) == (0.02, 5, "8GB")
    assert found.shape_error == DEFAULTS["shape_error"]


def test_a_variable_is_typed(monkeypatch):
    monkeypatch.setenv("STILLWATCH_HASH_ONLY", "true")
    monkeypatch.setenv("STILLWATCH_KEY_FILE", "some/key")
    found = load_settings(None, {})
    assert found.hash_only is True
    assert str(found.key_file) == "some/key"


@pytest.mark.parametrize(
    ("key", "value", "range_told"),
    [
        ("fdr", 2, "less than 1"),
        ("fdr", 0, "greater than 0"),
        ("minimum_accounts", 2, "greater than or equal to 3"),
        ("threads", 1_000, "less than or equal to 256"),
        ("threads", "many", "integer"),
        ("memory_limit", "lots", "pattern"),
    ],
)
@pytest.mark.parametrize("source", ["file", "variable", "command line"])
def test_errors_name_the_key_and_the_range(source, key, value, range_told, write, monkeypatch):
    file, given = None, {}
    if source == "file":
        file = write(f"{key} = {value!r}\n")
    elif source == "variable":
        monkeypatch.setenv(f"STILLWATCH_{key.upper()}", str(value))
    else:
        given[key] = value
    with pytest.raises(UsageError) as caught:
        load_settings(file, given)
    assert key in str(caught.value)
    assert range_told in str(caught.value)
    assert str(ScanSettings.model_fields[key].description) in str(caught.value)


def test_an_unknown_key_is_named(write):
    with pytest.raises(UsageError, match="treads"):
        load_settings(write("treads = 2\n"), {})


@pytest.mark.parametrize("text", ["fdr = ", "= 3", "[fdr", "fdr = 0.1\nfdr = 0.2"])
def test_broken_toml_is_told(text, write):
    file = write(text)
    with pytest.raises(UsageError) as caught:
        load_settings(file, {})
    assert "TOML" in str(caught.value)
    assert file.name in str(caught.value)


def test_a_file_that_is_no_text_is_told(tmp_path):
    file = tmp_path / "binary.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError):
        load_settings(file, {})


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_missing_file_or_a_folder_is_told(tmp_path, name):
    with pytest.raises(UsageError, match="--settings"):
        load_settings(tmp_path / name, {})


def test_settings_cannot_be_changed_and_the_key_is_not_shown():
    found = load_settings(None, {"key_file": "secret.key"})
    with pytest.raises(Exception, match="frozen"):
        found.fdr = 0.5
    assert "key_file" not in found.shown()
    assert "secret.key" not in str(found.shown())
    assert found.shown()["fdr"] == found.fdr
