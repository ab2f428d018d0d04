"""Does a template family hold the texts of one template, all of them, and nothing else?

Worlds are made of real templates and real items (`../shared/data/corpora`; skipped where it is absent) and
free chat. Sources of templates are split in two halves: settings were tuned on the first, the second is
reported.
"""

import re
import zlib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.signals import signatures
from stillwatch.signals.templates import families
from stillwatch.text.frequency import Sketch, update
from stillwatch.text.skeleton import Settings, skeletons
from stillwatch.text.tokens import tokenize

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora"
# The slot pattern of the corpora's README: matches with a group 1 are slots.
SLOT = re.compile(r"\\[A-Za-z]+\s*(?:\{[^{}]*\})+|[\^_]\{[^{}]*\}|\{([A-Za-z_]\w*)\}")
FAR = 0.3
"""Templates of at least this Jaccard index (word triples of the fixed text) are variants, not counted as
different.
"""


def _rows(name: str) -> list[dict[str, Any]]:
    return pq.read_table(CORPORA / f"{name}.parquet").to_pylist()


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _fixed(template: str) -> list[str]:
    return SLOT.sub(lambda m: "\0" if m.group(1) else m.group(0), template).split("\0")


def _triples(template: str) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for segment in _fixed(template):
        words = ["^", *_words(segment), "$"]
        found |= set(zip(words, words[1:], words[2:], strict=False))
    return found


def _filled(template: str, values: dict[str, str]) -> str:
    return SLOT.sub(lambda m: values[m.group(1)] if m.group(1) else m.group(0), template)


def _templates(half: int) -> dict[str, list[str]]:
    by_source: dict[str, list[str]] = defaultdict(list)
    for row in _rows("teacher_templates") + _rows("bulk_templates"):
        segments = _fixed(row["template"] or "")
        if len(segments) > 1 and sum(len(_words(s)) for s in segments) >= 4:
            by_source[row["source"]].append(row["template"])
    return {s: t for s, t in sorted(by_source.items()) if (zlib.crc32(s.encode()) >> 3) % 2 == half}


def _pools(boilerplate: float, rng: np.random.Generator) -> list[list[str]]:
    """Items by source; of those that bring a tool description along (half of GPTeacher), this share."""
    pools: dict[str, list[str]] = defaultdict(list)
    for row in _rows("teacher_seeds") + _rows("bulk_items"):
        if len(row["text"]) > 12 and ("toolformer" not in row["text"] or rng.random() < boilerplate):
            pools[row["source"]].append(row["text"])
    return [pool for _, pool in sorted(pools.items()) if len(pool) > 100]


def world(half: int, seed: int, boilerplate: float) -> tuple[list[str], npt.NDArray[np.int64], list[str]]:
    """Texts, the number of each text's template (-1 = free chat), and the templates."""
    rng = np.random.default_rng(seed)
    sources, pools = _templates(half), _pools(boilerplate, rng)
    benign = _rows("benign_prompts")
    human = [row["text"] for row in benign if row["kind"] == "human_chat"]
    chosen: dict[tuple[str, ...], str] = {}
    for _ in range(600):
        of_source = sources[sorted(sources)[rng.integers(len(sources))]]
        template = of_source[rng.integers(len(of_source))]
        if len(chosen) < 60:
            chosen.setdefault(tuple(_words(" ".join(_fixed(template)))), template)
    templates = list(chosen.values())
    sizes = np.exp(rng.uniform(np.log(15), np.log(20_000), len(templates)))
    sizes = np.maximum(15, sizes * min(1, 60_000 / sizes.sum())).astype(int)
    texts, labels = [], []
    for label, (template, size) in enumerate(zip(templates, sizes.tolist(), strict=True)):
        names = list(dict.fromkeys(m.group(1) for m in SLOT.finditer(template) if m.group(1)))
        # No pool is overworked: a large template draws from a large pool.
        slots = {}
        for name in names:
            pool = pools[rng.integers(len(pools))]
            slots[name] = pool if 2 * size <= 3 * len(pool) else (max(pools, key=len), human)[rng.integers(2)]
        long_slot = names[0] if rng.random() < 0.3 else None
        for _ in range(size):
            values = {name: pool[rng.integers(len(pool))] for name, pool in slots.items()}
            if long_slot:
                values[long_slot] = "\n".join(
                    human[i] for i in rng.integers(len(human), size=rng.integers(2, 10))
                )
            texts.append(_filled(template, values))
            labels.append(label)
    chat = [row["text"] for row in benign if row["kind"] != "human_chat"]
    chat += [human[i] for i in rng.choice(len(human), 20_000, replace=False)]
    for pool in pools:
        chat += [pool[i] for i in rng.choice(len(pool), min(500, len(pool)), replace=False)]
    return texts + chat, np.array(labels + [-1] * len(chat)), templates


