"""The result tables of a scan, and the evidence tables that stand behind each of their figures."""

from enum import StrEnum

import pyarrow as pa

from stillwatch.exchange.schema import TIMESTAMP, Column, TableSchema

_string = pa.string()
_strings = pa.list_(pa.string())


class Rung(StrEnum):
    """The ladder of verdicts, lowest first; each rung needs the ones below it."""

    REPETITIVE = "repetitive"
    COORDINATED = "coordinated"
    ONE_TASK_POOL = "one_task_pool"
    TRAINING_SHAPED = "training_shaped"


CAMPAIGNS = TableSchema(
    "campaigns",
    (
        Column("campaign_id", _string, False, "stable name of the campaign"),
        Column("rung", _string, False, "highest rung of the ladder that holds"),
        Column("log10_e", pa.float64(), False, "log10 of the e-value of the rungs up to one_task_pool"),
        Column("fdr", pa.float64(), False, "smallest false-discovery rate at which those rungs are reported"),
        Column("n_accounts", pa.int64(), False, "member accounts"),
        Column("n_exchanges", pa.int64(), False, "flagged exchanges"),
        Column("first_seen", TIMESTAMP, False, "first flagged exchange"),
        Column("last_seen", TIMESTAMP, False, "last flagged exchange"),
        Column("flagged_at", TIMESTAMP, True, "event time of the verdict; null in a scan that looks back"),
        Column("models", _strings, False, "models asked, most used first"),
        Column("capabilities", _strings, False, "capabilities asked for, most frequent first"),
        Column("families", _strings, False, "independent families of evidence that hold by themselves"),
    ),
    key="campaign_id",
)

MEMBERS = TableSchema(
    "members",
    (
        Column("campaign_id", _string, False, "campaign"),
        Column("account_id", _string, False, "member account"),
        Column("probability", pa.float64(), False, "that the account belongs to the campaign"),
        Column("n_exchanges", pa.int64(), False, "its exchanges that belong to the campaign"),
        Column("share", pa.float64(), False, "part of the account's exchanges that belong to the campaign"),
        Column("share_low", pa.float64(), True, "lower end of the exact 95 % interval of share"),
        Column("share_high", pa.float64(), True, "its upper end"),
    ),
)

FLAGGED = TableSchema(
    "flagged",
    (
        Column("exchange_id", _string, False, "exchange"),
        Column("campaign_id", _string, False, "campaign"),
        Column("probability", pa.float64(), False, "that the exchange belongs to the campaign"),
    ),
    key="exchange_id",
)

GROUPS = TableSchema(
    "groups",
    (
        Column("group_id", _string, False, "every group that was tested; equals campaign_id where reported"),
        Column("reported", pa.bool_(), False, "whether it stands in campaigns"),
        Column("discovered_by", _string, False, "what made it a candidate: templates or links"),
        Column("rung", _string, True, "highest rung that holds; null for none"),
        Column("n_accounts", pa.int64(), False, "accounts"),
        Column("n_entities", pa.int64(), False, "accounts after declared organisations are joined"),
        Column("n_exchanges", pa.int64(), False, "exchanges of the group in its templates"),
        Column("exchanges_per_day", pa.float64(), False, "exchanges a day while active"),
        Column("first_seen", TIMESTAMP, False, "first exchange"),
        Column("last_seen", TIMESTAMP, False, "last exchange"),
        Column("models", _strings, False, "models asked, most used first"),
        Column("capabilities", _strings, False, "capabilities asked for, most frequent first"),
        Column("explanation", _string, False, "the nearest innocent explanation"),
        Column("explanation_holds", pa.bool_(), False, "whether that explanation could not be rejected"),
        Column("words", _string, False, "one sentence: why it was, or was not, reported"),
    ),
    key="group_id",
)

EVIDENCE = TableSchema(
    "evidence",
    (
        Column("group_id", _string, False, "group"),
        Column("rung", _string, False, "rung that this evidence speaks to"),
        Column("family", _string, False, "family of evidence"),
        Column("statistic", _string, False, "name of the statistic"),
        Column("value", pa.float64(), True, "its value; null where it could not be computed"),
        Column("expected", pa.float64(), True, "what the innocent null model expects"),
        Column("n", pa.int64(), False, "accounts, exchanges or pairs it rests on"),
        Column("log10_e", pa.float64(), False, "log10 of the e-value; 0 says nothing either way"),
        Column("holds", pa.bool_(), False, "whether the family holds by itself at the stated error rate"),
        Column("null_model", _string, False, "the innocent null model, in words"),
        Column("words", _string, False, "the finding, in words"),
    ),
)

