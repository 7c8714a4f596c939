"""Which label a request's model has: what the engine ran decides, never the caller's spelling."""

from collections.abc import Sequence

from server.signals.labels import OTHER, Bounded


class Models:
    """The served model by its first name, and its LoRA adapters.

    Every alias of `--served-model-name` is the same model, so it has the label and the price of the
    first: a caller must not choose its price by choosing a name. `adapters` are those known at the
    start; one that is loaded later is admitted when the engine ran it.
    """

    def __init__(self, names: Sequence[str], adapters: Sequence[str] = ()) -> None:
        self.base = names[0]
        self._aliases = frozenset(names)
        self._labels = Bounded((self.base, *adapters))

    @property
    def values(self) -> tuple[str, ...]:
        """The label values that are known now, the served model first."""
        return self._labels.values

    @property
    def used(self) -> tuple[str, ...]:
        """The labels of what can be served now: `other` among them where it has to be shared."""
        return self._labels.used

    def asked(self, name: object) -> str:
        """The label of what a body asks for; vLLM takes no name, null and "" as the base model."""
        if not name or (isinstance(name, str) and name in self._aliases):
            return self.base
        return self._labels.label(name) if isinstance(name, str) else OTHER

    def ran(self, adapter: str | None) -> str:
        """The label of what the engine ran: the adapter's, without one the base model's."""
        return self.base if adapter is None else self._labels.label(adapter)

    def admit(self, adapter: str | None) -> bool:
        """Give an adapter that the engine ran a label; True when that was never used before."""
        return adapter is not None and self._labels.add(adapter)
