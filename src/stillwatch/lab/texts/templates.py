"""Templates with slots, and the recipes of their requests."""

import re
from dataclasses import dataclass, field

import numpy as np

from stillwatch.lab.texts.recipes import Numbers, Recipes, numbers

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
    """A request with slots, compiled.

    Attributes:
        capability: what it asks for; also the kind of answer it gets.
        system: system prompt or None.
        program: its place in the book.
        stock: how many different items there are before they are evolved; None where they practically never
            repeat.
        salt: sets the items of this use apart from those of another with the same content.
    """

    capability: str
    system: str | None
    program: int
    stock: int | None = None
    salt: int = field(default=0, repr=False)

    def prompts(self, item: Numbers, draw: Numbers, writer: Numbers = 0) -> Recipes:
        """Recipes of requests; arrays and single numbers are broadcast.

        Args:
            item: which content; the same item has the same content under any template of one use.
            draw: everything else, e.g. the draft that is graded.
            writer: salt of the queue (items of two queues differ), or whose own words.
        """
        return Recipes.of(self.program, numbers(writer) ^ np.uint64(self.salt), numbers(item), numbers(draw))


def pieces(text: str) -> list[tuple[str, str]]:
    """Literal text and name of the slot after it, in turn; the last name is empty."""
    found: list[tuple[str, str]] = []
    last = 0
    for match in SLOT.finditer(text):
        if match.group(1):
            found.append((text[last : match.start()], match.group(1)))
            last = match.end()
    found.append((text[last:], ""))
    return found


def slots(text: str) -> list[str]:
    """Names of the slots, in order."""
    return [name for _, name in pieces(text) if name]


def main_slot(text: str) -> str:
    """The slot that takes the content: the best known name, else the last one; "" without slots."""
    names = slots(text)
    return next((name for name in _MAIN if name in names), names[-1] if names else "")
