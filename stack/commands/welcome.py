"""What `make up` ends with: where everything is, a first request, and what to try next."""

import json

from stack.parts import lineup
from stack.parts.table import parts
from stack.say import paint, say, title
from stack.settings import Settings


def first_request(model: str) -> str:
    """A curl command that asks one question, ready to paste."""
    question = {"role": "user", "content": "Hi"}
    body = json.dumps({"model": model, "max_tokens": 32, "messages": [question]})
    return (
        "curl -si http://127.0.0.1:8000/v1/chat/completions \\\n"
        f"    -H 'Content-Type: application/json' \\\n    -d '{body}'"
    )


def welcome(settings: Settings) -> None:
    """Print the table of URLs, the first request and the next three things."""
    title("Where things are")
    runs = lineup.running(settings)
    for part in [part for part in parts(runs) if part.page]:
        say(f"  {part.name:<15} {paint(f'{part.page_url:<36}', 'cyan')} {part.shows}")
    if not runs.grafana:
        say("  boards          `make pictures` draws them into .state/pictures")
    title("A first request (the answer's x-trace-id header names its trace)")
    say(f"  {first_request(settings.served_name)}")
    title("Next")
    say('  make ask PROMPT="Why is the sky blue?"   one request through every signal')
    say("  make status                              parts, alerts, telemetry lost")
    say("  make logs PART=server                    follow a part's log")
