"""`python -m server`: vLLM's OpenAI server, observed; takes the flags of `vllm serve`."""

import os

from server import native_output, otel_environment, serving, uncaught
from server.lifeline import die_with_parent
from server.patience import sleep_between_looks

if __name__ == "__main__":
    from server import preflight

    preflight.check(os.environ)
    otel_environment.clean(os.environ)
    serving.share()
    if not preflight.shows_native_output(os.environ):
        native_output.divert()
    uncaught.install()

    from server.launcher import main

    # With a spec, multiprocessing takes this for a package's __main__ and skips it in children.
    __spec__ = None
    main()
else:
    # vLLM's engine core and workers are new processes that import this module again.
    die_with_parent()
    serving.join()
    native_output.join()
    uncaught.install()
    sleep_between_looks()
