"""Expands compiled rules into bytes: an explicit stack, one output buffer, no allocation per text.

Random numbers are those of splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a counter that steps by the
golden ratio, and a finaliser. A sub-derivation may get a counter of its own, so that its text depends on
whose word it is or on which item is asked, and not on what was drawn before it.
"""

from typing import Any

import numpy as np
from numba import njit, uint64

from stillwatch.text.hashing import combine

# Operations of a compiled alternative: LITERAL(start, bytes), NUMBER(low, high), the rest are references.
LITERAL, NUMBER, FLOW, OWN, KEEP, ITEM, QUOTE, INDEX, DATE, HOUR = range(10)
TIDY = 16
"""On a literal: joins sentences as people do (no '??', '.?', '?.' or double space where two parts meet)."""
CAPITAL = 32
"""On a reference: the first letter of what it writes is a capital."""
DEPTH = 64
EVOLVABLE = 4
"""Digits that a text needs to be evolved by other digits; others get a second text."""

_STEP = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_THEN = np.frombuffer(b"\n\nThen: ", np.uint8)
FULL = -1


@njit(nogil=True, cache=True, inline="always")
def _finish(z: Any) -> Any:
    z = (z ^ (z >> uint64(30))) * uint64(_MIX_1)
    z = (z ^ (z >> uint64(27))) * uint64(_MIX_2)
    return z ^ (z >> uint64(31))


@njit(nogil=True, cache=True, inline="always")
def _below(z: Any, bound: Any) -> Any:
    """A draw as a number of 0..bound-1, by its upper half (bound < 2**32)."""
    return np.int64(((z >> uint64(32)) * uint64(bound)) >> uint64(32))


@njit(nogil=True, cache=True)
def _decimal(value: Any, width: Any, out: Any, at: Any) -> Any:
    """Writes a number of at least `width` digits; returns the end. The caller has left room."""
    size = 1
    rest = value // 10
    while rest > 0:
        size += 1
        rest //= 10
    size = max(size, width)
    for place in range(size - 1, -1, -1):
        out[at + place] = 48 + value % 10
        value //= 10
    return at + size


@njit(nogil=True, cache=True)
def _date(days: Any, out: Any, at: Any) -> Any:
    """Writes days since 1970-01-01 as a date (civil from days, Hinnant, "chrono-compatible algorithms")."""
    shifted = days + 719468
    era = shifted // 146097
    of_era = shifted - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted_month = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    at = _decimal(year + era * 400 + (1 if month <= 2 else 0), 4, out, at)
    out[at] = 45
    at = _decimal(month, 2, out, at + 1)
    out[at] = 45
    return _decimal(day, 2, out, at + 1)


@njit(nogil=True, cache=True, inline="always")
def _is_digit(byte: Any) -> Any:
    return 48 <= byte <= 57


@njit(nogil=True, cache=True)
def _other_digits(text: Any, span: Any, seed: Any, out: Any, at: Any) -> Any:
    """Copies a text with every digit replaced by another one; no number begins with a new zero."""
    start, size = span
    state = uint64(seed)
    inside = False
    for place in range(start, start + size):
        byte = text[place]
        if _is_digit(byte):
            state = state + uint64(_STEP)
            draw = _finish(state)
            digit = np.int64(byte) - 48
            if inside:
                byte = np.uint8(48 + (digit + 1 + _below(draw, 9)) % 10)
            else:
                # 1..9 without the digit itself.
                other = 1 + _below(draw, 9 if digit == 0 else 8)
                if digit != 0 and other >= digit:
                    other += 1
                byte = np.uint8(48 + other)
            inside = True
        else:
            inside = False
        out[at] = byte
        at += 1
    return at


@njit(nogil=True, cache=True, inline="always")
def _copy(text: Any, start: Any, size: Any, out: Any, at: Any) -> Any:
    """Copies bytes; returns the end. Unsigned places spare the test for negative ones."""
    source, target = np.uint64(start), np.uint64(at)
    for place in range(np.uint64(size)):
        out[target + place] = text[source + place]
    return at + size


