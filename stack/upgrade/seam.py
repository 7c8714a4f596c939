"""What is written down of one place in vLLM that we hold on to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seam:
    """A definition in vLLM, `module:Name.member`, who of ours needs it, and what it has to be.

    `ours` is a file, and after `:` the text to find its line by where that is not the name itself.
    """

    where: str
    ours: str
    kind: str = ""
    """`plain`, `async`, `generator` or `async generator`; empty: any."""
    only: tuple[str, ...] = ()
    """All its parameters, in order: we override it."""
    begins: tuple[str, ...] = ()
    """Its first parameters, in order: we call it by position."""
    given: tuple[str, ...] = ()
    """Parameters that we give by name; it may need no others."""
    takes: tuple[str, ...] = ()
    """Parameters that it has among others."""
    has: tuple[str, ...] = ()
    """What the class or its bases define, or assign on self."""
    lacks: tuple[str, ...] = ()
    """Names of ours in a subclass: there they would hide vLLM's own."""
    abstract: tuple[str, ...] = ()
    """All that a subclass has to define."""
    says: tuple[str, ...] = ()
    """Code in its source that we rely on, however it is wrapped into lines."""
    silent: tuple[str, ...] = ()
    """Code that must not be in it."""

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        return self.where.partition(":")[0]

    @property
    def name(self) -> str:
        """The dotted name in the module, empty for the module itself."""
        return self.where.partition(":")[2]

    @property
    def file(self) -> str:
        """Our file."""
        return self.ours.partition(":")[0]

    @property
    def needle(self) -> str:
        """What our line is found by."""
        return self.ours.partition(":")[2] or self.where.replace(":", ".").rpartition(".")[2]
