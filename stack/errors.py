"""The one exception that ends a command with a clear line."""


class Fault(Exception):  # noqa: N818, it is what the user has to mend
    """A problem the user can fix: the message is one line that names the fix."""

    def __init__(self, problem: str, fix: str = "", code: int = 1) -> None:
        super().__init__(f"{problem}: {fix}" if fix else problem)
        self.code = code