EXPLANATIONS = TableSchema(
    "explanations",
    (
        Column("group_id", _string, False, "group"),
        Column("explanation", _string, False, "innocent explanation that was tried"),
        Column("rank", pa.int64(), False, "1 = the nearest"),
        Column("fits", pa.bool_(), False, "whether it could not be rejected"),
        Column("measure", pa.float64(), True, "the figure that decides"),
        Column("threshold", pa.float64(), True, "what the figure would have to be"),
        Column("words", _string, False, "why it fails, or why it fits"),
    ),
)

GROUP_TEMPLATES = TableSchema(
    "group_templates",
    (
        Column("group_id", _string, False, "group"),
        Column("template_id", _string, False, "template family"),
        Column("field", _string, False, "prompt or system_prompt"),
        Column("n_exchanges", pa.int64(), False, "exchanges of the group in the template"),
        Column("n_accounts", pa.int64(), False, "accounts of the group that used it"),
        Column("n_accounts_everywhere", pa.int64(), False, "accounts that used it in the whole dataset"),
        Column("capability", _string, True, "capability that its exchanges ask for"),
        Column("elicitation", pa.float64(), True, "share of its exchanges that elicit a chain of thought"),
        Column("rubric", pa.float64(), True, "share that grades by a rubric"),
        Column("rewriting", pa.float64(), True, "share that rewrites to be safe from censorship"),
        Column("answer_format", pa.float64(), True, "share that demands a fixed answer format"),
        Column(
            "skeleton",
            _string,
            True,
            "the text that the template keeps, slots as …; null if text was dropped",
        ),
        Column("example_exchange_id", _string, False, "the earliest exchange of the group in it"),
    ),
)

TIMELINE = TableSchema(
    "timeline",
    (
        Column("group_id", _string, False, "group"),
        Column("hour", TIMESTAMP, False, "hour, start"),
        Column("n_exchanges", pa.int64(), False, "exchanges"),
        Column("n_accounts", pa.int64(), False, "active accounts"),
    ),
)

TIES = TableSchema(
    "ties",
    (
        Column("group_id", _string, False, "group"),
        Column(
            "kind", _string, False, "kind of shared attribute: payment, prefix, client, email_domain, birth"
        ),
        Column("value", _string, False, "shared value (a keyed hash where it is an identifier)"),
        Column("account_id", _string, False, "account that has it"),
        Column("n_accounts_everywhere", pa.int64(), False, "accounts that have it in the whole dataset"),
        Column("log10_p", pa.float64(), False, "log10 of the p-value of so many in the group sharing it"),
    ),
)

BUSY = TableSchema(
    "busy",
    (
        Column("account_id", _string, False, "account among the busiest that belongs to no campaign"),
        Column("n_exchanges", pa.int64(), False, "its exchanges"),
        Column("exchanges_per_day", pa.float64(), False, "exchanges a day while active"),
        Column("stratum", _string, False, "tier of volume and framework"),
        Column("group_id", _string, True, "tested group it stands in, if any"),
        Column("words", _string, False, "why it was not flagged"),
    ),
    key="account_id",
)

QUALITY = TableSchema(
    "quality",
    (
        Column(
            "measure",
            _string,
            False,
            "what was counted: rows read, rows quarantined, null share of a column ...",
        ),
        Column("subject", _string, False, "file, column or reason it was counted for"),
        Column("value", pa.float64(), False, "the count or share"),
        Column("words", _string, False, "what it means for the verdicts"),
    ),
)

JOINED_AT = Column("joined_at", TIMESTAMP, False, "event time at which the account's membership first held")
MEMBERS_OVER_TIME = TableSchema("members", (*MEMBERS.columns, JOINED_AT))
"""The table `members` of a replay."""

HISTORY = TableSchema(
    "history",
    (
        Column("at", TIMESTAMP, False, "end of the slice in which it happened"),
        Column("campaign_id", _string, False, "campaign"),
        Column(
            "event", _string, False, "flagged, raised, lowered, withdrawn, restored, grew, split or merged"
        ),
        Column("rung", _string, False, "highest rung of the ladder that held then"),
        Column("log10_e", pa.float64(), False, "log10 of the evidence summed over all looks so far"),
        Column("n_accounts", pa.int64(), False, "its members, declared organisations counted as one"),
        Column("n_exchanges", pa.int64(), False, "their exchanges in its templates"),
        Column(
            "other_id", _string, True, "split: the campaign it was part of; merged: the one that took it in"
        ),
        Column("words", _string, False, "what happened, in one sentence"),
    ),
)
"""Written by a replay only, while it runs."""

RESULTS: tuple[TableSchema, ...] = (
    CAMPAIGNS,
    MEMBERS,
    FLAGGED,
    GROUPS,
    EVIDENCE,
    EXPLANATIONS,
    GROUP_TEMPLATES,
    TIMELINE,
    TIES,
    BUSY,
    QUALITY,
)
