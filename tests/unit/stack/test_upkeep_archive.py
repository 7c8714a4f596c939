"""A backup is read whole or refused by name: no torn, changed or foreign file is restored."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from server.ledger import books as server_books
from stack.errors import Fault
from stack.upkeep import archive, money
from stack.upkeep.archive import MANIFEST, Backup
from tests.unit.stack.upkeeping import ENTRY, books

BACKUP = Backup(
    "2026-11-27T23:00:00Z",
    "native",
    {"ledger.json": books(), ENTRY: b"{}", "step-model.json": b"{}"},
    {"prices.yaml": b"p", "budgets.yaml": b"b"},
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = archive.write(BACKUP, tmp_path / "b", "backup")
    assert path.name == "backup-20261127T230000Z.tar.gz"
    assert archive.read(path) == BACKUP
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]


def test_two_of_one_second_are_two(tmp_path: Path) -> None:
    first, second = (archive.write(BACKUP, tmp_path, "backup") for _ in range(2))
    assert first != second and archive.read(first) == archive.read(second)


def test_a_disk_that_is_full_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        archive.write(BACKUP, tmp_path, "backup")
    assert list(tmp_path.iterdir()) == []


def test_every_torn_backup_is_refused(tmp_path: Path) -> None:
    whole = archive.write(BACKUP, tmp_path, "backup").read_bytes()
    torn = tmp_path / "torn.tar.gz"
    for length in range(0, len(whole) - 8, 7):
        torn.write_bytes(whole[:length])
        with pytest.raises(Fault, match=r"torn\.tar\.gz"):
            archive.read(torn)


def test_no_changed_byte_is_restored(tmp_path: Path) -> None:
    path = archive.write(BACKUP, tmp_path, "backup")
    whole = path.read_bytes()
    for at in range(12, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            assert archive.read(path) == BACKUP
        except Fault:
            continue


Change = Callable[[dict[str, bytes]], object]


def changed(folder: Path, change: Change, manifest: Callable[[dict[str, object]], object]) -> Path:
    """A backup that somebody packed anew."""
    members = {MANIFEST: b"", **BACKUP.members}
    said: dict[str, object] = {"format": 1, "made": BACKUP.made, "way": BACKUP.way,
                               "sha256": archive._digests(BACKUP.members)}  # fmt: skip
    manifest(said)
    members[MANIFEST] = json.dumps(said).encode()
    change(members)
    path = folder / "changed.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            archive._add(tar, name, data)
    return path


def same(_: object) -> None:
    return None


@pytest.mark.parametrize(
    ("change", "why"),
    [(lambda m: m.update({"state/ledger.json": books(7)}), "is not what was backed up"),
     (lambda m: m.pop("given/prices.yaml"), "is not what was backed up"),
     (lambda m: m.update({"state/../../x": b""}), "is not what was backed up"),
     (lambda m: m.pop(MANIFEST), "has no manifest"),
     (lambda m: m.update({MANIFEST: b"[]"}), "has no manifest")],
)  # fmt: skip
def test_another_content_is_refused(tmp_path: Path, change: Change, why: str) -> None:
    with pytest.raises(Fault, match=why):
        archive.read(changed(tmp_path, change, same))


@pytest.mark.parametrize("name", ["state/../x", "given/../../etc/passwd", "/etc/x", "state/lock"])
def test_no_file_is_taken_that_a_backup_does_not_have(tmp_path: Path, name: str) -> None:
    digest = archive._digests({name: b""})

    def also(said: dict[str, object]) -> None:
        said["sha256"] = archive._digests(BACKUP.members) | digest

    with pytest.raises(Fault, match="files that no backup has"):
        archive.read(changed(tmp_path, lambda m: m.update({name: b""}), also))


def test_a_newer_format_is_named_with_its_fix(tmp_path: Path) -> None:
    path = changed(tmp_path, same, lambda said: said.update(format=2))
    with pytest.raises(Fault, match="format 2, this checkout reads up to 1: restore it with the"):
        archive.read(path)


def test_a_sparse_file_is_no_backup(tmp_path: Path) -> None:
    member = tarfile.TarInfo("state/ledger.json")
    member.type = tarfile.GNUTYPE_SPARSE
    head = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    # Where GNU tar says what is there of it, nothing, and how much it is: here few bytes, and as
    # well 8 GiB, which would all be in memory.
    head[386:410], head[483:495], head[148:156] = b"0" * 24, b"00000000077\0", b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    path = tmp_path / "odd.tar.gz"
    path.write_bytes(gzip.compress(bytes(head) + b"\0" * 1024))
    with pytest.raises(Fault, match=r"odd\.tar\.gz is no backup"):
        archive.read(path)


def test_a_link_or_a_bomb_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "odd.tar.gz"
    for kind, size in ((tarfile.SYMTYPE, 0), (tarfile.REGTYPE, 1 << 40)):
        member = tarfile.TarInfo("state/ledger.json")
        member.type, member.size, member.linkname = kind, size, "/etc/passwd"
        path.write_bytes(gzip.compress(member.tobuf() + b"\0" * 1024))
        with pytest.raises(Fault, match=r"odd\.tar\.gz is .*no backup"):
            archive.read(path)


@pytest.mark.parametrize("content", [b"", b"text", gzip.compress(b"text"), b"\0" * 4096])
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.tar.gz"
    path.write_bytes(content)
    with pytest.raises(Fault, match=r"no\.tar\.gz"):
        archive.read(path)
    with pytest.raises(Fault, match="is not there"):
        archive.read(tmp_path / "nowhere")


def test_the_stack_knows_the_books_that_the_server_reads() -> None:
    assert money.NEWEST == server_books.NEWEST


def test_books_are_told_from_what_is_none() -> None:
    money.check({"ledger.json": books()}, "here")
    money.check({"ledger.json": b'{"books": [["part", "idle", 1]], "open": 0}'}, "here")
    with pytest.raises(Fault, match="here holds no books"):
        money.check({}, "here")
    for text in (b"", b"{}", b"[]", b"\xff", b'{"version": "x", "books": []}'):
        with pytest.raises(Fault, match="is no books"):
            money.check({"ledger.json": text}, "here")
    with pytest.raises(Fault, match="of version 3, this checkout reads up to 2"):
        money.check({"ledger.json": books(version=3)}, "here")


def test_a_summary_says_the_bill_and_what_is_in_flight() -> None:
    assert money.summary(BACKUP.state) == "a bill of $1.500000, 1 request in flight"
    old = {"ledger.json": b'{"books": [["part", "idle", 1]], "open": 0}'}
    assert money.summary(old) == "books of an older version, 0 requests in flight"


def test_the_archive_is_plain_tar_for_whoever_has_no_stack(tmp_path: Path) -> None:
    path = archive.write(BACKUP, tmp_path, "backup")
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as tar:
        assert tar.getnames()[0] == MANIFEST
        content = tar.extractfile("state/ledger.json")
        assert content and content.read() == books()
