"""How many accounts, copies and cells each population and campaign of a world has at a scale."""

from collections.abc import Iterator

from stillwatch.lab.plan.scales import Scale
from stillwatch.lab.stage import Stage, Surroundings
from stillwatch.lab.traffic import Host
from stillwatch.lab.worldfile import Actor

CELL = 20_000
"""Most accounts that are planned at once, where a population's accounts do not depend on each other."""


def stages(actor: Actor, around: Surroundings, scale: Scale, hosts: dict[str, Host]) -> Iterator[Stage]:
    """The stages of one population or campaign.

    Above small, populations of a fixed size multiply in number, the others grow. A module says how with
    SCALES ("groups" or "accounts"), how few accounts it can do with (MIN_ACCOUNTS) and whether it can be
    planned in cells (CELLS).
    """
    groups, wanted = int(actor.values["groups"]), int(actor.values["accounts"])
    copies = actor.module.SCALES == "groups" and scale.factor > 1
    grown = 1.0 if copies else scale.factor
    accounts = max(min(wanted, actor.module.MIN_ACCOUNTS), round(wanted * grown))
    volume = min(1.0, wanted * grown / accounts)
    in_cells = getattr(actor.module, "CELLS", False)
    for group in range(round(groups * scale.factor) if copies else groups):
        for cell, size in enumerate(_cells(accounts) if in_cells else [accounts]):
            yield Stage(around, actor.name, actor.values, size, volume, group, cell, hosts)


def _cells(accounts: int) -> list[int]:
    count = -(-accounts // CELL)
    return [accounts // count + (cell < accounts % count) for cell in range(count)]
