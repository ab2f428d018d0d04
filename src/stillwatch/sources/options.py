"""The settings of an import."""

from dataclasses import dataclass, field
from pathlib import Path

from stillwatch.exchange.errors import UsageError
from stillwatch.exchange.rules import ValidationRules
from stillwatch.sources.framing import MAX_RECORD_BYTES


@dataclass(frozen=True)
class IngestOptions:
    """The settings of an import.

    Attributes:
        rules: the settings of validation.
        trusted_hops: proxies of the operator that append to the forwarded-for chain; 0 = it is never
            believed.
        account_field: dotted path of the field that names the account, instead of the format's own choice.
        join: access logs (files, folders, globs) to take addresses and fingerprints from.
        hash_only: whether texts are dropped.
        key_file: secret key of the identifiers' hashes; the default place if None.
        max_record_bytes: larger records are reported and skipped.
        overwrite: whether a finished dataset in the output folder may be replaced.
    """

    rules: ValidationRules = field(default_factory=ValidationRules)
    trusted_hops: int = 0
    account_field: str | None = None
    join: tuple[str | Path, ...] = ()
    hash_only: bool = False
    key_file: Path | None = None
    max_record_bytes: int = MAX_RECORD_BYTES
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.trusted_hops <= 32:
            raise UsageError(
                f"trusted hops are {self.trusted_hops}", "give the number of your own proxies, 0 to 32"
            )
        if self.max_record_bytes < 1 << 10:
            raise UsageError("the limit on records is below 1 KiB", "allow at least 1024 bytes a record")
        if self.account_field is not None and not self.account_field.strip():
            raise UsageError("the account field has no name", "give a dotted path like metadata.user_id")
