"""Settings of a scan: defaults, a TOML file (`--settings`), and `STILLWATCH_*` variables, in rising order."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from stillwatch.engines.machine_memory import default_memory_limit
from stillwatch.engines.opening import EngineChoice
from stillwatch.exchange.errors import UsageError


class ScanSettings(BaseSettings):
    """What a user may set; every name is also a variable `STILLWATCH_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="STILLWATCH_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    fdr: float = Field(0.01, gt=0, lt=1, description="false-discovery rate of reported campaigns")
    shape_error: float = Field(
        0.2, gt=0, lt=1, description="largest probability that a legitimate pool is called training_shaped"
    )
    minimum_accounts: int = Field(5, ge=3, description="smallest group that is tested")
    tested_exchanges: int = Field(60_000, ge=1_000, description="most exchanges of a group that are tested")
    tested_in_all: int = Field(
        6_000_000, ge=100_000, description="about how many exchanges are tested, all groups together"
    )
    unreported_groups: int = Field(60, ge=0, description="most tested but unreported groups that are shown")
    horizon: str = Field("28d", pattern=r"^[1-9]\d*[mhdw]$", description="how far back a replay looks")
    memory_limit: str = Field(
        default_factory=default_memory_limit,
        pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$",
        description="memory of the engine",
    )
    threads: int = Field(2, ge=1, le=256, description="threads of the engine and of the tests")
    engine: Literal["duckdb", "spark"] = Field("duckdb", description="where a scan computes")
    master: str | None = Field(None, description="Spark's master, such as local[4] or spark://host:7077")
    spark_folder: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9+.-]*://",
        description="URL of a working folder that Spark's workers share",
    )
    spark: dict[str, str] = Field({}, description="further settings of Spark")
    hash_only: bool = Field(False, description="keep no text after its signatures are taken")
    show_text: bool = Field(False, description="show sample prompts unredacted in the report")
    key_file: Path | None = Field(None, description="key of the identifiers' hashes")
    assume_timezone: str | None = Field(None, description="zone of timestamps that name none")
    max_text_bytes: int = Field(1 << 20, ge=1_000, description="longer texts are cut there and counted")
    trusted_hops: int = Field(0, ge=0, le=20, description="proxies of your own in front of the gateway")
    account_field: str | None = Field(None, description="dotted path of a log's account id")
    check_disk: bool = Field(True, description="see that the disk has room for the working tables first")
    known: Path | None = Field(None, description="results folder of an earlier run, whose names are kept")
    verdicts: Path | None = Field(None, description="table of analysts' verdicts on the known results")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def shown(self) -> dict[str, Any]:
        """For `summary.json`: everything but where the key is, and Spark's settings, which may hold keys of stores."""
        hidden = {"key_file", "spark"}
        return {name: value for name, value in self.model_dump(mode="json").items() if name not in hidden}

    def engine_choice(self) -> EngineChoice:
        """The engine that these settings ask for."""
        return EngineChoice(
            self.engine, self.memory_limit, self.threads, self.master, self.spark_folder, self.spark
        )


def load_settings(file: Path | None, given: dict[str, Any]) -> ScanSettings:
    """Settings from a file, the environment and the command line.

    Args:
        file: TOML file, or None.
        given: what the command line names; None values are not given.

    Raises:
        UsageError: a name or value is unfit; the message names the key and the allowed range.
    """
    if file is not None and not file.is_file():
        raise UsageError("there is no such settings file", "check the path given to --settings", file=file)

    class FromFile(ScanSettings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        return FromFile(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "settings"
        if first["type"] == "extra_forbidden":
            known = ", ".join(sorted(ScanSettings.model_fields))
            raise UsageError(f"there is no setting {key!r}", f"use one of {known}", file=file) from error
        field = ScanSettings.model_fields.get(key)
        meaning = f" ({field.description})" if field is not None else ""
        raise UsageError(
            f"setting {key!r}{meaning}: {first['msg']}",
            "correct it on the command line, in the settings file or in STILLWATCH_* variables",
            file=file,
        ) from error
    except ValueError as error:  # TOML that cannot be parsed
        raise UsageError(f"the settings cannot be read: {error}", "write valid TOML", file=file) from error
