"""What every client says: the same question, story, tool and form of an answer."""

from typing import Any, Literal

from pydantic import BaseModel

QUESTION = "Where shall I go, and for how long?"
STORY = "Tell me a story of a thousand words."
"""Whose answer is long enough to leave; the embedded model's too, at temperature 0."""
TOKENS, LONG_TOKENS = 16, 1000
MANY_TOKENS = 256
"""Enough for an answer of the schema below, whatever blanks a model puts in between."""
SEEN = 3
"""Pieces of a stream that are read before it is left."""


class Trip(BaseModel):
    """The form of the structured answer: each value is one of few, so any model ends it."""

    city: Literal["Paris", "Rome"]
    days: Literal[1, 2, 3]


TOOL = "plan_trip"
ABOUT = "Plans a trip."
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION: dict[str, Any] = {
    "type": "function",
    "function": {"name": TOOL, "description": ABOUT, "parameters": PARAMETERS},
}
CHOICE: dict[str, Any] = {"type": "function", "function": {"name": TOOL}}
"""The tool, and that it has to be called, as OpenAI's API has them."""
RESULT = "planned"
