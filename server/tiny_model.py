"""Make the embedded default model: a small random Llama that real vLLM serves on two cores.

`python -m server.tiny_model` makes it once into the cache folder and prints that folder last.
"""

import hashlib
import json
import math
import os
import platform
import shutil
import sys
import sysconfig
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FORMAT = 2
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors")
BOS, EOS = "<|begin|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True)
class TinyModel:
    """Everything that decides the bytes of the model, beside the libraries' versions."""

    seed: int = 20
    vocabulary: int = 4096
    width: int = 256
    layers: int = 4
    heads: int = 4
    key_value_heads: int = 2
    feed_forward: int = 768
    positions: int = 4096
    corpus_bytes: int = 6_000_000
    sharpness: float = 3.5
    """Standard deviation of the next token's logits: the likeliest has a chance of about 1 in 8."""
    answer: int = 50
    """Tokens after which an answer ends by itself, about."""


def fingerprint(model: TinyModel) -> str:
    """Return 16 hex digits that change whenever the made files could."""
    parts = {
        "format": FORMAT,
        "model": asdict(model),
        "template": CHAT_TEMPLATE,
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def models_folder() -> Path:
    """Return the cache folder for models, below XDG_CACHE_HOME or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "llm-observability" / "models"


def make_once(model: TinyModel, models: Path) -> Path:
    """Return the folder of `model` below `models`, made first if it is not there."""
    target = models / f"tiny-{fingerprint(model)}"
    if target.is_dir():
        _say(f"the embedded model is there: {target.name}")
        return target
    models.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".tiny-", dir=models))
    try:
        write(model, draft)
        _publish(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def write(model: TinyModel, folder: Path) -> None:
    """Write tokenizer, configuration and weights of `model` into `folder`."""
    started = time.monotonic()
    _say(f"making the embedded model: training a tokenizer of {model.vocabulary} tokens ...")
    _write_tokenizer(model, folder)
    _say(f"making the embedded model: writing random weights, seed {model.seed} ...")
    _write_weights(model, folder)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    _say(f"made the embedded model: {size:.1f} MB in {time.monotonic() - started:.1f} s")


def _publish(draft: Path, target: Path) -> None:
    # The server may run as another user than the maker, in a container for one.
    draft.chmod(0o755)
    for file in draft.iterdir():
        file.chmod(0o644)
    # Two makers may race; the files are the same, so the first one to rename wins.
    try:
        draft.rename(target)
    except OSError:
        if not target.is_dir():
            raise


def _corpus(limit_bytes: int) -> list[str]:
    texts, size = [], 0
    for file in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        if size >= limit_bytes:
            break
        texts.append(file.read_text(encoding="utf-8", errors="replace"))
        size += len(texts[-1])
    return texts


def _write_tokenizer(model: TinyModel, folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=model.vocabulary,
        special_tokens=[BOS, EOS, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_corpus(model.corpus_bytes), trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=EOS,
        additional_special_tokens=list(ROLES),
        model_max_length=model.positions,
        chat_template=CHAT_TEMPLATE,
    )
    wrapped.save_pretrained(folder)


def _write_weights(model: TinyModel, folder: Path) -> None:
    import torch
    from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

    begin, end = 0, 1  # The trainer numbers the special tokens first, in their order.
    config = LlamaConfig(
        vocab_size=model.vocabulary,
        hidden_size=model.width,
        intermediate_size=model.feed_forward,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        num_key_value_heads=model.key_value_heads,
        max_position_embeddings=model.positions,
        tie_word_embeddings=False,
        bos_token_id=begin,
        eos_token_id=end,
        pad_token_id=end,
    )
    torch.manual_seed(model.seed)
    llama = LlamaForCausalLM(config)
    _let_it_end(llama, model, end)
    llama = llama.to(torch.bfloat16)
    llama.generation_config = GenerationConfig(
        bos_token_id=begin, eos_token_id=end, pad_token_id=end, do_sample=True, temperature=1.0
    )
    llama.save_pretrained(folder)


def _let_it_end(llama: Any, model: TinyModel, end: int) -> None:
    """Give the next token a distribution like a language's, and the end a steady share of it.

    A Llama has no bias: the last dimension of the residual stream, which no layer writes to, is
    about 1 after every token, and the end's logit reads nothing else. It stays below the likeliest
    token's, or an answer without sampling were empty.
    """
    import torch

    # The normalizer of normal logits, less what makes the end one step's in so many. It is smaller
    # for so few tokens, and smaller after some than after others: by measure, of 256 answers.
    logit = math.log(model.vocabulary) + model.sharpness**2 / 2 - math.log(model.answer) - 0.6
    with torch.no_grad():
        for layer in llama.model.layers:
            layer.self_attn.o_proj.weight[-1] = 0
            layer.mlp.down_proj.weight[-1] = 0
        llama.model.embed_tokens.weight[:, -1] = 0.185
        llama.lm_head.weight.normal_(std=model.sharpness / model.width**0.5)
        llama.lm_head.weight[:, -1] = 0
        llama.lm_head.weight[end] = 0
        llama.lm_head.weight[end, -1] = logit


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Make the model unless it is cached and print its folder as the last line."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        _say(f"server.tiny_model needs {', '.join(missing)}: run it with the venv of `make up`")
        return 1
    print(make_once(TinyModel(), models_folder()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
