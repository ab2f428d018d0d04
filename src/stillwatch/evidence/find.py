"""A tested group by its name, or by the beginning of it."""

from stillwatch.evidence.results import Results
from stillwatch.evidence.visible import visible
from stillwatch.exchange.errors import UsageError

_MOST_NAMES = 20


def find_group(results: Results, name: str) -> str:
    """Return the id of the campaign or tested group that is called `name`, or alone begins with it.

    A whole name comes before a beginning; beginnings of campaigns come before those of other groups.

    Raises:
        UsageError: none, or several; the message names those that exist.
    """
    campaigns = results.tables["campaigns"]["campaign_id"].to_pylist()
    groups = results.tables["groups"]["group_id"].to_pylist()
    if name in groups:
        return name
    for names in (campaigns, groups):
        begun = sorted(each for each in names if name and each.startswith(name))
        if len(begun) == 1:
            return str(begun[0])
        if begun:
            what = f"{visible(name)!r} could be {_listed(begun)}"
            raise UsageError(what, "Type more of the name.", file=results.folder)
    others = sorted(set(groups) - set(campaigns))
    remedy = f"Campaigns: {_listed(sorted(campaigns))}. Tested, not reported: {_listed(others)}."
    raise UsageError(f"no campaign or tested group is called {visible(name)!r}", remedy, file=results.folder)


def _listed(names: list[str]) -> str:
    shown = ", ".join(visible(name) for name in names[:_MOST_NAMES])
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return (shown or "none") + more