@njit(nogil=True, cache=True)
def _stock(book: Any, rule: Any, key: Any, out: Any, at: Any) -> Any:
    """Writes one text of a finite stock; FULL without room.

    `key` is the place in the order of the stock, how often the stock was exhausted before, and a seed. Texts
    of a later round are evolved: other digits where there are enough, else a second text of the stock.
    """
    number, around, seed = key
    text, ops = book.text, book.ops
    first, count = book.rule_first[rule], book.rule_count[rule]
    op = book.alternative_first[first + number]
    start, size = ops[op, 1], ops[op, 2]
    if at + size > len(out):
        return FULL
    if around == 0:
        return _copy(text, start, size, out, at)
    digits = 0
    for place in range(start, start + size):
        digits += 1 if _is_digit(text[place]) else 0
    if digits >= EVOLVABLE or count == 1:
        return _other_digits(text, (start, size), seed, out, at)
    other = book.alternative_first[first + (number + 1 + (around - 1) % (count - 1)) % count]
    if at + size + len(_THEN) + ops[other, 2] > len(out):
        return FULL
    at = _copy(text, start, size, out, at)
    at = _copy(_THEN, 0, len(_THEN), out, at)
    return _copy(text, ops[other, 1], ops[other, 2], out, at)


@njit(nogil=True, cache=True, inline="always")
def _untidy(last: Any, byte: Any) -> Any:
    """1 where a literal's first byte is left out after the byte before it: '??', '.?', '?.', two spaces."""
    doubled = (byte == 63 and last in (46, 63)) or (byte == 46 and last == 63) or (byte == 32 and last == 32)
    return np.int64(1) if doubled else np.int64(0)


@njit(nogil=True, cache=True, inline="always")
def _seeds(op: Any, salt: Any, source: Any, state: Any, base: Any) -> Any:
    """Counter and base of a sub-derivation, and the counter of the level that it is in."""
    writer, item = source
    kind, size, most = op
    if kind == FLOW:
        return state, base, state
    if kind == KEEP:
        return combine(base, salt), base, state
    if kind == OWN:
        seed = combine(writer, salt)
        if most > size:
            size += _below(_finish(seed), most - size + 1)
        place = 0
        if size > 1:
            state = state + uint64(_STEP)
            place = _below(_finish(state), size)
        seed = combine(seed, uint64(place))
    elif kind == ITEM:
        seed = combine(combine(item, writer), salt)
    else:
        seed = combine(item, salt)
    return seed, seed, state


