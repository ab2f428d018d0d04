"""How many of the rarer words do two real passages of one owner share? What `longer_prompts` is fitted to.

    python -m benchmarks shared_words

Owners and their documents: people and their chats with each other, authors and their prompts, programmers and their
tasks (`../shared/data/corpora`; skipped where it is absent), Python projects and files or docstrings of theirs
(the packages installed here, so figures move a little from machine to machine). A word is rarer where it is not among
the 200 most frequent of its corpus, or of all corpora with equal weight.
"""

import ast
import random
import re
import sysconfig
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb
import numpy as np

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora"
WORDS, COMMON = 60, 200
FILES, SIZES = 12, (3_000, 200_000)
DRAWS = 12_000
Owners = dict[str, list[list[str]]]
"""Owner -> its documents, as words."""

_CHATS = """SELECT author_id, string_agg(text, ' ' ORDER BY turn) FROM read_parquet('{corpora}/benign_prompts.parquet')
    WHERE {which} AND author_id IS NOT NULL GROUP BY author_id, {document} ORDER BY ALL"""


def main() -> None:
    """Print the table."""
    if not CORPORA.exists():
        print(f"skipped: no corpora at {CORPORA}")
        return
    files = _projects()
    corpora = {
        "chats between people": _chats("kind = 'human_chat'", "conversation_id"),
        "tasks of programmers": _chats("source LIKE '%realhumaneval'", "conversation_id"),
        "prompts of an author": _chats("source LIKE 'f/awesome%'", "text"),
        "files of a Python project": _owners((owner, text) for owner, text in files),
        "docstrings of a Python project": _owners((owner, _docstrings(text)) for owner, text in files),
    }
    everywhere = _frequent(list(corpora.values()))
    print("Words beyond the 200 most frequent that passages of 60 words share.\n")
    print(
        "| corpus (owners) | same document | two documents, same owner | different owners | three of one owner |"
    )
    print("|---|---|---|---|---|")
    for name, owners in corpora.items():
        for words, of in ((everywhere, "all"), (_frequent([owners]), "the corpus")):
            figures = " | ".join(f"{figure:.2f}" for figure in _shared(owners, words))
            print(f"| {name} ({len(owners)}), 200 of {of} | {figures} |", flush=True)


def _chats(which: str, document: str) -> Owners:
    query = _CHATS.format(corpora=CORPORA, which=which, document=document)
    return _owners(duckdb.connect().execute(query).fetchall())


def _projects() -> list[tuple[str, str]]:
    """Project and text of some files of each package that is installed."""
    chance, out = random.Random(5), []
    folders = sorted(f for f in Path(sysconfig.get_path("purelib")).iterdir() if f.is_dir())
    for folder in folders:
        files = sorted(f for f in folder.rglob("*.py") if SIZES[0] < f.stat().st_size < SIZES[1])
        chosen = chance.sample(files, min(FILES, len(files)))
        out += [(folder.name, file.read_text(errors="ignore")) for file in chosen]
    return out


def _docstrings(source: str) -> str:
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError):
        return ""
    owners = [n for n in nodes if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    return " ".join(ast.get_docstring(node) or "" for node in owners)


def _owners(texts: Iterable[tuple[str, str]]) -> Owners:
    """Owners with at least one passage; shorter documents are left out."""
    out: Owners = {}
    for owner, text in texts:
        words = re.findall(r"\w+", text.lower())
        if len(words) >= WORDS:
            out.setdefault(owner, []).append(words)
    return out


def _frequent(corpora: Sequence[Owners]) -> set[str]:
    share: Counter[str] = Counter()
    for owners in corpora:
        counts = Counter(word for documents in owners.values() for words in documents for word in words)
        for word, count in counts.items():
            share[word] += count / counts.total()  # type: ignore[assignment]
    return {word for word, _ in share.most_common(COMMON)}


def _shared(owners: Owners, frequent: set[str]) -> tuple[float, float, float, float]:
    """Mean numbers of shared words: same document, two documents, different owners, three documents."""
    chance = random.Random(7)
    many = [documents for documents in owners.values() if len(documents) >= 3]
    long = [words for documents in owners.values() for words in documents if len(words) >= 2 * WORDS]

    def passage(words: list[str]) -> set[str]:
        at = WORDS * chance.randrange(len(words) // WORDS)
        return set(words[at : at + WORDS]) - frequent

    def halves(words: list[str]) -> int:
        first, second = chance.sample(range(len(words) // WORDS), 2)
        both = [set(words[WORDS * at : WORDS * (at + 1)]) - frequent for at in (first, second)]
        return len(both[0] & both[1])

    each = max(20, DRAWS // max(len(many), 1))
    threes = [[passage(d) for d in chance.sample(documents, 3)] for documents in many for _ in range(each)]
    names = sorted(owners)
    apart = [[passage(chance.choice(owners[o])) for o in chance.sample(names, 2)] for _ in range(DRAWS)]
    return (
        float(np.mean([halves(chance.choice(long)) for _ in range(DRAWS)])) if long else float("nan"),
        float(np.mean([len(a & b) for a, b, _ in threes])) if threes else float("nan"),
        float(np.mean([len(a & b) for a, b in apart])),
        float(np.mean([len(a & b & c) for a, b, c in threes])) if threes else float("nan"),
    )


if __name__ == "__main__":
    main()
