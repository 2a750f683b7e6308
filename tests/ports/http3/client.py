"""Tests the HTTP/3 server with aioquic and wsproto: client.py PROGRAM

Starts the server. The last line is "N passed, N failed".
"""

import asyncio
import ssl
import sys
import traceback
from collections import Counter
from contextlib import asynccontextmanager

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection, Setting
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StopSendingReceived, StreamReset
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

TIMEOUT = 60


class Client(QuicConnectionProtocol):
    """A connection of HTTP/3. Sorts what is received by stream."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.streams = {}
        self.received = Counter()
        self.has_settings = asyncio.Event()
        # The streams that the server may send no more on than their first window.
        self.held = set()
        self.write_stream_limits = self._quic._write_stream_limits
        self._quic._write_stream_limits = self.write_other_stream_limits

    def write_other_stream_limits(self, builder, space, stream):
        if stream.stream_id not in self.held:
            self.write_stream_limits(builder, space, stream)

    def quic_event_received(self, event):
        for received in self.http.handle_event(event):
            self.streams[received.stream_id].put_nowait(received)
            self.received[received.stream_id] += len(getattr(received, "data", b""))
        # The server may not need the rest of a request (RFC 9114 §4.1). quinn sends 0 for a stream that is dropped,
        # which means the same, as all unknown codes do (§8). Other codes fail the case, and so do resets.
        is_stopped = isinstance(event, StopSendingReceived) and event.error_code not in (0, ErrorCode.H3_NO_ERROR)
        if is_stopped or isinstance(event, StreamReset):
            self.streams[event.stream_id].put_nowait(event)
        if self.http.received_settings is not None:
            self.has_settings.set()

    async def settings(self):
        await asyncio.wait_for(self.has_settings.wait(), TIMEOUT)
        return self.http.received_settings

    def request(self, method, path, headers=(), end_stream=False):
        """Sends a request, and returns its stream."""
        stream = Stream(self, self._quic.get_next_available_stream_id())
        self.streams[stream.id] = stream.events = asyncio.Queue()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path)]
        # Pseudo-headers precede the others.
        fields = sorted([*pseudo, *headers], key=lambda field: not field[0].startswith(":"))
        self.http.send_headers(stream.id, [(k.encode(), v.encode()) for k, v in fields], end_stream)
        self.transmit()
        return stream

    async def get(self, path):
        """Returns the status and the body."""
        return await self.request("GET", path, end_stream=True).response()

    async def refused(self, headers, protocol="websocket"):
        """Sends a handshake that is refused. Returns the status, the headers and the body."""
        stream = self.request("CONNECT", "/", [(":protocol", protocol), *headers])
        headers = await stream.headers()
        return int(headers[":status"]), headers, await stream.body()

    async def open(self, path="/", headers=(), deflate=False):
        """Opens a socket. Fails the case if it is refused."""
        await self.settings()
        extension = PerMessageDeflate()
        if deflate:
            headers = [*headers, ("sec-websocket-extensions", f"{extension.name}; {extension.offer()}")]
        fields = [(":protocol", "websocket"), ("sec-websocket-version", "13"), *headers]
        stream = self.request("CONNECT", path, fields)
        response = await stream.headers()
        assert response[":status"] == "200", response
        for forbidden in ("connection", "upgrade", "sec-websocket-accept"):
            assert forbidden not in response, response
        agreed = response.get("sec-websocket-extensions")
        assert (agreed is not None) == deflate, response
        if agreed:
            extension.finalize(agreed)
        return Socket(stream, [extension] if agreed else [], response.get("sec-websocket-protocol"))


class Stream:
    def __init__(self, client, id):
        self.client = client
        self.id = id
        self.is_ended = False

    async def next(self):
        event = await asyncio.wait_for(self.events.get(), TIMEOUT)
        self.is_ended = getattr(event, "stream_ended", False)
        return event

    async def headers(self):
        event = await self.next()
        assert isinstance(event, HeadersReceived), event
        return {name.decode(): value.decode() for name, value in event.headers}

    async def body(self):
        body = b""
        while not self.is_ended:
            event = await self.next()
            assert isinstance(event, DataReceived), event
            body += event.data
        return body.decode()

    async def response(self):
        headers = await self.headers()
        return int(headers[":status"]), await self.body()

    def send(self, data, end_stream=False):
        self.client.http.send_data(self.id, bytes(data), end_stream)
        self.client.transmit()

    def reset(self):
        self.client._quic.reset_stream(self.id, ErrorCode.H3_REQUEST_CANCELLED)
        self.client._quic.stop_stream(self.id, ErrorCode.H3_REQUEST_CANCELLED)
        self.client.transmit()


class Socket:
    """A WebSocket on a stream, with the frames of wsproto."""

    def __init__(self, stream, extensions, subprotocol=None):
        self.stream = stream
        self.subprotocol = subprotocol
        self.wire_bytes = 0
        self.protocol = Connection(ConnectionType.CLIENT, extensions)

    def send(self, event):
        self.stream.send(self.protocol.send(event))

    def send_message(self, message):
        self.send((TextMessage if isinstance(message, str) else BytesMessage)(data=message))

    async def recv(self):
        """Returns a whole message, or another event of wsproto."""
        parts = []
        while True:
            for event in self.protocol.events():
                if not isinstance(event, (TextMessage, BytesMessage)):
                    return event
                parts.append(event.data)
                if event.message_finished:
                    return parts[0][:0].join(parts)
            received = await self.stream.next()
            assert isinstance(received, DataReceived), received
            self.wire_bytes += len(received.data)
            if received.data:
                self.protocol.receive_data(received.data)
            elif received.stream_ended:
                self.protocol.receive_data(None)

    async def echoes(self, message):
        self.send_message(message)
        echo = await self.recv()
        assert echo == message and type(echo) is type(message), f"{str(echo)[:80]} for {str(message)[:80]}"

    async def ended(self):
        """Waits for the end of the stream, which must be in order, without more data."""
        while not self.stream.is_ended:
            event = await self.stream.next()
            assert isinstance(event, DataReceived) and not event.data, event

    async def close(self, code=1000, reason=""):
        """Completes the closing handshake. Returns the code and the reason of the server."""
        self.send(CloseConnection(code=code, reason=reason))
        answer = await self.recv()
        assert isinstance(answer, CloseConnection), answer
        await self.ended()
        return answer.code, answer.reason


class Server:
    """The server, and the last line that it has printed for each path."""

    def __init__(self, process):
        self.process = process
        self.lines = {}
        self.printed = asyncio.Condition()

    async def read(self):
        async for line in self.process.stdout:
            async with self.printed:
                path, _, end = line.decode().strip().partition(" ")
                self.lines[path] = end
                self.printed.notify_all()

    async def end(self, path):
        """Waits for the end of the socket on `path`. Returns its code, cause and error."""
        async with self.printed:
            await asyncio.wait_for(self.printed.wait_for(lambda: path in self.lines), TIMEOUT)
        return self.lines[path]

    @asynccontextmanager
    async def connect(self):
        config = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE)
        async with connect("127.0.0.1", self.port, configuration=config, create_protocol=Client) as client:
            yield client


async def settings_announce_extended_connect(server):
    async with server.connect() as client:
        assert (await client.settings())[Setting.ENABLE_CONNECT_PROTOCOL] == 1


async def text_is_echoed(server):
    async with server.connect() as client:
        socket = await client.open()
        for size in (1, 64 << 10, 1 << 20):
            await socket.echoes("x" * size)
        await socket.echoes("höla 😀 " * 1000)
        assert await socket.close() == (1000, "")


async def binary_is_echoed(server):
    async with server.connect() as client:
        socket = await client.open()
        for size in (0, 1, 64 << 10, 1 << 20):
            await socket.echoes(bytes(index * 7 % 251 for index in range(size)))
        assert await socket.close() == (1000, "")


async def frame_behind_the_request_is_received(server):
    async with server.connect() as client:
        await client.settings()
        stream = client.request("CONNECT", "/", [(":protocol", "websocket"), ("sec-websocket-version", "13")])
        socket = Socket(stream, [])
        socket.send_message("before the response")
        assert (await stream.headers())[":status"] == "200"
        assert await socket.recv() == "before the response"
        await socket.close()


async def fragments_become_one_message_and_pings_are_answered_between_them(server):
    async with server.connect() as client:
        socket = await client.open()
        socket.send(TextMessage(data="one ", message_finished=False))
        socket.send(Ping(payload=b"between"))
        pong = await socket.recv()
        assert isinstance(pong, Pong) and pong.payload == b"between", pong
        socket.send(TextMessage(data="two", message_finished=True))
        assert await socket.recv() == "one two"
        await socket.close()


async def messages_are_compressed_with_context_takeover(server):
    async with server.connect() as client:
        socket = await client.open(deflate=True)
        await socket.echoes("".join(chr(33 + index * index % 89) for index in range(5000)))
        first, socket.wire_bytes = socket.wire_bytes, 0
        await socket.echoes("".join(chr(33 + index * index % 89) for index in range(5000)))
        # The second is a reference to the first.
        assert socket.wire_bytes < first < 5000, (first, socket.wire_bytes)
        await socket.echoes(b"repetitive " * 100000)
        await socket.close()


async def subprotocol_is_negotiated(server):
    async with server.connect() as client:
        socket = await client.open(headers=[("sec-websocket-protocol", "other, chat")])
        assert socket.subprotocol == "chat", socket.subprotocol
        await socket.echoes("over chat")
        await socket.close()


async def wrong_version_is_refused_with_426(server):
    async with server.connect() as client:
        await client.settings()
        status, headers, body = await client.refused([("sec-websocket-version", "12")])
        assert status == 426 and "13" in headers["sec-websocket-version"] and body, (status, headers, body)
        assert "connection" not in headers and "upgrade" not in headers, headers
        await (await client.open()).echoes("still served")


async def other_protocol_is_refused_with_400(server):
    async with server.connect() as client:
        await client.settings()
        status, headers, body = await client.refused([("sec-websocket-version", "13")], protocol="connect-udp")
        assert status == 400 and body, (status, headers, body)
        await (await client.open()).echoes("still served")


async def client_closes_with_a_code(server):
    async with server.connect() as client:
        socket = await client.open("/client-closes")
        answer = await socket.close(4000, "from the client")
        assert answer == (4000, ""), answer
        end = await server.end("/client-closes")
        assert end.startswith("Some(CloseCode(4000)) Some(Remote(") and end.endswith(" None"), end


async def server_closes_with_a_code(server):
    async with server.connect() as client:
        socket = await client.open("/close")
        close = await socket.recv()
        assert (close.code, close.reason) == (4001, "closed by the server"), close
        socket.send(close.response())
        await socket.ended()
        assert "Some(Local(" in await server.end("/close")


async def protocol_violation_is_closed_with_1002(server):
    async with server.connect() as client:
        socket = await client.open("/violation")
        # A frame that is not masked.
        socket.stream.send(FrameProtocol(client=False, extensions=[]).send_data("unmasked"))
        close = await socket.recv()
        assert isinstance(close, CloseConnection) and close.code == 1002, close
        assert "Some(Protocol(" in await server.end("/violation")


async def reset_of_the_stream_is_1006_and_spares_the_connection(server):
    async with server.connect() as client:
        other = await client.open()
        socket = await client.open("/reset")
        await socket.echoes("before")
        socket.stream.reset()
        end = await server.end("/reset")
        assert end.startswith("Some(CloseCode(1006)) Some(Reset) Some(Io(") and "H3_REQUEST_CANCELLED" in end, end
        await other.echoes("after")
        await (await client.open()).echoes("new")


async def end_of_the_stream_without_close_frame_is_1006(server):
    async with server.connect() as client:
        socket = await client.open("/fin")
        await socket.echoes("before")
        socket.stream.send(b"", end_stream=True)
        end = await server.end("/fin")
        assert end == "Some(CloseCode(1006)) Some(Ended) None", end


async def end_of_the_connection_is_1006(server):
    async with server.connect() as client:
        socket = await client.open("/gone")
        await socket.echoes("before")
    end = await server.end("/gone")
    assert end.startswith("Some(CloseCode(1006)) Some(Reset) "), end


async def sockets_share_a_connection_with_plain_requests(server):
    async with server.connect() as client:
        one, two = await asyncio.gather(client.open(), client.open())

        async def talk(socket, name):
            for index in range(100):
                await socket.echoes(f"{name} {index} " * index)

        async def gets():
            for _ in range(20):
                assert await client.get("/") == (200, "plain HTTP")

        await asyncio.gather(talk(one, "one"), talk(two, "two"), gets())
        # One is closed, the other goes on.
        assert await one.close() == (1000, "")
        await two.echoes("x" * (1 << 20))
        assert await client.get("/") == (200, "plain HTTP")
        await two.close()


async def socket_that_is_not_read_waits_alone_and_loses_nothing(server):
    async with server.connect() as client:
        held, other = await asyncio.gather(client.open(), client.open())
        client.held.add(held.stream.id)
        message = bytes(index * 7 % 251 for index in range(4 << 20))
        held.send_message(message)
        held.send_message("behind it")
        for _ in range(3):
            await other.echoes("x" * (1 << 20))
        # The rest of the echo waits in the server.
        received = client.received[held.stream.id]
        assert 0 < received <= client._quic.configuration.max_stream_data, received
        client.held.clear()
        client.transmit()
        assert await held.recv() == message
        assert await held.recv() == "behind it"
        await asyncio.gather(held.close(), other.close())


CASES = [
    settings_announce_extended_connect,
    text_is_echoed,
    binary_is_echoed,
    frame_behind_the_request_is_received,
    fragments_become_one_message_and_pings_are_answered_between_them,
    messages_are_compressed_with_context_takeover,
    subprotocol_is_negotiated,
    wrong_version_is_refused_with_426,
    other_protocol_is_refused_with_400,
    client_closes_with_a_code,
    server_closes_with_a_code,
    protocol_violation_is_closed_with_1002,
    reset_of_the_stream_is_1006_and_spares_the_connection,
    end_of_the_stream_without_close_frame_is_1006,
    end_of_the_connection_is_1006,
    sockets_share_a_connection_with_plain_requests,
    socket_that_is_not_read_waits_alone_and_loses_nothing,
]


async def main(program):
    process = await asyncio.create_subprocess_exec(program, stdout=asyncio.subprocess.PIPE)
    server = Server(process)
    server.port = int(await process.stdout.readline())
    reading = asyncio.create_task(server.read())
    failed = 0
    for case in CASES:
        name = case.__name__.replace("_", " ")
        try:
            await case(server)
        except Exception:
            failed += 1
            print("FAILED", name)
            traceback.print_exc()
    process.kill()
    await reading
    await process.wait()
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1])))