def find(texts: list[str]) -> npt.NDArray[np.str_]:
    """The family of each text, "" for none."""
    tokens = tokenize(pa.array(texts))
    found = skeletons(tokens, update(Sketch.empty(), tokens))
    packed = signatures.pack(tokens, found)
    rows: dict[int, dict[str, Any]] = {}
    distinct: dict[int, set[int]] = defaultdict(set)
    for skeleton, text, signature in zip(
        found.skeleton.tolist(), found.text_hash.tolist(), packed, strict=True
    ):
        row = rows.setdefault(skeleton, {"skeleton": skeleton, "n_exchanges": 0, "signature": None})
        row["n_exchanges"] += 1
        row["signature"] = row["signature"] or signature.as_py()
        distinct[skeleton].add(text)
    rows.pop(0, None)
    schema = pa.schema(
        [
            ("skeleton", pa.uint64()),
            ("n_exchanges", pa.int64()),
            ("n_texts", pa.int64()),
            ("signature", pa.binary()),
        ]
    )
    table = pa.Table.from_pylist([row | {"n_texts": len(distinct[s])} for s, row in rows.items()], schema)
    named = families(table)
    of = dict(zip(named["skeleton"].to_pylist(), named["template_id"].to_pylist(), strict=True))
    return np.array([of.get(s, "") for s in found.skeleton.tolist()])


def measure(half: int, seed: int, boilerplate: float) -> tuple[float, ...]:
    """Templates; families; recall with 30 texts and more, of those with a long fixed run, with fewer;
    precision; chat.
    """
    texts, labels, templates = world(half, seed, boilerplate)
    family = find(texts)
    recalls: dict[str, list[float]] = {"many": [], "long": [], "few": []}
    together = 0.0
    for label in range(len(templates)):
        mine = family[labels == label]
        pairs = sum(n * (n - 1) / 2 for f, n in Counter(mine.tolist()).items() if f)
        together += pairs
        distinct = len({t for t, is_mine in zip(texts, labels == label, strict=True) if is_mine})
        recall = pairs / (len(mine) * (len(mine) - 1) / 2)
        recalls["many" if distinct >= 30 else "few"].append(recall)
        if distinct >= 30 and max(len(_words(s)) for s in _fixed(templates[label])) >= Settings().run:
            recalls["long"].append(recall)
    triples = [_triples(t) for t in templates]
    apart = 0
    for name in set(family.tolist()) - {""}:
        inside = Counter(labels[(family == name) & (labels >= 0)].tolist())
        for a in inside:
            for b in inside:
                if a < b and len(triples[a] & triples[b]) < FAR * len(triples[a] | triples[b]):
                    apart += inside[a] * inside[b]
    chat = float((family[labels < 0] != "").mean())
    mean = [float(np.mean(found)) if found else float("nan") for found in recalls.values()]
    return len(templates), len(set(family.tolist()) - {""}), *mean, together / (together + apart), chat


def main() -> None:
    if not CORPORA.exists():
        print(f"skipped: no corpora at {CORPORA}")
        return
    columns = [
        "half",
        "boilerplate items",
        "seed",
        "templates",
        "families",
        "recall >= 30",
        "with a long run",
    ]
    print(f"| {' | '.join([*columns, 'recall < 30', 'precision', 'chat'])} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for half, name in ((0, "tuned on"), (1, "reported")):
        for boilerplate in (0.05, 1.0):
            for seed in (11, 12, 13):
                n, found, *figures = measure(half, seed, boilerplate)
                shown = " | ".join(f"{f:.3f}" for f in figures)
                print(
                    f"| {name} | {boilerplate:.0%} | {seed} | {n:.0f} | {found:.0f} | {shown} |", flush=True
                )


if __name__ == "__main__":
    main()
