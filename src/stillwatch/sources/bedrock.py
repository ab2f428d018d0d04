"""Amazon Bedrock model invocation logs, as they stand in S3 (ndjson, gzip) or come from CloudWatch Logs.

Form: `schemaType: ModelInvocationLog`, version 1.0. Bodies over 100 kB, images and documents are put into
files of their own; of these the log only has a path (`inputBodyS3Path`), and their texts are counted as
missing.
"""

from collections.abc import Iterator
from typing import Any

from stillwatch.sources.fields import dig, first, first_name, items, mapping, name, unpacked, without_empty
from stillwatch.sources.messages import (
    Answer,
    Conversation,
    answer,
    conversation,
    sampling,
    token_usage,
    tools,
)
from stillwatch.sources.source import Item, ParsedExchange, Record, Skipped
from stillwatch.sources.streams import assembled

SCHEMA = "ModelInvocationLog"
NO_INVOCATION = "CloudWatch record that holds no model invocation"
# https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and the errors of InvokeModel
_ERRORS = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_OPERATIONS = {"Converse": "chat", "ConverseStream": "chat"}
_LIMITS = ("max_gen_len", "maxTokens", "textGenerationConfig.maxTokenCount", "max_tokens_to_sample")


class Bedrock:
    """One record a call of `Converse`, `ConverseStream`, `InvokeModel` or `InvokeModelWithResponseStream`."""

    name = "bedrock"
    shape = "Amazon Bedrock model invocation log (schemaType ModelInvocationLog)"

    def recognises(self, record: Record) -> float:
        """By the schema's own name."""
        return 1.0 if any(found.get("schemaType") == SCHEMA for found in _invocations(record)) else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange, or several where CloudWatch bundled them."""
        for found in list(_invocations(record)) or [{}]:
            yield _exchange(found) if found.get("schemaType") == SCHEMA else Skipped(NO_INVOCATION)


def _invocations(record: Record) -> Iterator[dict[str, Any]]:
    """The log's own records, out of what CloudWatch wraps around them (subscriptions, exports, queries)."""
    if "logEvents" in record:
        for event in items(record["logEvents"]):
            yield mapping(mapping(event).get("message"))
        return
    for wrapper in ("message", "@message"):
        if wrapper in record and "schemaType" not in record:
            yield mapping(record[wrapper])
            return
    yield record


def _exchange(record: Record) -> ParsedExchange:
    request = mapping(dig(record, "input.inputBodyJson"))
    body, streamed = assembled(unpacked(dig(record, "output.outputBodyJson")))
    talk, reply = _conversation(request), _answer(body)
    failed = first_name(record, "errorCode")
    called = first_name(record, "operation")
    offered = tools(first(request, "toolConfig.tools", "tools"))
    values: dict[str, Any] = {
        "exchange_id": first_name(record, "requestId"),
        "ts": record.get("timestamp"),
        "account_id": first_name(record, "identity.arn"),
        "end_user_id": first_name(request, "metadata.user_id"),
        "session_id": first_name(record, "requestMetadata.sessionId", "requestMetadata.session_id"),
        "operation": _OPERATIONS.get(called or "", "chat" if talk.prompt is not None else None),
        "model": first_name(record, "modelId"),
        "system_prompt": talk.system,
        "prompt": talk.prompt,
        "response": reply.text,
        "n_messages": talk.n_messages,
        "n_tools": offered if offered is not None or not request else 0,
        **sampling(request),
        **_tokens(record, reply),
        "finish_reason": name(reply.finish_reason),
        "status": 200 if failed is None else _ERRORS.get(failed.rpartition(".")[2]),
        "latency_ms": first(body, "metrics.latencyMs") if isinstance(body, dict) else None,
        "stream": bool(streamed or (called or "").endswith("Stream")),
    }
    values["temperature"] = first(values, "temperature") or dig(request, "textGenerationConfig.temperature")
    values["max_output_tokens"] = first(values, "max_output_tokens") or first(request, *_LIMITS)
    return ParsedExchange(
        without_empty(values),
        request_ids=tuple(
            filter(None, (first_name(record, "requestMetadata.requestId"), first_name(record, "requestId")))
        ),
        fields=record,
        images=talk.images,
        text_missing=dig(record, "input.inputBodyS3Path") is not None and talk.prompt is None,
    )


def _conversation(request: dict[str, Any]) -> Conversation:
    """Converse and the models with messages, or a single text under the names of the older models."""
    if "messages" in request:
        return conversation(request["messages"], system=request.get("system"))
    text = first(request, "prompt", "inputText", "message")
    return conversation(text) if isinstance(text, str) else Conversation()


def _answer(body: object) -> Answer:
    results = items(dig(body, "results"))
    if results:  # Titan
        return Answer(dig(results[0], "outputText"), dig(results[0], "completionReason"))
    generations = items(dig(body, "generations")) or items(dig(body, "outputs"))
    if generations:  # Cohere, Mistral
        return Answer(dig(generations[0], "text"), first(generations[0], "finish_reason", "stop_reason"))
    return answer(body)


def _tokens(record: Record, reply: Answer) -> dict[str, Any]:
    """The log's own counts; of the input it counts what was read from a cache apart."""
    counted = token_usage(
        {
            "inputTokens": dig(record, "input.inputTokenCount"),
            "outputTokens": dig(record, "output.outputTokenCount"),
            "cacheReadInputTokens": dig(record, "input.cacheReadInputTokenCount"),
            "cacheWriteInputTokens": dig(record, "input.cacheWriteInputTokenCount"),
        }
    )
    return {**reply.usage, **counted}
