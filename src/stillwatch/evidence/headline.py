"""The verdict on a whole scan, in a sentence or two."""

from stillwatch.campaigns.tables import Rung
from stillwatch.evidence.figures import Figure, Sentence, sentence
from stillwatch.evidence.ladder import FAMILIES_FOR_ENFORCEMENT, allows_enforcement
from stillwatch.evidence.numbers import Kind
from stillwatch.evidence.results import Results


def summary_figure(results: Results, name: str) -> Figure:
    """One of the counts of `summary.json`."""
    return Figure(results.summary.counts[name], Kind.COUNT, f"summary.counts.{name}")


def rate_figure(results: Results) -> Figure:
    """The false-discovery rate under which campaigns are reported."""
    return Figure(results.summary.fdr, Kind.SHARE, "summary.fdr")


def headline(results: Results) -> Sentence:
    """What was found, and that nobody else is accused."""
    campaigns = results.rows("campaigns")
    everyone = summary_figure(results, "accounts")
    if not campaigns:
        return sentence(
            "No campaign was found among ",
            everyone,
            f" {plural(everyone, 'account')} and ",
            summary_figure(results, "exchanges"),
            " exchanges; nobody is accused.",
        )
    n_campaigns = Figure(len(campaigns), Kind.COUNT, "count(campaigns)")
    members = set(results.tables["members"]["account_id"].to_pylist())
    accounts = Figure(len(members), Kind.COUNT, "distinct(members.account_id)")
    exchanges = Figure(sum(row["n_exchanges"] for row in campaigns), Kind.COUNT, "sum(campaigns.n_exchanges)")
    return sentence(
        n_campaigns,
        f" {plural(n_campaigns, 'campaign')}, ",
        accounts,
        f" {plural(accounts, 'account')}, ",
        exchanges,
        f" {plural(exchanges, 'exchange')}; nothing else among ",
        everyone,
        " accounts is accused.",
    )


def standing(results: Results) -> Sentence:
    """Under which error rate that was said, and what may be done about it."""
    campaigns = results.rows("campaigns")
    tested = summary_figure(results, "groups_tested")
    if not campaigns:
        return sentence(
            tested,
            f" {plural(tested, 'group')} of accounts looked alike enough to be tested; none could be told "
            "from innocent customers at a false-discovery rate of ",
            rate_figure(results),
            ".",
        )
    ready = sum(allows_enforcement(row["rung"], row["families"]) for row in campaigns)
    source = f"count(campaigns where rung={Rung.TRAINING_SHAPED} and families>={FAMILIES_FOR_ENFORCEMENT})"
    return sentence(
        tested,
        f" {plural(tested, 'group')} of accounts {'was' if tested.value == 1 else 'were'} tested; campaigns "
        "are reported at a false-discovery rate of ",
        rate_figure(results),
        ". Of those reported, ",
        Figure(ready, Kind.COUNT, source),
        f" {'meets' if ready == 1 else 'meet'} the bar for enforcement: the last rung of the ladder, and "
        "two or more independent families of evidence.",
    )


def plural(figure: Figure, noun: str) -> str:
    """The noun in the number of the figure."""
    return noun if figure.value == 1 else noun + "s"
