"""Request messages and answers, in the shapes that the common APIs share.

Shapes: OpenAI Chat Completions, Completions and Responses, Anthropic Messages, Amazon Bedrock Converse,
Google generateContent, and the parts of the OpenTelemetry GenAI conventions. They differ in names, not in
kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from stillwatch.sources.fields import dig, first, items, mapping, unpacked

SYSTEM_ROLES = ("system", "developer")
_TOOL_RESULTS = ("tool_result", "tool_call_response", "function_call_output")
_REASONING = ("thinking", "redacted_thinking", "reasoning")
_MAX_DEPTH = 8


@dataclass
class Content:
    """What one message holds.

    Attributes:
        text: its text parts, one a line; None without any.
        images: images in it, also inside of tool results.
        only_tool_results: whether it holds nothing but results of tools (which callers send in the user's
            name).
    """

    text: str | None = None
    images: int = 0
    only_tool_results: bool = False


@dataclass
class Conversation:
    """What a request's messages hold; None where there is none."""

    system: str | None = None
    prompt: str | None = None
    n_messages: int | None = None
    images: int = 0


@dataclass
class Answer:
    """What an answer holds; None where there is none."""

    text: str | None = None
    finish_reason: Any = None
    usage: dict[str, Any] = field(default_factory=dict)


def content(value: object, depth: int = 0) -> Content:
    """Read a message's content: a text, a part, or a list of parts."""
    if isinstance(value, str):
        return Content(value)
    parts = value if isinstance(value, list) else [value]
    texts: list[str] = []
    images = results = others = 0
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            others += 1
        elif isinstance(part, dict):
            text, found, is_result = _part(part, depth)
            texts += [] if text is None else [text]
            images += found
            results += is_result
            others += not is_result
    return Content("\n".join(texts) if texts else None, images, results > 0 and others == 0)


def _part(part: dict[str, Any], depth: int) -> tuple[str | None, int, bool]:
    """Text, images, and whether it is the result of a tool."""
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else ""
    if kind in _TOOL_RESULTS or "toolResult" in part or "functionResponse" in part:
        inside = first(part, "content", "toolResult.content", "output")
        images = content(inside, depth + 1).images if depth < _MAX_DEPTH else 0
        return None, images, True
    if kind in _REASONING or "reasoningContent" in part or part.get("thought") is True:
        return None, 0, False
    if _is_image(part, kind):
        return None, 1, False
    for key in ("text", "content", "refusal"):
        if isinstance(part.get(key), str) and kind not in ("blob", "uri", "file"):
            return part[key], 0, False
    return None, 0, False


def _is_image(part: dict[str, Any], kind: str) -> bool:
    if kind in ("image", "image_url", "input_image", "image_file") or part.get("modality") == "image":
        return True
    mime = first(part, "inlineData.mimeType", "inline_data.mime_type", "fileData.mimeType", "mime_type")
    return isinstance(part.get("image"), dict) or (isinstance(mime, str) and mime.startswith("image/"))


def conversation(messages: object, system: object = None) -> Conversation:
    """Read a request's messages.

    Args:
        messages: a list of messages (or a single text: one user turn).
        system: a system prompt that stands beside them.
    """
    messages = unpacked(messages)
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    systems: list[str] = []
    result = Conversation()
    beside = content(system) if system is not None else Content()
    if beside.text:
        systems.append(beside.text)
    if not isinstance(messages, list):
        result.system = "\n".join(systems) or None
        return result
    result.images = beside.images
    for message in messages:
        if isinstance(message, str):
            _add({"role": "user", "content": message}, systems, result)
        elif isinstance(message, dict):
            _add(message, systems, result)
    result.system = "\n".join(systems) or None
    result.n_messages = len(messages) + (beside.text is not None)
    return result


def _add(message: dict[str, Any], systems: list[str], result: Conversation) -> None:
    body = first(message, "content", "parts")
    if body is None and isinstance(message.get("text"), str):
        body = message["text"]
    kind = message.get("type")
    if isinstance(kind, str) and "role" not in message:
        # Items of the Responses API that are no message: calls of tools, their results, reasoning.
        result.images += content(message.get("output")).images if kind in _TOOL_RESULTS else 0
        return
    found = content(body)
    result.images += found.images
    role = message.get("role")
    if role in SYSTEM_ROLES and found.text:
        systems.append(found.text)
    elif role == "user" and not found.only_tool_results:
        result.prompt = found.text


