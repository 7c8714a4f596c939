"""What a served model can do, as vLLM decides it when it opens its routes."""

from collections.abc import Sequence
from typing import Any

from vllm.entrypoints.pooling.utils import enable_scoring_api


def of(tasks: Sequence[Any], model_config: Any) -> frozenset[str]:
    """`generate`, `embed`, `classify`, `score`, `pooling`: those that its routes would answer.

    A pooling model supports several tasks and serves one; which, its configuration decides.
    """
    found = {"generate"} & set(tasks)
    served = model_config.get_pooling_task(tasks)
    if served is None:
        return frozenset(found)
    found |= {"pooling"} | ({"embed", "classify"} & {served})
    return frozenset(found | ({"score"} if enable_scoring_api(tasks, model_config) else set()))
