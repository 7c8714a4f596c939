"""A server of streams at a known pace; run as `python -m tests.unit.paced`, it prints its port.

Each chunk says when it was sent, by the clock that all processes of a machine share, and nothing is
sent twice at once: what a client adds to that is its own.
"""

import asyncio
import json
import time

CHUNKS, FIRST_SECONDS, GAP_SECONDS = 40, 0.1, 0.02
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(found: object) -> bytes:
    data = f"data: {found if isinstance(found, str) else json.dumps(found)}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(_HEAD + _chunk({"choices": [{"delta": {"role": "assistant", "content": ""}}]}))
    due = time.monotonic() + FIRST_SECONDS
    sent = []
    for _ in range(CHUNKS):
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += GAP_SECONDS
        sent.append(time.monotonic_ns())
        writer.write(_chunk({"choices": [{"delta": {"content": "a"}}]}))
    usage = {"prompt_tokens": 1, "completion_tokens": CHUNKS, "sent_ns": sent}
    writer.write(_chunk({"choices": [], "usage": usage}) + _chunk("[DONE]") + b"0\r\n\r\n")
    await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(_stream, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
