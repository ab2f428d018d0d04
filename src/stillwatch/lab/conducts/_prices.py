"""What evasion costs whoever wages a campaign.

Orders of magnitude in euros, assumed by us for bulk offers and stated here once so that anybody can set
others: an account registered by machine, an account with a verified phone and a card of its own, an aged
account, a virtual card, a month of a residential address, a model's rewriting of one prompt, a reseller's
margin on a request. Only ratios matter for the score.
"""

ACCOUNT = 0.4
AGED_ACCOUNT = 9.0
VIRTUAL_CARD = 1.5
SHARED_CARD = 0.2
RESIDENTIAL_MONTH = 3.0
PROXY_MONTH = 8.0
SERVER_MONTH = 0.5
REWRITING = 0.0006
TRANSLATION = 0.0004
PERSONA = 6.0
RESELLER_MARGIN = 0.002
REQUEST = 0.004
"""Tokens of one wasted request (a planted repetition, a follow-up that nobody needs)."""


def account_cost(infrastructure: str, days: float) -> float:
    """Euros for one account, its card and its address over so many days."""
    months = days / 30
    if infrastructure == "dirty":
        return ACCOUNT + SHARED_CARD + SERVER_MONTH * months
    address = PROXY_MONTH if infrastructure == "proxied" else RESIDENTIAL_MONTH
    return AGED_ACCOUNT + VIRTUAL_CARD + address * months


def account_note(infrastructure: str) -> str:
    """What the money for accounts buys."""
    notes = {
        "dirty": "accounts and cards in bulk, rented servers",
        "clean": "aged accounts with a card each, residential addresses",
        "proxied": "aged accounts with a card each, residential proxies",
    }
    return notes[infrastructure]


def wording_cost(wording: str, language: str, requests: int, variants: int) -> float:
    """Euros for paraphrases and translations."""
    texts = requests if wording == "exchange" else variants
    return texts * REWRITING + (texts * TRANSLATION if language != "en" else 0.0)
