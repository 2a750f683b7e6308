"""An echo server made with Python's `websockets`: server.py [options]

The path of a request selects the server's behaviour; see README.md. Prints the port it listens on,
then a line of JSON for each WebSocket that has ended.
"""

import argparse
import asyncio
import http
import json
import ssl
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, basic_auth, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

authenticate = basic_auth(realm="echo", credentials=("Aladdin", "öpen sesame"))


class Counting(ServerConnection):
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


def refusal(connection, status, header, value):
    response = connection.respond(http.HTTPStatus(status), "no WebSocket here\n")
    response.headers[header] = value
    return response


async def before_upgrade(connection, request):
    match urlsplit(request.path).path:
        case "/private":
            return await authenticate(connection, request)
        case "/moved":
            return refusal(connection, 302, "Location", "wss://moved.example/there")
        case "/busy":
            return refusal(connection, 503, "Retry-After", "10")
        case "/token":
            # The header of the client's option --header.
            return None if request.headers.get("X-Token") == "sesame" else refusal(connection, 403, "X-Wants", "X-Token")


async def echo(connection, message, path, query):
    match path:
        case "/ping":
            await (await connection.ping())
            await connection.send(message)
        case "/fragments":
            # Splits text within characters.
            data = message.encode() if isinstance(message, str) else message
            await connection.send([data[at : at + 1000] for at in range(0, len(data), 1000)], text=isinstance(message, str))
        case "/close":
            await connection.close(int(query["code"][0]), query.get("reason", [""])[0])
        case "/abort":
            connection.transport.abort()
        case "/another":
            await connection.send(message + message)
        case _:
            await connection.send(message)


async def handle(connection):
    url = urlsplit(connection.request.path)
    before = connection.received, connection.sent
    messages = size = 0
    try:
        async for message in connection:
            messages += 1
            size += len(message.encode() if isinstance(message, str) else message)
            await echo(connection, message, url.path, parse_qs(url.query))
    except ConnectionClosed:
        pass
    await connection.wait_closed()
    headers = connection.request.headers
    about = {
        "path": connection.request.path,
        "headers": {name.lower(): headers.get_all(name) for name in headers},
        "messages": messages,
        "size": size,
        "received": connection.received - before[0],
        "sent": connection.sent - before[1],
        "code": connection.close_code,
    }
    print(json.dumps(about), flush=True)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--no-context-takeover", action="store_true", help="for both sides")
    parser.add_argument("--window-bits", type=int, help="for both sides")
    parser.add_argument("--protocols", type=lambda names: names.split(","))
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--tls", choices=["1.2", "1.3"], help="this version only")
    return parser.parse_args()


def tls(options):
    if not options.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    if options.tls:
        context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{options.tls}".replace(".", "_")]
    return context


async def main():
    options = parse_options()
    deflate = ServerPerMessageDeflateFactory(
        server_no_context_takeover=options.no_context_takeover,
        client_no_context_takeover=options.no_context_takeover,
        server_max_window_bits=options.window_bits,
        client_max_window_bits=options.window_bits,
    )
    server = await serve(
        handle,
        "127.0.0.1",
        0,
        process_request=before_upgrade,
        compression=None,
        extensions=[deflate] if options.deflate else [],
        subprotocols=options.protocols,
        # By default, `serve` rejects a client that offers only unknown subprotocols.
        select_subprotocol=lambda _, offered: next((name for name in options.protocols or [] if name in offered), None),
        create_connection=Counting,
        max_size=None,
        ssl=tls(options),
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
