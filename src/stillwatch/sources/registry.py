"""All formats that are known, in the order in which they are asked."""

from stillwatch.sources.anthropic_messages import AnthropicMessages
from stillwatch.sources.bedrock import Bedrock
from stillwatch.sources.canonical_jsonl import CanonicalJsonl
from stillwatch.sources.envoy import Envoy
from stillwatch.sources.litellm_spend_logs import LitellmSpendLogs
from stillwatch.sources.litellm_standard import LitellmStandard
from stillwatch.sources.openai_chat import OpenaiChat
from stillwatch.sources.openai_responses import OpenaiResponses
from stillwatch.sources.otlp import Otlp
from stillwatch.sources.source import Record, Source

SOURCES: tuple[Source, ...] = (
    CanonicalJsonl(),
    LitellmStandard(),
    LitellmSpendLogs(),
    OpenaiChat(),
    OpenaiResponses(),
    AnthropicMessages(),
    Otlp(),
    Bedrock(),
    Envoy(),
)

CERTAIN = 0.92
"""From here on no other source is asked: only formats that name themselves are that sure."""


def source_of(record: Record, last: Source | None = None) -> Source | None:
    """The source that recognises a record best, or None.

    Args:
        record: one record of a log; formats may change from record to record.
        last: the source of the record before, which wins a tie.
    """
    if last is not None and last.recognises(record) > CERTAIN:
        return last
    best, surest = None, 0.0
    for source in SOURCES:
        sure = source.recognises(record)
        if sure > surest or (sure == surest and source is last and sure > 0):
            best, surest = source, sure
    return best
