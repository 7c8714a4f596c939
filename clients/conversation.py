"""What the talks share: where they talk, and the requests of one cell."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from clients.said import ANSWERED, Said, Want


@dataclass(frozen=True)
class Place:
    """Where the clients talk: URL of the server, key ("" without keys), model, its context.

    Every request id of this run begins with `run`.
    """

    api: str
    key: str
    model: str
    longest: int
    run: str

    @property
    def shown_key(self) -> str:
        """What an SDK that insists on a key is given."""
        return self.key or "none"

    @property
    def wrong_key(self) -> str:
        """A key that nobody has."""
        return f"wrong-{self.run}"

    @property
    def too_long(self) -> str:
        """A prompt of at least as many tokens as it has words: more than the context holds."""
        return "word " * (self.longest + 100)


@dataclass
class Conversation:
    """The requests of one cell of the matrix."""

    place: Place
    client: str
    feature: str
    said: list[Said] = field(default_factory=list)

    def request(self, want: Want = ANSWERED) -> Said:
        """One more request, with an id that no other has."""
        made = Said(f"{self.place.run}-{self.client}-{self.feature}-{len(self.said) + 1}", want)
        self.said.append(made)
        return made


Talk: TypeAlias = Callable[[Conversation], None]


@contextmanager
def told(said: Said, refusals: type[Exception] | tuple[type[Exception], ...]) -> Iterator[None]:
    """What the block raises is part of what the client was told: refusals have a response.

    Of any other error only the name is kept, since its text may quote the prompt.
    """
    try:
        yield
    except refusals as error:
        response: Any = getattr(error, "response", None)
        said.refusals = tuple(each.__name__ for each in type(error).__mro__)
        said.answered(getattr(response, "headers", {}), getattr(response, "status_code", 0))
    except Exception as error:
        said.check(False, f"the client failed with {type(error).__name__}")
