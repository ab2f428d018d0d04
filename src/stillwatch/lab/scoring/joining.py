"""How soon a replaced account is joined to its campaign: exchanges of the new account until it is a member."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stillwatch.exchange.tables import EXCHANGES
from stillwatch.lab.scoring.rates import Rate
from stillwatch.lab.scoring.scenarios import Replacement
from stillwatch.lab.scoring.store import Store
from stillwatch.lab.scoring.tables import Reported, Truth


@dataclass(frozen=True)
class Joining:
    """Accounts that came to one true campaign after its verdict.

    Attributes:
        waits: of each replacement that was joined, its exchanges of the campaign up to and with that moment.
        never: of each replacement that never was, all its exchanges of the campaign.
        joined: of the accounts that matching reported campaigns took in after the verdict, its true members.
    """

    waits: tuple[int, ...]
    never: tuple[int, ...]
    joined: Rate

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "joined": self.joined.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Joining":
        """From `to_dict`."""
        return cls(tuple(data["waits"]), tuple(data["never"]), Rate.from_dict(data["joined"]))


def joinings(
    store: Store,
    truth: Truth,
    reported: Reported,
    matches: Mapping[str, Sequence[str]],
    replacements: Sequence[Replacement],
) -> dict[str, Joining]:
    """Joining of each true campaign that has a verdict with a time.

    Replacements whose first exchange comes before the verdict are left out: they are found with the campaign.

    Args:
        store: holds `labels` and the times of the exchanges.
        truth: the labels.
        reported: must tell when accounts were joined (`joined_at`).
        matches: reported campaigns that match each true one.
        replacements: who took whose place.
    """
    verdicts = {c: min(times) for c, names in matches.items() if (times := _verdicts(reported, names))}
    joined = {c: _joined(reported, matches[c]) for c in verdicts}
    wanted = [
        (
            pair.campaign_id,
            pair.account_id,
            verdicts[pair.campaign_id],
            joined[pair.campaign_id].get(pair.account_id),
        )
        for pair in {(p.campaign_id, p.account_id): p for p in replacements}.values()
        if pair.campaign_id in verdicts
    ]
    store.put("replaced", "campaign_id VARCHAR, account_id VARCHAR, verdict BIGINT, joined BIGINT", wanted)
    rows = store.rows(
        "SELECT r.campaign_id, r.joined IS NOT NULL, "
        "CASE WHEN r.joined IS NULL THEN count(*) ELSE count(*) FILTER (e.ts <= r.joined) END AS n "
        "FROM replaced AS r JOIN labels AS l ON l.campaign_id = r.campaign_id AND l.account_id = r.account_id "
        "JOIN exchanges AS e ON e.exchange_id = l.exchange_id "
        "GROUP BY r.campaign_id, r.account_id, r.verdict, r.joined HAVING min(e.ts) > r.verdict ORDER BY n",
        EXCHANGES.name,
    )
    found = {}
    for campaign, verdict in verdicts.items():
        late = {account for account, moment in joined[campaign].items() if moment > verdict}
        mine = [(is_joined, int(n)) for name, is_joined, n in rows if name == campaign]
        found[campaign] = Joining(
            tuple(n for is_joined, n in mine if is_joined),
            tuple(n for is_joined, n in mine if not is_joined),
            Rate(len(late & truth.accounts[campaign]), len(late)),
        )
    return found


def _verdicts(reported: Reported, names: Sequence[str]) -> list[int]:
    return [moment for name in names if (moment := reported.flagged_at[name]) is not None]


def _joined(reported: Reported, names: Sequence[str]) -> dict[str, int]:
    """First moment at which any of these reported campaigns held each account."""
    first: dict[str, int] = {}
    for name in names:
        for account, moment in reported.joined_at.get(name, {}).items():
            first[account] = min(moment, first.get(account, moment))
    return first
