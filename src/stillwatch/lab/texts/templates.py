"""Templates with slots, and how they are filled."""

import re
from collections.abc import Callable
from dataclasses import dataclass

# The slot pattern of ../shared/data/README.md: a match with a group 1 is a slot, one without is LaTeX.
SLOT = re.compile(r"\\[A-Za-z]+\s*(?:\{[^{}]*\})+|[\^_]\{[^{}]*\}|\{([A-Za-z_]\w*)\}")
_MAIN = (
    "task",
    "item",
    "text",
    "own",
    "instruction",
    "question",
    "problem",
    "query",
    "prompt",
    "input",
    "seed",
    "user_message",
    "document",
    "content",
)


@dataclass(frozen=True)
class Template:
    """A request with slots.

    Attributes:
        capability: what it asks for; also the kind of answer it gets.
        system: system prompt or None.
        parts: literal text and slot name in turn; the last slot name is empty.
        main: slot that takes the content of an exchange; other slots take side texts.
        seeds: sections of the problems that its content comes from.
    """

    capability: str
    system: str | None
    parts: tuple[tuple[str, str], ...]
    main: str
    seeds: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, text: str, capability: str, system: str | None = None, seeds: tuple[str, ...] = ()
    ) -> "Template":
        """Splits a text at its slots. The main slot is the best known name among them, else the last slot."""
        parts: list[tuple[str, str]] = []
        last = 0
        for match in SLOT.finditer(text):
            if match.group(1):
                parts.append((text[last : match.start()], match.group(1)))
                last = match.end()
        parts.append((text[last:], ""))
        names = [name for _, name in parts if name]
        main = next((name for name in _MAIN if name in names), names[-1] if names else "")
        return cls(capability, system or None, tuple(parts), main, seeds)

    @property
    def slots(self) -> list[str]:
        """Names of the slots, in order."""
        return [name for _, name in self.parts if name]

    def fill(self, content: str, side: Callable[[], str] | None = None, **values: str) -> str:
        """The request with `content` in its main slot; the others take `values`, else side texts."""
        out = []
        for literal, name in self.parts:
            out.append(literal)
            if name == self.main:
                out.append(content)
            elif name:
                out.append(values[name] if name in values or side is None else side())
        return "".join(out)
