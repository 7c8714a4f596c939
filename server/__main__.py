"""`python -m server`: vLLM's OpenAI server, observed; takes the flags of `vllm serve`."""

import os

from server.few_cores import sleep_between_looks
from server.parent_death import die_with_parent
from server.signals import native_output, otel_environment, serving, stacks, uncaught

if __name__ == "__main__":
    from server import preflight

    settings = preflight.check(os.environ)
    otel_environment.clean(os.environ)
    serving.share()
    if not settings.show_native_output:
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
    stacks.listen()
    sleep_between_looks()
