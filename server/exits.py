"""How the server's process can end: one code for each reason, with what it means."""

import re
import sys
import textwrap
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from pydantic import ValidationError

from server.settings import SettingsError
from server.signals import serving

_LONGEST = 400


class Exit(IntEnum):
    """Exit codes as sysexits.h names them."""

    STOPPED = 0
    NOT_STARTED = 69
    FAILED = 70
    BAD_SETTING = 78

    @property
    def meaning(self) -> str:
        """Why the process ended, for a log line and for docs/server.md."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.STOPPED: "it was told to stop",
    Exit.NOT_STARTED: "the engine did not start: its model cannot be loaded or memory is short",
    Exit.FAILED: "the engine died, or the server failed, while it served",
    Exit.BAD_SETTING: "a setting or a flag is wrong, and the last line names it",
}

_OF_SETTINGS = (ValueError, TypeError, KeyError, ImportError, NotImplementedError)
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


class NotStartedError(Exception):
    """The server did not come to serve, and no setting is known to be the reason."""


def say(error: SettingsError) -> None:
    """Tell the operator what to mend, in one line on stderr."""
    print(f"llm-server cannot start: {error}", file=sys.stderr, flush=True)


@contextmanager
def starting(args: Namespace) -> Iterator[None]:
    """Raise SettingsError where the block fails by what an operator typed, else NotStartedError.

    What fails once a caller was heard is no failed start: it is raised as it is.
    """
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        if serving.has_begun():
            raise
        if _is_of_settings(error):
            raise as_setting(args, error) from error
        raise NotStartedError(_one_line(f"{type(error).__name__}: {error}")) from error


def _is_of_settings(error: Exception) -> bool:
    if isinstance(error, OSError):
        # Transformers raises one without a number for every model that it cannot find.
        return isinstance(error, _MISSING) or (error.errno is None and not _is_offline(error))
    return isinstance(error, _OF_SETTINGS)


def _is_offline(error: BaseException | None) -> bool:
    while error is not None:
        names = {cls.__name__ for cls in type(error).__mro__}
        if names & {"ConnectionError", "ConnectError", "TimeoutError", "LocalEntryNotFoundError"}:
            return True
        error = error.__cause__ or error.__context__
    return False


def as_setting(args: Namespace, error: Exception) -> SettingsError:
    """What vLLM says of a flag in one line, with the flag's name where it can be known."""
    if isinstance(error, OSError) and error.filename is not None:
        return SettingsError("file", str(error.filename), str(error.strerror))
    if not isinstance(error, ValidationError):
        text = f"{type(error).__name__}: {error}"
        return SettingsError("command line", _flag(args, text, []), _one_line(text))
    details = error.errors(include_url=False, include_input=False, include_context=False)
    text = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in details)
    title = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", error.title).lower()
    fields = [*(str(detail["loc"][0]) for detail in details if detail["loc"]), title]
    return SettingsError("command line", _flag(args, text, fields), _one_line(text))


def _flag(args: Namespace, text: str, fields: list[str]) -> str:
    given = {name: value for name, value in vars(args).items() if value is not None}
    if f"'{given.get('model')}'" in text:
        return "--model"
    meant = (name for name in given if _is_meant(name, str(given[name]), text))
    # One that was not given is a consequence of the one that was; the longest name says most.
    names = [*(name for name in fields if name in given), *sorted(meant, key=len, reverse=True)]
    return f"--{names[0].replace('_', '-')}" if names else "a flag of vLLM"


def _is_meant(name: str, value: str, text: str) -> bool:
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    spoken = name.replace("_", " ")
    # A single word, such as `model`, is said of many things.
    return f" {spoken} " in f" {words} " and (" " in spoken or value in text)


def _one_line(text: str) -> str:
    return textwrap.shorten(text, _LONGEST, placeholder=" ...")
