"""Tests the echo server with Python's `websockets`: client.py URL SERVER

SERVER describes the server's compression settings in JSON; see `run`. Prints the failed cases,
then "N passed, N failed".
"""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

MEBIBYTE = 1 << 20


class Counting(ClientConnection):
    """Counts the bytes on the wire."""

    sent = received = 0

    def connection_made(self, transport):
        super().connection_made(transport)
        write = transport.write

        def counted(data):
            self.sent += len(data)
            write(data)

        self.transport.write = counted

    def data_received(self, data):
        self.received += len(data)
        super().data_received(data)


def text(length, seed=1):
    words = ["message", "window", "context", "taken", "over", "or", "not", "€", "\U0001f600"]
    dice = random.Random(seed)
    out = ""
    while len(out) < length:
        out += " ".join(dice.choices(words, k=200))
    return out[:length]


def noise(length, seed=1):
    return random.Random(seed).randbytes(length)


def texts(large):
    lengths = [0, 1, 63, 64, 125, 126, 1000, 65_535, 65_536, 0, 100_000]
    return [text(length) for length in lengths] + ([text(MEBIBYTE // 2)] * 2 if large else [])


def binaries(large):
    lengths = [0, 1, 64, 126, 5000, 70_000]
    return [noise(length) for length in lengths] + ([noise(MEBIBYTE)] * 2 if large else [])


def size(message):
    return len(message.encode() if isinstance(message, str) else message)


async def echo(connection, messages):
    for message in messages:
        await connection.send(message)
        answer = await connection.recv()
        assert answer == message, f"sent {len(message)}, received {len(answer)}"


async def echo_compressed(connection, messages):
    """Echoes the messages and checks that both directions are compressed."""
    sent, received = connection.sent, connection.received
    await echo(connection, messages)
    total = sum(map(size, messages))
    sent, received = connection.sent - sent, connection.received - received
    assert sent < total / 2, f"{sent} bytes sent for {total}"
    assert received < total / 2, f"{received} bytes received for {total}"


async def takes_context_over(connection, keeps_own, keeps_servers):
    """Checks context takeover with a message that hardly compresses.

    A repetition is much smaller only if the context is kept.
    """
    message = noise(2000, 7).hex()
    costs = []
    for _ in range(2):
        before = connection.sent, connection.received
        await echo(connection, [message])
        costs.append((connection.sent - before[0], connection.received - before[1]))
    (sent, received), (sent_again, received_again) = costs
    assert (sent_again < sent / 4) == keeps_own, f"sent {sent}, then {sent_again}"
    assert (received_again < received / 4) == keeps_servers, f"received {received}, then {received_again}"


def expected(server, client):
    """Returns the expected parameters (RFC 7692 §7.1).

    These are whether server and client reset their context, and their window bits.
    """
    return (
        server["nct"] or client.get("snct", False),
        server["rnct"] or client.get("cnct", False),
        min(server["mwb"], client.get("smwb") or 15),
        min(server["rmwb"], client.get("cmwb") or 15),
    )


async def deflate(url, server, client, large):
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=client.get("snct", False),
        client_no_context_takeover=client.get("cnct", False),
        server_max_window_bits=client.get("smwb"),
        client_max_window_bits=client.get("cmwb", True),
    )
    async with connect(url, compression=None, extensions=[factory], create_connection=Counting, max_size=None) as connection:
        [extension] = connection.protocol.extensions
        agreed = (
            extension.remote_no_context_takeover,
            extension.local_no_context_takeover,
            extension.remote_max_window_bits,
            extension.local_max_window_bits,
        )
        assert agreed == expected(server, client), f"negotiated {agreed}, expected {expected(server, client)}"
        await echo_compressed(connection, texts(large))
        await echo(connection, binaries(large))
        if min(agreed[2:]) >= 13:
            await takes_context_over(connection, not agreed[1], not agreed[0])


async def many(url, server, count=10_000):
    """Sends many messages without waiting for the echoes."""
    messages = [json.dumps({"id": i, "text": text(i % 300, i)}) for i in range(count)]
    async with connect(url, compression="deflate", create_connection=Counting) as connection:
        assert len(connection.protocol.extensions) == 1

        async def send():
            for i, message in enumerate(messages):
                await connection.send(message if i % 2 else message.encode())

        sending = asyncio.create_task(send())
        for i, message in enumerate(messages):
            answer = await connection.recv()
            assert answer == (message if i % 2 else message.encode()), f"message {i}"
        await sending
        total = sum(map(size, messages))
        assert connection.received < 0.7 * total, f"{connection.received} bytes received for {total}"
        assert connection.sent < 0.7 * total, f"{connection.sent} bytes sent for {total}"


async def plain(url, server, offered, agreed):
    async with connect(url, subprotocols=offered, create_connection=Counting, max_size=None) as connection:
        assert connection.protocol.extensions == [], "compressed"
        assert connection.subprotocol == agreed, f"negotiated {connection.subprotocol}"
        await echo(connection, texts(True) + binaries(True))


def cases(url, server):
    if not server["deflate"]:
        for offered, agreed in [(None, None), (["chat"], "chat"), (["v1", "superchat", "chat"], "chat"), (["v1"], None)]:
            yield f"plain, offering {offered}", plain(url, server, offered, agreed)
        return
    for client in [{}, {"cnct": True}, {"snct": True}, {"cnct": True, "snct": True}]:
        yield f"deflate {client}", deflate(url, server, client, server["all"])
    if server["all"]:
        for bits in range(9, 16):
            client = {"cmwb": bits, "smwb": 24 - bits}
            yield f"deflate {client}", deflate(url, server, client, False)
    if server["many"]:
        yield "10,000 messages", many(url, server)


async def main():
    url, server = sys.argv[1], json.loads(sys.argv[2])
    passed = failed = 0
    for name, case in cases(url, server):
        try:
            await asyncio.wait_for(case, 30)
            passed += 1
        except Exception as error:
            failed += 1
            print(f"FAILED websockets: {name}: {type(error).__name__}: {str(error)[:300]}")
    print(f"{passed} passed, {failed} failed")


asyncio.run(main())
