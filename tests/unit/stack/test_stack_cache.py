import multiprocessing
import time
from pathlib import Path

import pytest

from stack.builds import cache


def fill(folder: Path) -> None:
    (folder / "binary").write_text("made")


def fail_half_way(folder: Path) -> None:
    fill(folder)
    raise RuntimeError("interrupted")


def test_a_finished_folder_appears_whole(tmp_path: Path) -> None:
    target = cache.make_folder(tmp_path / "bin" / "part-1-abc", fill)
    assert (target / "binary").read_text() == "made"
    assert list(target.parent.iterdir()) == [target]


def test_an_interrupted_build_is_never_taken_for_a_finished_one(tmp_path: Path) -> None:
    target = tmp_path / "part-1-abc"
    with pytest.raises(RuntimeError):
        cache.make_folder(target, fail_half_way)
    assert list(tmp_path.iterdir()) == []
    cache.make_folder(target, fill)
    assert (target / "binary").exists()


def test_a_marked_folder_counts_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "venv-abc"

    def break_off(folder: Path) -> None:
        folder.mkdir()
        fail_half_way(folder)

    def make(folder: Path) -> None:
        folder.mkdir()
        assert not list(folder.iterdir()), "what an interrupted run left must be gone"

    with pytest.raises(RuntimeError):
        cache.make_marked(target, break_off)
    assert (target / "binary").exists()
    assert not cache.is_marked(target)
    assert cache.is_marked(cache.make_marked(target, make))


def hold(path: Path, order: Path, name: str) -> None:
    with cache.locked(path, "testing"):
        with order.open("a") as out:
            out.write(f"{name} in\n")
        time.sleep(0.3)
        with order.open("a") as out:
            out.write(f"{name} out\n")


def test_two_runs_do_not_build_at_the_same_time(tmp_path: Path) -> None:
    order = tmp_path / "order"
    arguments = [(tmp_path / "lock", order, name) for name in ("a", "b")]
    runs = [multiprocessing.Process(target=hold, args=given) for given in arguments]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    lines = order.read_text().split("\n")[:4]
    assert [line[0] for line in lines] in (["a", "a", "b", "b"], ["b", "b", "a", "a"])


def test_the_digest_follows_content_and_order(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("one")
    first = cache.digest([file, "tags"])
    assert first == cache.digest([file, "tags"])
    assert first != cache.digest(["tags", file])
    assert cache.digest(["ab", "c"]) != cache.digest(["a", "bc"])
    file.write_text("two")
    assert first != cache.digest([file, "tags"])
