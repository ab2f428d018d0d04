"""Settings of a population or a conduct: what may be said, and the error that tells what may not."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from stillwatch.exchange.errors import UsageError

Value = int | float | str


@dataclass(frozen=True)
class Parameter:
    """One setting.

    Attributes:
        name: key in the world's TOML.
        default: value where the key is missing; its type is the type that is asked for.
        low: smallest allowed value (numbers).
        high: largest allowed value (numbers).
        choices: allowed values (strings); empty for any.
        population: whether the value is the name of a population of the world (or empty, where the default is).
        meaning: one line for the documentation.
    """

    name: str
    default: Value
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    population: bool = False
    meaning: str = ""

    @property
    def allowed(self) -> str:
        """The allowed range in words."""
        if isinstance(self.default, str):
            return "one of " + ", ".join(c or '""' for c in self.choices) if self.choices else "any name"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def check(self, value: object, where: str, file: str) -> Value:
        """The value in the right type. Raises UsageError naming the key and the allowed range."""
        fit: Value | None = None
        if isinstance(self.default, str):
            fit = value if isinstance(value, str) and (not self.choices or value in self.choices) else None
        elif (
            isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high
        ):
            whole = isinstance(self.default, int)
            fit = None if whole and int(value) != value else int(value) if whole else float(value)
        if fit is None:
            raise UsageError(
                f"{where}: {self.name} = {value!r} is not allowed",
                f"Set {self.name} to {self.allowed}.",
                file=file,
            )
        return fit


def read_parameters(
    given: Mapping[str, object], known: tuple[Parameter, ...], where: str, file: str
) -> dict[str, Value]:
    """All known parameters with the given values or their defaults. Raises UsageError for an unknown key."""
    names = [parameter.name for parameter in known]
    for key in given:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"Did you mean {near[0]}? " if near else ""
            raise UsageError(
                f"{where}: unknown key {key}", f"{hint}Known keys: {', '.join(names)}.", file=file
            )
    return {p.name: p.check(given.get(p.name, p.default), where, file) for p in known}
