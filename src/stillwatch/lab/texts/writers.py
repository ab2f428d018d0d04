"""People and products that write prompts, each loyal to something of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from stillwatch.lab.texts.grammar import Dice, Grammar


class Writer(Protocol):
    """Whoever writes the prompts of one account, one end user, or one project."""

    def ask(self, dice: Dice) -> str:
        """The first prompt of a conversation."""
        ...

    def follow(self, dice: Dice) -> str:
        """A later prompt of the same conversation."""
        ...


@dataclass
class Person:
    """A user of a chat assistant: a few topics, own vocabulary in each, sometimes a question again."""

    topics: Sequence[Grammar]
    said: list[str] = field(default_factory=list)
    topic: Grammar | None = None

    def ask(self, dice: Dice) -> str:
        """A question on one of the person's topics; now and then an earlier one again."""
        if self.said and dice.uniform() < 0.03:
            return dice.pick(self.said)
        # The first topic is asked most: weights fall as 1, 1/2, 1/3 ...
        self.topic = self.topics[min(int(len(self.topics) ** dice.uniform()) - 1, len(self.topics) - 1)]
        prompt = _tidy(self.topic.text("ask", dice))
        self.said.append(prompt)
        return prompt

    def follow(self, dice: Dice) -> str:
        """A short follow-up, a rephrasing, or a new question on the same topic."""
        draw = dice.uniform()
        if draw < 0.06 and self.said:
            return self.said[-1]
        if draw < 0.30 and self.topic is not None:
            return _tidy(self.topic.text("ask", dice))
        grammar = self.topic or self.topics[0]
        return _tidy(grammar.text("follow" if draw < 0.5 else "more", dice))


@dataclass(frozen=True)
class Project:
    """A developer's project: its own files, functions, classes and stack."""

    grammar: Grammar

    def ask(self, dice: Dice) -> str:
        """A task for the coding agent."""
        return self.grammar.text("ask", dice)

    def follow(self, dice: Dice) -> str:
        """The next turn: a tool's output, a short word, or a further task."""
        draw = dice.uniform()
        if draw < 0.45:
            return self.grammar.text("tool_result", dice)
        return self.grammar.text("follow" if draw < 0.85 else "ask", dice)

    def title(self, message: str, dice: Dice) -> str:
        """The agent's own request for a title of the session."""
        return self.grammar.text("title", dice).replace("{message}", message)

    def summary(self, message: str, dice: Dice) -> str:
        """The agent's own request for a summary when its context is full."""
        return self.grammar.text("summary", dice).replace("{message}", message)


@dataclass(frozen=True)
class Product:
    """A product with end users: one system prompt, popular questions, and a long tail."""

    grammar: Grammar
    system: str
    popular_share: float = 0.18

    def ask(self, dice: Dice) -> str:
        """A customer's question; the popular ones come again word for word."""
        if dice.uniform() < self.popular_share:
            popular = self.grammar.rules["popular"]
            place = int(len(popular) * dice.uniform() ** 2)  # the first ones most
            return self.grammar.fill(
                "".join(literal + ("{" + slot + "}" if slot else "") for literal, slot in popular[place]),
                dice,
            )
        return _tidy(self.grammar.text("ask", dice))

    def follow(self, dice: Dice) -> str:
        """The customer's next turn: a common word or something of his own."""
        return _tidy(self.grammar.text("follow" if dice.uniform() < 0.35 else "more", dice))


def own_part(
    rules: Mapping[str, Sequence[str]], names: Sequence[str], dice: Dice, size: int
) -> dict[str, list[str]]:
    """For each named vocabulary the few words that one person keeps coming back to."""
    return {name: dice.sample(rules[name], dice.integer(2, size)) for name in names if name in rules}


def project_words(rules: Mapping[str, Sequence[str]], dice: Dice) -> dict[str, list[str]]:
    """Identifiers, files and stack of one project (10 to 40 of each, made of two or three own nouns)."""
    things = dice.sample(rules["thing"], dice.integer(2, 4))
    aspects = dice.sample(rules["aspect"], dice.integer(4, 9))
    verbs = dice.sample(rules["verb"], dice.integer(5, 10))
    suffixes = dice.sample(rules["suffix"], dice.integer(4, 8))
    stack = dice.integer(0, len(rules["extension"]) - 1)
    extension = rules["extension"][stack]
    folders = dice.sample(rules["folder"], dice.integer(2, 4))
    camel = extension in {"ts", "tsx", "js", "kt", "go", "swift", "dart", "scala", "vue"}
    functions = [_join(camel, v, t, a) for v in verbs for t in things for a in [*aspects[:3], ""]]
    fields = [_join(camel, "", t, a) for t in things for a in aspects]
    return {
        "thing": things,
        "aspect": aspects,
        "function": dice.sample(functions, dice.integer(10, 40)),
        "field": dice.sample(fields, dice.integer(6, 18)),
        "class": [t.capitalize() + s.capitalize() for t in things for s in suffixes],
        "file": dice.sample(
            [f"{f}/{t}_{s}.{extension}" for f in folders for t in things for s in suffixes], 24
        ),
        "folder": folders,
        "stack": [rules["stack"][stack]],
        "database": dice.sample(rules["database"], 1),
    }


def _join(camel: bool, verb: str, thing: str, aspect: str) -> str:
    parts = [part for part in (verb, thing, aspect) if part]
    if camel:
        return parts[0] + "".join(part.capitalize() for part in parts[1:])
    return "_".join(parts)


def _tidy(text: str) -> str:
    """Joins the ends of a sentence as people do: a closer after a missing full stop is left as it is."""
    return text.strip().replace("??", "?").replace(".?", ".").replace("?.", "?")