@njit(nogil=True, cache=True)
def _expand(book: Any, program: Any, source: Any, stack: Any, out: Any, at: Any) -> Any:  # noqa: PLR0912, PLR0915 - one loop, no call per step
    """Writes one text at `at`; returns its end, or FULL if the buffer is too short.

    Args:
        book: a Frozen.
        program: rule.
        source: writer, item, counter of the text, base of what is kept within it, and which alternative (-1
            to draw it).
        stack: uint64 [DEPTH, 5]: next operation, end of the operations, counter and base of the level
            outside, and whether the counter goes on after the level instead.
        out: uint8 buffer.
        at: where to write.
    """
    writer, item, state, base, chosen = source
    text, ops, salts = book.text, book.ops, book.rule_salt
    rule_first, rule_count, alternative_first = book.rule_first, book.rule_count, book.alternative_first
    room = len(out) - 24  # a number or a date always fits
    begin = at
    capital = -1
    level = 0
    state = state + uint64(_STEP)
    if chosen < 0:
        chosen = _below(_finish(state), rule_count[program])
    chosen += rule_first[program]
    op, end = alternative_first[chosen], alternative_first[chosen + 1]
    while True:
        if op == end:
            if level == 0:
                return at
            level -= 1
            op, end = np.int64(stack[level, 0]), np.int64(stack[level, 1])
            if stack[level, 4] == 0:
                state = stack[level, 2]
            base = stack[level, 3]
            continue
        if at > room:
            return FULL
        code, first = ops[op, 0], ops[op, 1]
        this = op
        op += 1
        kind = code & 15
        if kind == LITERAL:
            size = ops[this, 2]
            if at + size > room:
                return FULL
            if code & TIDY and at > begin:
                skip = _untidy(out[at - 1], text[first])
                first += skip
                size -= skip
            start = at
            at = _copy(text, first, size, out, at)
            if capital == start and size > 0:
                capital = -1
                if 97 <= out[start] <= 122:
                    out[start] -= 32
            continue
        if kind == NUMBER:
            state = state + uint64(_STEP)
            at = _decimal(first + _below(_finish(state), ops[this, 2] - first + 1), 1, out, at)
            continue
        if kind == DATE:
            at = _date(np.int64(item // uint64(24)), out, at)
            continue
        if kind == HOUR:
            at = _decimal(np.int64(item % uint64(24)), 2, out, at)
            continue
        count = rule_count[first]
        if code & CAPITAL:
            capital = at
        if (kind == ITEM or kind == INDEX) and book.rule_stock[first]:  # noqa: PLR1714, SIM109 - numba has no such tuple
            shift = uint64(0) if kind == INDEX else combine(writer, salts[first]) % uint64(count)
            number = np.int64((item % uint64(count) + shift) % uint64(count))
            seed = combine(combine(item, writer), salts[first])
            at = _stock(book, first, (number, np.int64(item // uint64(count)), seed), out, at)
            if at == FULL:
                return FULL
            continue
        inner, inner_base, state = _seeds(
            (kind, ops[this, 2], ops[this, 3]), salts[first], (writer, item), state, base
        )
        inner = inner + uint64(_STEP)
        chosen = rule_first[first] + _below(_finish(inner), count)
        if kind == FLOW:
            state = inner
        down, last = alternative_first[chosen], alternative_first[chosen + 1]
        if down == last:
            continue
        if last - down == 1 and capital != at and ops[down, 0] == (LITERAL | TIDY):
            # Most rules are lists of words: no level is needed to write one.
            start, size = ops[down, 1], ops[down, 2]
            if at + size > room:
                return FULL
            if at > begin:
                skip = _untidy(out[at - 1], text[start])
                start += skip
                size -= skip
            at = _copy(text, start, size, out, at)
            continue
        stack[level, 0], stack[level, 1] = uint64(op), uint64(end)
        stack[level, 2], stack[level, 3] = state, base
        stack[level, 4] = uint64(1) if kind == FLOW else uint64(0)
        level += 1
        op, end = down, last
        state, base = inner, inner_base


@njit(nogil=True, cache=True)
def expand(book: Any, recipes: Any, first: Any, out: Any, offsets: Any) -> Any:
    """Writes texts from row `first` on, after the byte offsets[first]; returns the row that found no room.

    Args:
        book: a Frozen.
        recipes: program, writer, item, draw.
        first: row.
        out: uint8 buffer.
        offsets: int32 [n + 1], filled.
    """
    program, writer, item, draw = recipes
    stack = np.zeros((DEPTH, 5), np.uint64)
    at = np.int64(offsets[first])
    for row in range(first, len(program)):
        seed = combine(draw[row], book.rule_salt[program[row]])
        at = _expand(book, program[row], (writer[row], item[row], seed, seed, np.int64(-1)), stack, out, at)
        if at == FULL:
            return row
        offsets[row + 1] = at
    return len(program)


@njit(nogil=True, cache=True)
def _tour(base: Any, count: Any) -> Any:
    """A drawn start and a stride without a common divisor: a tour of 0..count-1 that visits each once."""
    start = _below(_finish(base + uint64(_STEP)), count)
    stride = 1 + _below(_finish(base + uint64(2) * uint64(_STEP)), count)
    while True:
        a, b = stride, count
        while b:
            a, b = b, a % b
        if a == 1:
            return start, stride
        stride += 1


@njit(nogil=True, cache=True)
def repeat(book: Any, sentences: Any, first: Any, out: Any, offsets: Any) -> Any:
    """Like `expand`, but each text is as many sentences of its program as its length needs, at least one.

    `sentences` are program, draw and length in bytes. What is kept is kept through all sentences of a text,
    and no alternative of the program comes again before all have been used.
    """
    program, draw, length = sentences
    stack = np.zeros((DEPTH, 5), np.uint64)
    at = np.int64(offsets[first])
    for row in range(first, len(program)):
        begin = at
        base = combine(draw[row], book.rule_salt[program[row]])
        count = book.rule_count[program[row]]
        first_of, stride = _tour(base, count)
        number = 0
        while number == 0 or at - begin < length[row]:
            if number > 0:
                if at >= len(out):
                    return row
                out[at] = 32
                at += 1
            seed = combine(base, uint64(number))
            chosen = np.int64((first_of + number * stride) % count)
            at = _expand(book, program[row], (base, uint64(number), seed, base, chosen), stack, out, at)
            if at == FULL:
                return row
            number += 1
        offsets[row + 1] = at
    return len(program)