def tools(value: object) -> int | None:
    """How many tools are offered; None where there is no list of them."""
    value = unpacked(value)
    if isinstance(value, dict):
        value = value.get("tools", value.get("functionDeclarations"))
    return len(value) if isinstance(value, list) else None


def answer(body: object) -> Answer:
    """Read an answer that is not a stream (`streams.assembled` makes one of those)."""
    body = unpacked(body)
    if isinstance(body, str):
        return Answer(body or None)
    if not isinstance(body, dict):
        return Answer()
    usage = token_usage(first(body, "usage", "usageMetadata"))
    choices = items(first(body, "choices", "candidates"))
    if choices:
        return Answer(*_choice(mapping(choices[0])), usage)
    if "output" in body and isinstance(body["output"], list):
        return Answer(_output_text(body["output"]), _responses_finish(body), usage)
    message = first(body, "output.message", "message")
    holder = message if isinstance(message, dict) else body
    text = content(holder.get("content")).text if "content" in holder else None
    if text is None:
        text = next((body[key] for key in _PLAIN_TEXTS if isinstance(body.get(key), str)), None)
    return Answer(text, first(body, "stop_reason", "stopReason", "finish_reason"), usage)


_PLAIN_TEXTS = ("output_text", "completion", "generation", "outputText", "text", "output", "content")


def _choice(choice: dict[str, Any]) -> tuple[str | None, Any]:
    reason = first(choice, "finish_reason", "finishReason")
    message = choice.get("message")
    body = dig(message, "content") if message is not None else first(choice, "content", "text")
    if isinstance(body, dict) and "parts" in body:
        body = body["parts"]
    text = content(body).text if body is not None else None
    if text is None and isinstance(dig(message, "refusal"), str):
        text = dig(message, "refusal")
    return text, reason


def _output_text(output: list[Any]) -> str | None:
    texts = [
        text
        for entry in output
        if isinstance(entry, dict) and entry.get("type", "message") == "message"
        if (text := content(entry.get("content")).text) is not None
    ]
    return "\n".join(texts) if texts else None


def _responses_finish(body: dict[str, Any]) -> Any:
    return first(body, "incomplete_details.reason", "status")


def token_usage(usage: object) -> dict[str, Any]:
    """Token counts by column name.

    Where an API counts the tokens it read from a cache apart (Anthropic, Bedrock), they are added to the
    input, so that `input_tokens` means the whole request everywhere.
    """
    usage = mapping(usage)
    apart = [first(usage, *names) for names in _COUNTED_APART] if "prompt_tokens" not in usage else []
    found = {column: first(usage, *names) for column, names in _USAGE.items()}
    whole = found["input_tokens"]
    extra = [count for count in apart if isinstance(count, int) and not isinstance(count, bool)]
    if isinstance(whole, int) and not isinstance(whole, bool):
        found["input_tokens"] = whole + sum(extra)
    return {column: count for column, count in found.items() if count is not None}


_COUNTED_APART = (
    ("cache_read_input_tokens", "cacheReadInputTokens"),
    ("cache_creation_input_tokens", "cacheWriteInputTokens"),
)
_USAGE = {
    "input_tokens": ("prompt_tokens", "input_tokens", "inputTokens", "promptTokenCount"),
    "output_tokens": ("completion_tokens", "output_tokens", "outputTokens", "candidatesTokenCount"),
    "reasoning_tokens": (
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.reasoning_tokens",
        "thoughtsTokenCount",
    ),
    "cached_tokens": (
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "cache_read_input_tokens",
        "cacheReadInputTokens",
        "cachedContentTokenCount",
    ),
}


def sampling(*places: object) -> dict[str, Any]:
    """Temperature and limit on the answer, from the first place that has them."""
    return {
        "temperature": _first_in(places, "temperature", "inferenceConfig.temperature"),
        "max_output_tokens": _first_in(
            places,
            "max_completion_tokens",
            "max_output_tokens",
            "max_tokens",
            "max_tokens_to_sample",
            "inferenceConfig.maxTokens",
            "generationConfig.maxOutputTokens",
        ),
    }


def _first_in(places: Iterable[object], *paths: str) -> Any:
    return next((found for place in places if (found := first(place, *paths)) is not None), None)
