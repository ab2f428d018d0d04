"""Text written by others, made safe to look at: nothing hidden, nothing that moves the text around it.

Prompts, account names and user agents are chosen by the accounts under suspicion. Escaping for HTML is left
to the template engine and escaping for the terminal to `rich.text.Text`; what stands here is what neither of
them does: control characters, directional overrides and invisible characters become visible, and long text is
cut.
"""

import unicodedata

CUT_LABEL = 80
"""Characters of a name or a shared value that are shown."""
CUT_SENTENCE = 600
"""Characters of a sentence that are shown."""
CUT_TEXT = 2_000
"""Characters of a template or a prompt that are shown."""

# The joiners are spelling in Persian, in the scripts of India and in emoji.
_JOINERS = "\u200c\u200d"
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
# Blank by appearance though letters or marks by category (Unicode's Default_Ignorable_Code_Point).
_BLANK_LETTERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"
_MARKS_IN_A_ROW = 4


def visible(text: str, limit: int = CUT_LABEL, *, prose: bool = False) -> str:
    """Return `text` with hidden characters spelled out and cut to `limit` characters of the original.

    Args:
        text: any Unicode text.
        limit: characters of `text` that are kept; the number left out is told at the end.
        prose: keep line breaks, tabs and the joiners that some scripts need for spelling; a name has none of
            them.
    """
    kept = "\n\t" + _JOINERS if prose else ""
    head = text[:limit].replace("\r\n", "\n") if prose else text[:limit]
    shown, marks = [], 0
    for character in head:
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks > _MARKS_IN_A_ROW:
            # Piled-up marks would be drawn over the lines above and below.
            shown.append(_spelled(character))
        elif character in kept or (category not in _INVISIBLE_CATEGORIES and character not in _BLANK_LETTERS):
            shown.append(character)
        else:
            shown.append(_spelled(character))
    left_out = len(text) - limit
    return "".join(shown) + (f"… (+{left_out:,} characters)" if left_out > 0 else "")


def _spelled(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"
