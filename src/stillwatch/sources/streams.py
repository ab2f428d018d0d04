"""A streamed answer -> the answer it adds up to.

Streams are logged as a list of events, or as the text that went over the wire (server-sent events, HTML
Living Standard 9.2). The events of OpenAI Chat Completions, Completions and Responses, Anthropic Messages
and Bedrock Converse are known.
"""

import json
import re
from typing import Any

from stillwatch.sources.fields import dig, first, items, mapping, unpacked

_EVENT_LINE = re.compile(r"^(?:data:|event:|id:|retry:|:)", re.MULTILINE)


def assembled(body: object) -> tuple[object, bool]:
    """The answer, and whether it was a stream; what is no stream is handed back as it is."""
    if isinstance(body, str) and _EVENT_LINE.match(body.lstrip()[:16]):
        body = _events_of_text(body)
    body = unpacked(body)
    if not isinstance(body, list) or not any(isinstance(event, dict) for event in body):
        return body, False
    answer: dict[str, Any] = {"usage": {}}
    texts: list[str] = []
    for event in body:
        if isinstance(event, dict):
            _add(event, answer, texts)
    if not items(answer.get("choices")) and "output" not in answer:
        answer["content"] = "".join(texts) if texts else answer.get("content")
        answer = _as_choice(answer)
    return answer, True


def _events_of_text(text: str) -> list[Any]:
    """The JSON values of an event stream; an event's data may stand on several lines."""
    events = []
    for block in re.split(r"\r?\n\r?\n|\r\r", text):
        lines = [line[5:].removeprefix(" ") for line in block.splitlines() if line.startswith("data:")]
        data = "\n".join(lines)
        if data and data != "[DONE]":
            try:
                events.append(json.loads(data))
            except (ValueError, RecursionError):
                events.extend(_single_lines(lines))
    return events


def _single_lines(lines: list[str]) -> list[Any]:
    """Loggers that drop the blank lines between events leave one event a line."""
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            continue
    return found


def _add(event: dict[str, Any], answer: dict[str, Any], texts: list[str]) -> None:
    whole = event.get("response")
    if isinstance(whole, dict) and (whole.get("output") or "output" not in answer):
        # response.created names the model, response.completed carries everything.
        answer.update({key: value for key, value in whole.items() if value not in (None, [])})
    start = first(event, "message")
    if isinstance(start, dict):  # Anthropic message_start
        answer.update({key: start[key] for key in ("id", "model") if key in start})
        _add_usage(answer, start.get("usage"))
    choice = mapping(next(iter(items(event.get("choices"))), None))
    text = first(choice, "delta.content", "text", "message.content")
    if text is None:
        text = first(event, "delta.text", "contentBlockDelta.delta.text", "completion")
    if text is None and event.get("type") == "response.output_text.delta":
        text = event.get("delta")
    if isinstance(text, str) and choice.get("index", 0) == 0:
        texts.append(text)
    reason = first(choice, "finish_reason") or first(
        event, "delta.stop_reason", "messageStop.stopReason", "stop_reason"
    )
    if reason is not None:
        answer["finish_reason"] = reason
    for key in ("id", "model", "created"):
        if key in event and key not in answer:
            answer[key] = event[key]
    for usage in (event.get("usage"), dig(event, "metadata.usage")):
        _add_usage(answer, usage)


def _add_usage(answer: dict[str, Any], usage: object) -> None:
    """Later counts replace earlier ones: all of these APIs give running totals."""
    if isinstance(usage, dict) and isinstance(answer["usage"], dict):
        answer["usage"].update({key: value for key, value in usage.items() if value is not None})
    elif isinstance(usage, dict):
        answer["usage"] = dict(usage)


def _as_choice(answer: dict[str, Any]) -> dict[str, Any]:
    reason = answer.pop("finish_reason", None)
    choice = {"message": {"content": answer.pop("content", None)}, "finish_reason": reason}
    return {**answer, "choices": [choice]}
