"""The embedded model: same bytes each time, loadable, and with a chat template that renders."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.tiny_model import TinyModel, fingerprint, make_once

pytest.importorskip("transformers")
SMALL = "TinyModel(vocabulary=600, corpus_bytes=200_000)"


def _make_in_fresh_process(models: Path, hash_seed: str) -> Path:
    code = (
        "from pathlib import Path; from server.tiny_model import TinyModel, make_once; "
        f"print(make_once({SMALL}, Path({str(models)!r})))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    return Path(done.stdout.splitlines()[-1])


def _digests(folder: Path) -> dict[str, str]:
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _make_in_fresh_process(tmp_path_factory.mktemp("models"), "1")


def test_twice_made_is_the_same_to_the_byte(made: Path, tmp_path: Path) -> None:
    again = _make_in_fresh_process(tmp_path, "2")
    assert again.name == made.name
    assert _digests(again) == _digests(made)
    assert "model.safetensors" in _digests(made)


def test_a_second_call_reuses_the_folder_and_leaves_no_draft(made: Path) -> None:
    before = (made / "model.safetensors").stat().st_mtime_ns
    model = TinyModel(vocabulary=600, corpus_bytes=200_000)
    assert make_once(model, made.parent) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == before
    assert [entry.name for entry in made.parent.iterdir()] == [made.name]


def test_a_failed_make_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(model: TinyModel, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half")
        raise RuntimeError("no space left")

    monkeypatch.setattr("server.tiny_model._write_tokenizer", explode)
    with pytest.raises(RuntimeError, match="no space left"):
        make_once(TinyModel(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_any_parameter_changes_the_fingerprint() -> None:
    assert fingerprint(TinyModel()) == fingerprint(TinyModel())
    assert fingerprint(TinyModel(seed=21)) != fingerprint(TinyModel())


def test_it_loads_and_generates(made: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    model = AutoModelForCausalLM.from_pretrained(made)
    inputs = tokenizer("def main():", return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens=5)
    assert output.shape[1] > inputs["input_ids"].shape[1]
    assert tokenizer.decode(inputs["input_ids"][0]) == "def main():"


def test_the_chat_template_renders_roles_and_stays_one_token_each(made: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(made)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|begin|><|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>"
    ids = tokenizer(text)["input_ids"]
    assert (ids[0], ids[1], ids[-1]) == (0, 2, 4)
    assert tokenizer.bos_token_id == 0 and tokenizer.eos_token_id == 1


def test_an_answer_ends_by_itself_and_is_not_empty(made: Path) -> None:
    """Else every answer is cut short, and the bill calls all of it waste."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(made)
    torch.manual_seed(0)
    prompts = torch.randint(5, 600, (32, 12))
    whole = torch.ones_like(prompts)
    answers = model.generate(prompts, attention_mask=whole, max_new_tokens=120)[:, 12:]
    lengths = (answers != 1).sum(dim=1).float()
    assert 10 < lengths.mean() < 100
    assert lengths.std() > 5
    with torch.no_grad():
        likeliest = model(prompts).logits[:, -1].argmax(dim=1)
    # Who samples greedily is answered, too.
    assert (likeliest == 1).float().mean() < 0.1
