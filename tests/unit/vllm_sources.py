"""The installed vLLM as text, parsed once for all tests that read it."""

from pathlib import Path

import vllm

from stack.upgrade.trees import Folder, Tree

FOLDER = Folder(Path(vllm.__file__).parents[1])
INSTALLED = Tree(FOLDER)
