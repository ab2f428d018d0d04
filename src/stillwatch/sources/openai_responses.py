"""Request/response logs in the shape of OpenAI Responses."""

from collections.abc import Iterator
from typing import Any

from stillwatch.sources.envelope import parsed, take_apart
from stillwatch.sources.fields import first_name
from stillwatch.sources.messages import answer, conversation, tools
from stillwatch.sources.openai_chat import end_user, path_ends
from stillwatch.sources.source import Item, Record
from stillwatch.sources.streams import assembled


class OpenaiResponses:
    """One record a request: `{"request": {"model", "input", ...}, "response": {"output", ...}, ...}`."""

    name = "openai-responses"
    shape = "request with `input` (and `instructions`), answer with `output`, time and account around"

    def recognises(self, record: Record) -> float:
        """By the input of the request and the output items of the answer."""
        bodies = take_apart(record)
        if "messages" in bodies.request:
            return 0.0
        asks = isinstance(bodies.request.get("input"), (str, list)) and "model" in bodies.request
        if _answers(bodies.response):
            return 0.85 if asks else 0.3
        return 0.6 if asks and path_ends(record, ("/responses",)) else 0.3 if asks else 0.0

    def parse(self, record: Record) -> Iterator[Item]:
        """One exchange."""
        bodies = take_apart(record)
        request = bodies.request
        body, streamed = assembled(bodies.response)
        talk = conversation(request.get("input"), system=request.get("instructions"))
        values: dict[str, Any] = {
            "operation": "embedding" if path_ends(record, ("/embeddings",)) else "chat",
            "end_user_id": end_user(request),
            "session_id": first_name(request, "conversation.id", "conversation"),
            "n_tools": tools(request.get("tools")) or 0,
            "stream": True if streamed else request.get("stream", False),
        }
        yield parsed(record, bodies, talk, answer(body), values)


def _answers(body: object) -> bool:
    if isinstance(body, dict):
        return isinstance(body.get("output"), list) or body.get("object") == "response"
    if isinstance(body, list):
        return any(
            isinstance(event, dict) and str(event.get("type")).startswith("response.") for event in body[:20]
        )
    return isinstance(body, str) and '"type":"response.' in body[:4096].replace(" ", "")
