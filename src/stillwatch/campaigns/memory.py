"""What a run takes in of earlier runs and of analysts, and what it leaves to later ones."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from stillwatch.campaigns.analyst_calibration import analyst_calibration
from stillwatch.campaigns.analyst_verdicts import AnalystVerdict, Opinion, read_verdicts
from stillwatch.campaigns.judge import Rates
from stillwatch.campaigns.known import KnownGroup, KnownResults, family_table, group_tables, read_known
from stillwatch.campaigns.labelled import Labelled, labelled, unlabelled, with_account_verdicts, with_words
from stillwatch.campaigns.names import keep_names
from stillwatch.campaigns.prior import labels
from stillwatch.campaigns.repetition import Usage
from stillwatch.campaigns.selection import JudgedGroup
from stillwatch.campaigns.shown import ShownGroup
from stillwatch.exchange.errors import UnreadableInputError, UsageError


@dataclass(frozen=True)
class Memory:
    """What is known before a run; empty where nothing is.

    Attributes:
        known: earlier results.
        verdicts: analysts' verdicts that count; each names a group of `known` or an account.
        origin: for `summary.json`, where the verdicts came from.
    """

    known: KnownResults
    verdicts: tuple[AnalystVerdict, ...] = ()
    origin: Mapping[str, Any] | None = None

    def judged(
        self, groups: Sequence[JudgedGroup], usage: Usage, entities: pa.Table, rates: Rates
    ) -> Labelled:
        """Tested groups in the light of the verdicts.

        Args:
            groups: as judged without verdicts.
            usage: who used which template.
            entities: the step table `account_entities`.
            rates: error rates.
        """
        if not self.verdicts:
            return unlabelled(groups)
        found = labels(self.verdicts, self.known.groups, usage, entity_of(entities))
        return labelled(groups, found, usage, rates)

    def named(
        self, shown: Sequence[ShownGroup], judged: Labelled, usage: Usage, entities: pa.Table
    ) -> list[ShownGroup]:
        """Shown groups under the names by which they are known, with verdicts on single accounts taken in."""
        if not self.known.groups and not self.verdicts:
            return list(shown)
        named = keep_names(shown, usage, self.known.groups, entity_of(entities))
        return [with_account_verdicts(group, judged.accounts, usage) for group in named]

    def left(self, groups: Sequence[KnownGroup], families: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
        """The known tables of this run's results.

        Campaigns and groups with a verdict that this run did not meet stay known.

        Args:
            groups: of this run.
            families: field -> families of this run.
        """
        met = {group.group_id for group in groups}
        said = {verdict.group_id for verdict in self.verdicts}
        kept = [
            group
            for name, group in self.known.groups.items()
            if name not in met and (group.reported or name in said)
        ]
        return {"known_templates": family_table(families), **group_tables([*groups, *kept])}

    def worded(self, table: pa.Table, shown: Sequence[ShownGroup], judged: Labelled) -> pa.Table:
        """The table `groups`; its words say what is known of a group, and how verdicts moved its threshold."""
        added = {
            group.group_id: [self._known_as(group.group_id), judged.words(group.main)] for group in shown
        }
        return with_words(table, {name: " ".join(filter(None, words)) for name, words in added.items()})

    def _known_as(self, group_id: str) -> str:
        if not self.known.groups:
            return ""
        # Only the first letter changes where a group becomes a campaign, or a campaign a group.
        names = [
            name for name in (group_id, f"c_{group_id[2:]}", f"g_{group_id[2:]}") if name in self.known.groups
        ]
        if not names:
            return "It is new: no group of the known results became it."
        was = "a campaign" if self.known.groups[names[0]].reported else "a tested group that was not reported"
        return f"It goes on from {names[0]} of the known results, {was}."

    def told(self, judged: Labelled, fdr: float) -> dict[str, Any]:
        """Keys for `summary.json`: `analyst_verdicts` and `analyst_calibration`; none without verdicts."""
        if not self.verdicts:
            return {}
        found = analyst_calibration(judged, self.verdicts, self.known.groups, fdr)
        without = sorted(
            label.verdict.row for label in (*judged.labels, *judged.accounts) if not len(label.entities)
        )
        return {
            "analyst_verdicts": {**(self.origin or {}), "rows_without_traffic": without},
            "analyst_calibration": found.as_dict(),
        }


def remember(known: Path | None, verdicts: Path | None, out: Path) -> Memory:
    """Read earlier results and verdicts.

    Args:
        known: results folder of an earlier run, or None.
        verdicts: table of verdicts, or None.
        out: folder in which this run will replace what stands there.

    Raises:
        StillwatchError: they cannot be read, or do not fit each other.
    """
    if known is not None and known.resolve() == out.resolve():
        raise UsageError(
            "the known results stand where this run would replace them",
            "choose another folder with --out; the new results can be --known of the next run",
            file=known,
        )
    earlier = KnownResults() if known is None else read_known(known)
    if verdicts is None:
        return Memory(earlier)
    found = read_verdicts(verdicts)
    for verdict in found:
        _check(verdict, earlier, verdicts, known)
    opinions = Counter(str(verdict.opinion) for verdict in found)
    origin = {
        "file": str(verdicts),
        "sha256": hashlib.sha256(verdicts.read_bytes()).hexdigest(),
        **{str(opinion): opinions[opinion] for opinion in Opinion},
    }
    return Memory(earlier, tuple(found), origin)


def entity_of(entities: pa.Table) -> dict[str, str]:
    """Account -> entity, from the step table `account_entities`."""
    pairs = zip(entities["account_id"].to_pylist(), entities["entity"].to_pylist(), strict=True)
    return dict(pairs)


def _check(verdict: AnalystVerdict, earlier: KnownResults, file: Path, known: Path | None) -> None:
    if verdict.group_id is None:
        return
    if known is None:
        raise UsageError(
            f"a verdict on group {verdict.group_id!r}, and no results in which it stands",
            "name the results folder that the verdicts are about with --known",
            file=file,
            row=verdict.row,
        )
    group = earlier.groups.get(verdict.group_id)
    if group is None:
        raise UnreadableInputError(
            f"there is no group {verdict.group_id!r} in {known}",
            "use a group_id of its groups.parquet, or name the results that the verdict is about with --known",
            file=file,
            row=verdict.row,
        )
    if verdict.account_id is not None and verdict.account_id not in group.accounts:
        raise UnreadableInputError(
            f"account {verdict.account_id!r} is none of group {verdict.group_id!r}",
            "leave the group out to give a verdict on the account by itself, or correct one of them",
            file=file,
            row=verdict.row,
        )
