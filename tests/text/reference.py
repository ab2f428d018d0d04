"""Slow, plain Python versions of the kernels, written from the documentation and not from the kernels."""

from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

MASK = (1 << 64) - 1

# First code point of each run of one class, from the module's documentation of scripts.
_RUNS = [
    (0x0, 0), (0x30, 1), (0x3A, 0), (0x41, 1), (0x5B, 0), (0x61, 1), (0x7B, 0), (0xAA, 1), (0xAB, 0),
    (0xB5, 1), (0xB6, 0), (0xBA, 1), (0xBB, 0), (0xC0, 1), (0xD7, 0), (0xD8, 1), (0xF7, 0), (0xF8, 1),
    (0x37E, 0), (0x37F, 1), (0x387, 0), (0x388, 1), (0x55A, 0), (0x560, 1), (0x589, 0), (0x58B, 1),
    (0x5BE, 0), (0x5BF, 1), (0x5C0, 0), (0x5C1, 1), (0x5C3, 0), (0x5C4, 1), (0x60C, 0), (0x60D, 1),
    (0x61B, 0), (0x61C, 1), (0x61F, 0), (0x620, 1), (0x66A, 0), (0x66E, 1), (0x6D4, 0), (0x6D5, 1),
    (0x964, 0), (0x966, 1), (0xE00, 2), (0x10A0, 1), (0x1680, 0), (0x1681, 1), (0x1780, 2), (0x1800, 1),
    (0x2000, 0), (0x2100, 1), (0x2190, 0), (0x2C00, 1), (0x2E00, 0), (0x2E80, 2), (0x3000, 0),
    (0x3005, 2), (0x3008, 0), (0x3021, 2), (0x3030, 0), (0x3031, 2), (0x3036, 0), (0x3041, 2),
    (0x30A0, 0), (0x30A1, 2), (0x30FB, 0), (0x30FC, 2), (0x4DC0, 0), (0x4E00, 2), (0xA4D0, 1),
    (0xD800, 0), (0xF900, 2), (0xFB00, 1), (0xFE00, 0), (0xFE70, 1), (0xFEFF, 0), (0xFF10, 1),
    (0xFF1A, 0), (0xFF21, 1), (0xFF3B, 0), (0xFF41, 1), (0xFF5B, 0), (0xFF66, 2), (0xFFA0, 1),
    (0xFFE0, 0), (0x10000, 1), (0x1D000, 0), (0x1D400, 1), (0x1D800, 0), (0x1E000, 1), (0x1F000, 0),
    (0x20000, 2), (0x40000, 0),
]  # fmt: skip


def kind(char: str) -> int:
    return [k for first, k in _RUNS if first <= ord(char)][-1]


def fold(char: str) -> str:
    """Unicode's own lower case, where the kernel promises to fold."""
    promised = ("A", "Z"), ("À", "Þ"), ("Α", "Ω"), ("Ѐ", "Я"), ("Ａ", "Ｚ")
    return char.lower() if any(a <= char <= b for a, b in promised) else char


def words(text: str) -> list[str]:
    out: list[str] = []
    glue = False
    for char in text:
        this = kind(char)
        if this == 1 and glue:
            out[-1] += char
        elif this != 0:
            out.append(char)
        glue = this == 1
    return out


def mix(h: int) -> int:
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & MASK
    h ^= h >> 33
    h = h * 0xC4CEB9FE1A85EC53 & MASK
    return h ^ h >> 33


def word_hash(word: str) -> int:
    h = 0xCBF29CE484222325
    for char in word:
        h = ((h ^ ord(fold(char))) * 0x100000001B3) & MASK
    return mix(h)


def combine(left: int, right: int) -> int:
    return mix((left * 0x9E3779B97F4A7C15 + (right ^ 0xBB67AE8584CAA73B)) & MASK)


def bucket(h: int, bits: int) -> int:
    return (h * 0x9E3779B97F4A7C15 & MASK) >> (64 - bits)


def ngram_buckets(text: str, bits: int) -> set[int]:
    hashes = [word_hash(w) for w in words(text)]
    pairs = [combine(a, b) for a, b in pairwise(hashes)]
    return {bucket(h, bits) for h in hashes + pairs}


# Few letters, so that words repeat; then all of Unicode, so that nothing is assumed.
_small = st.text(alphabet="ab AB,.éÉяЯ漢かกا\u0301\U0001f600\n", max_size=40)
_any = st.text(max_size=40)
texts = st.one_of(_small, _any)
maybe_texts = st.lists(st.one_of(st.none(), texts), max_size=12)


@st.composite
def arrays(draw: Any) -> tuple[list[str | None], Any]:
    """Values, and the same as an Arrow array of some type, sliced or chunked."""
    values = draw(maybe_texts)
    kind_ = draw(st.sampled_from([pa.string(), pa.large_string()]))
    form = draw(st.sampled_from(["plain", "sliced", "chunked", "dictionary"]))
    if form == "sliced":
        before, after = draw(maybe_texts), draw(maybe_texts)
        array = pa.array(before + values + after, kind_).slice(len(before), len(values))
    elif form == "chunked":
        cut = draw(st.integers(0, len(values)))
        array = pa.chunked_array([pa.array(values[:cut], kind_), pa.array(values[cut:], kind_)])
    elif form == "dictionary":
        array = pa.array(values, kind_).dictionary_encode()
    else:
        array = pa.array(values, kind_)
    return values, array
