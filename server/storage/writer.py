"""One thread that writes one thing: no caller waits for a slow disk longer than it wants to."""

import threading
from collections.abc import Callable


class Writer:
    """Calls `write` every `seconds` and when it is asked; what that raises goes to `on_error`.

    The thread begins with `start` and has the name.
    """

    def __init__(
        self,
        write: Callable[[], None],
        on_error: Callable[[Exception], None],
        name: str,
        seconds: float | None = None,
    ) -> None:
        self._write = write
        self._on_error = on_error
        self._seconds = seconds
        self._changed = threading.Condition()
        self._asked = self._served = self._good = 0
        self._ending = False
        self._thread = threading.Thread(target=self._run, daemon=True, name=name)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def nudge(self) -> None:
        """Have it written soon, without waiting."""
        with self._changed:
            self._asked += 1
            self._changed.notify_all()

    def ask(self, patience: float) -> bool:
        """Have it written now; True when that was done within so many seconds, and succeeded."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            if not self._thread.is_alive():
                return False
            self._changed.wait_for(lambda: self._served >= mine, patience)
            return self._good >= mine

    def end(self, patience: float) -> bool:
        """Write once more and end the thread; True when that was done within so many seconds."""
        with self._changed:
            self._ending = True
            done = self.ask(patience)
        self._thread.join(0.0 if not done else patience)
        return done

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked > self._served, self._seconds)
                turn, ending = self._asked, self._ending
            good = self._attempt()
            with self._changed:
                self._served = turn
                self._good = turn if good else self._good
                self._changed.notify_all()
            if ending:
                return

    def _attempt(self) -> bool:
        try:
            self._write()
        except Exception as error:
            self._on_error(error)
            return False
        return True
