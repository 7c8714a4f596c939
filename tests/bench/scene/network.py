"""A network of the command's own, so that its stores can have their usual ports while a stack runs.

Linux gives one to any process that may make a user namespace; where none may, the ports are shared
and must be free.
"""

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

_NEWUSER, _NEWNET = 0x1000_0000, 0x4000_0000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def enter() -> bool:
    """Leave the machine's network for an empty one with a loopback; False where that is refused.

    Only while there is one thread. Nothing outside can be reached from then on.
    """
    user, group = os.getuid(), os.getgid()
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is None or unshare(_NEWUSER | _NEWNET):
        return False
    _write("setgroups", "deny")
    _write("uid_map", f"{user} {user} 1")
    _write("gid_map", f"{group} {group} 1")
    _bring_up("lo")
    return True


def _write(name: str, text: str) -> None:
    (Path("/proc/self") / name).write_text(text)


def _bring_up(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        request = struct.pack("16sH14x", name.encode(), 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(asked, _GET_FLAGS, request))[1]
        fcntl.ioctl(asked, _SET_FLAGS, struct.pack("16sH14x", name.encode(), flags | _UP))
