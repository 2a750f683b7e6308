"""Tests the example echo_client against other servers: echo_client.py PROGRAM CERTIFICATES LOGS

CERTIFICATES is a folder created by `certificates`. Prints the failed cases, then "N passed, N failed".
"""

import contextlib
import json
import os
import pathlib
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

import proxy

HERE = pathlib.Path(__file__).parent
PROGRAM, CERTIFICATES, LOGS = map(pathlib.Path, sys.argv[1:])
MEBIBYTE = 1 << 20
STACKS = {"websockets": [sys.executable, HERE / "server.py"], "ws": ["node", HERE / "server.js"]}
# The least window of zlib has 9 bits, but `ws` also negotiates 8.
WINDOWS = {"websockets": (9, 12), "ws": (8, 9, 12)}
# One of these is part of every secret, correct or wrong. The client must not print them.
SECRETS = ("sesame", "barley")
TRUSTING = ("--ca", CERTIFICATES / "authority.pem")
# The invalid certificates, with the error text that must be reported for this one only.
FAULTS = {
    "untrusted": "UnknownIssuer",
    "selfsigned": "UnknownIssuer",
    "elsewhere": "certificate not valid for name",
    "expired": "certificate expired",
    "early": "certificate not valid yet",
}


class Server:
    """A server process. It prints its port, and a line for each WebSocket that has ended."""

    def __init__(self, stack, name, *options, certificate=None):
        self.scheme = "wss" if certificate else "ws"
        if certificate:
            options += ("--cert", CERTIFICATES / f"{certificate}.pem", "--key", CERTIFICATES / f"{certificate}.key")
        with open(LOGS / f"client-{stack}-{name}.server", "w") as log:
            self.process = subprocess.Popen([*STACKS[stack], *options], stdout=subprocess.PIPE, stderr=log, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def wait_for_port(self):
        self.port = self.lines.get(timeout=20)

    def url(self, path="/", host="localhost", user="", scheme=None):
        return f"{scheme or self.scheme}://{user}{host}:{self.port}{path}"

    def connection(self):
        try:
            return self.lines.get(timeout=2)
        except queue.Empty:
            raise AssertionError("the server reported no WebSocket") from None

    def forget(self):
        with contextlib.suppress(queue.Empty):
            while True:
                self.lines.get_nowait()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Sent(NamedTuple):
    """What the client sends: its options, the number of messages and their total size."""

    options: list
    count: int
    size: int


def text(content, count=1):
    return Sent(["--text", content, "--count", str(count)], count, count * len(content.encode()))


def words(size, count=1):
    """Text of this many bytes, with characters of one to four bytes."""
    data = "message größer € \U0001f600 ".encode() * (size // 20 + 1)
    content = data[:size].decode(errors="ignore")
    return text(content + "." * (size - len(content.encode())), count)


def noise(size, count):
    """Text that compresses to about half its size."""
    return text(random.Random(1).randbytes(size // 2).hex(), count)


def binary(size, count=1):
    return Sent(["--binary-size", str(size), "--count", str(count)], count, count * size)


HELLO = text("hello")
LENGTHS = (125, 126, 65_535, 65_536)
LARGE = {"1 MiB": binary(MEBIBYTE, 3), "100,000 bytes of text": words(100_000), "1000 messages": words(100, 1000)}
MESSAGES = {
    "no bytes": binary(0, 3),
    "no text": text("", 3),
    "UTF-8": text("Grüße, 日本語, \U0001f600", 3),
    **{f"text of {length} bytes": words(length, 3) for length in LENGTHS},
    **{f"{length} bytes": binary(length, 3) for length in LENGTHS},
    **LARGE,
}


def client(url, *options, **environment):
    # Without the user's own root certificates and proxies.
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    variables = {name: value for name, value in os.environ.items() if name.upper() not in names}
    done = subprocess.run(
        [PROGRAM, url, *options], env={**variables, **environment}, capture_output=True, text=True, timeout=20
    )
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS), "the client printed a secret"
    return done


# --- expected results --------------------------------------------------------------


def echoes(server, *options, sent=HELLO, path="/", agreed=None, extension=(), squeezed=None, url=None, **environment):
    """Checks the echoes and the bytes on the wire. Returns the server's report."""
    done = client(url or server.url(path), *options, *sent.options, **environment)
    assert (done.returncode, done.stderr) == (0, ""), f"status {done.returncode}: {done.stderr}"
    connected, echoed, _ = done.stdout.splitlines()
    head, _, extensions = connected.partition(", extensions ")
    assert head == f"connected: hybi-13, subprotocol {agreed or 'none'}", connected
    told = set() if extensions == "none" else {part.strip() for part in extensions.split(";")}
    assert told == set(extension), f"negotiated {extensions}"
    assert echoed == f"{sent.count} of {sent.count} echoed", echoed
    seen = server.connection()
    facts = {"path": path, "messages": sent.count, "size": sent.size, "code": 1000}
    assert {name: seen[name] for name in facts} == facts, f"the server saw {seen}"
    for way in ("received", "sent"):
        told = f"the server {way} {seen[way]} bytes for {sent.size}"
        assert squeezed is not False or seen[way] >= sent.size, told
        # A short message may not compress by itself.
        assert not squeezed or seen[way] < 0.6 * sent.size or sent.size < 1000 * sent.count, told
    return seen


def keeps_context(echoes_, keeps):
    """Checks in both directions that a repeated message is small only if the context is kept."""
    sent = noise(2000, 10)
    seen = echoes_(sent=sent)
    for way in ("received", "sent"):
        is_kept = seen[way] < sent.size / 5
        assert is_kept == keeps, f"the server {way} {seen[way]} bytes for {sent.size}"


def sees(server, headers, *options, **facts):
    """Checks the request headers that the server receives, with all values."""
    seen = echoes(server, *options, **facts)["headers"]
    for name, values in headers.items():
        assert seen.get(name) == values, f"{name}: {seen.get(name)}"


def refused(url, *options, says, never=(), **environment):
    """Checks that the client fails to connect, with this error."""
    done = client(url, *options, **environment)
    assert done.returncode == 1, f"status {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stdout == "", done.stdout
    [line] = done.stderr.splitlines()
    for words_ in [says] if isinstance(says, str) else says:
        assert words_ in line, f"{line!r} without {words_!r}"
    for words_ in never:
        assert words_ not in line, f"{line!r} with {words_!r}"


def distrusted(certificate, url, *options, **environment):
    says = FAULTS[certificate]
    never = set(FAULTS.values()) - {says}
    refused(url, *options, says=["TLS with ", " failed: invalid peer certificate: ", says], never=never, **environment)


def ends(server, path, says):
    """Checks that the client connects, but receives no echo."""
    done = client(server.url(path))
    assert done.returncode == 1, f"status {done.returncode}: {done.stdout}"
    assert done.stdout.splitlines()[1:] == ["0 of 1 echoed"], done.stdout
    assert says in done.stderr, done.stderr
    seen = server.connection()
    assert (seen["path"], seen["messages"]) == (path, 1), f"the server saw {seen}"


def tunnelled(squid, status, destination, user, case):
    """Runs the case and checks the only request to the proxy."""
    squid.tunnels()
    case()
    asked = squid.tunnel()
    assert asked == (status, destination, user), f"the proxy's log has {asked}"


# --- the cases -------------------------------------------------------------------


def plain(server, nobody):
    """Cases for a server without compression that supports the subprotocols chat and superchat."""
    for name, sent in MESSAGES.items():
        yield name, partial(echoes, server, sent=sent, squeezed=False)
    yield "deflate declined", partial(echoes, server, "--deflate", sent=words(1000), squeezed=False)
    for offered, agreed in [("chat", "chat"), ("superchat,chat", "chat"), ("v1,superchat", "superchat"), ("v1,v2", None)]:
        headers = {"sec-websocket-protocol": [offered.replace(",", ", ")]}
        yield f"offering {offered}", partial(sees, server, headers, "--protocols", offered, agreed=agreed)

    url = server.url
    token = ("--header", "X-Token: sesame")
    yield "a header", partial(sees, server, {"x-token": ["sesame"]}, *token, path="/token?a=b%20c")
    two = ("--header", "X-Two: 1", "--header", "Origin:https://example.com", "--header", "x-two:2")
    yield "headers", partial(sees, server, {"x-two": ["1", "2"], "origin": ["https://example.com"]}, *two)
    yield "the host", partial(sees, server, {"host": [f"localhost:{server.port}"], "authorization": None})
    yield "no header", partial(refused, url("/token"), says="403 Forbidden")
    credentials = f"Aladdin:{quote('öpen sesame')}@"
    yield "a password", partial(echoes, server, path="/private", url=url("/private", user=credentials))
    challenge = ("401 Unauthorized", 'WWW-Authenticate: Basic realm="echo"')
    for name, user in [("no password", ""), ("a wrong password", "Aladdin:barley@"), ("an empty one", "Aladdin@")]:
        yield name, partial(refused, url("/private", user=user), says=challenge)
    yield "a redirection", partial(refused, url("/moved"), says=("302 Found", "wss://moved.example/there"))
    yield "a busy server", partial(refused, url("/busy"), says="503 Service Unavailable")
    yield "no listener", partial(refused, f"ws://localhost:{nobody}/", says=f"cannot connect to localhost:{nobody}: ")
    yield "wss: to a ws: server", partial(refused, url(scheme="wss"), *TRUSTING, says="TLS with localhost failed: ")

    for name in ["ping", "fragments"]:
        yield name, partial(echoes, server, sent=words(10_000, 3), path=f"/{name}")
        yield f"{name}, binary", partial(echoes, server, sent=binary(100_000, 3), path=f"/{name}")
    for code, reason in [(1000, ""), (1001, "bye"), (1011, "out of order"), (4000, "größer"), (3999, "x" * 123)]:
        path = f"/close?code={code}&reason={quote(reason)}"
        says = f'the server closed: Some(CloseFrame {{ code: CloseCode({code}), reason: "{reason}" }})'
        yield f"closed with {code}", partial(ends, server, path, says)
    yield "cut off", partial(ends, server, "/abort", "CloseCode(1006)")
    yield "another message", partial(ends, server, "/another", "echo differs from the sent message")


def deflated(server, parameters, keeps=True, window=15):
    """Cases for a server with compression that negotiates these parameters."""
    echoes_ = partial(echoes, server, "--deflate", extension={"permessage-deflate", *parameters})
    for name, sent in MESSAGES.items():
        # zlib does not compress with a window of 256 bytes. The binary messages repeat after 251
        # bytes, which it does not find in a window of 512 bytes.
        finds_nothing = window == 8 or window == 9 and "--binary-size" in sent.options
        yield name, partial(echoes_, sent=sent, squeezed=None if finds_nothing else True)
    yield "not offered", partial(echoes, server, sent=words(1000), squeezed=False)
    yield "fragments", partial(echoes_, sent=words(10_000, 3), path="/fragments")
    yield "ping", partial(echoes_, sent=words(10_000, 3), path="/ping")
    if window >= 12:
        yield "context", partial(keeps_context, echoes_, keeps)


def secure(server):
    """Cases for a server with a valid certificate, compression and the subprotocol chat."""
    for name, sent in LARGE.items():
        yield name, partial(echoes, server, *TRUSTING, sent=sent, squeezed=False)
    options = ("--deflate", "--protocols", "v1,chat")
    everything = partial(echoes, server, *options, agreed="chat", extension={"permessage-deflate"})
    for name, sent in MESSAGES.items():
        yield f"{name}, compressed", partial(everything, *TRUSTING, sent=sent, squeezed=True)
    yield "by IP address", partial(echoes, server, *TRUSTING, url=server.url(host="127.0.0.1"))
    yield "without verification", partial(echoes, server, "--insecure")
    yield "trusted by the system's roots", partial(echoes, server, SSL_CERT_FILE=str(TRUSTING[1]))
    stranger = CERTIFICATES / "stranger.pem"
    yield "another authority", partial(distrusted, "untrusted", server.url(), "--ca", stranger)
    yield "unknown to the system's roots", partial(distrusted, "untrusted", server.url(), SSL_CERT_FILE=str(stranger))
    yield "ws: to a wss: server", partial(refused, server.url(scheme="ws"), says="connection closed without a response")


def distrust(server, certificate):
    for host in ("localhost", "127.0.0.1"):
        yield f"at {host}", partial(distrusted, certificate, server.url(host=host), *TRUSTING)
    yield "without verification", partial(echoes, server, "--insecure")
    if certificate == "selfsigned":
        yield "trusted as its own authority", partial(echoes, server, "--ca", CERTIFICATES / "selfsigned.pem")


def through_proxy(squid, servers, nobody):
    def via(user, port=squid.port):
        return ("--proxy", f"http://{user}127.0.0.1:{port}")

    def through(status, destination, user, case, *args, **kwargs):
        return partial(tunnelled, squid, status, destination, user, partial(case, *args, **kwargs))

    password = f"{proxy.USER}:{quote(proxy.PASSWORD, safe='')}@"
    granted, denied = "200", "407"
    for name, options in [("plain", ()), ("secure", TRUSTING)]:
        server = servers[name]
        scheme, there = server.scheme, f"localhost:{server.port}"
        opens = partial(through, granted, there, proxy.USER)
        for case, sent in {"hello": HELLO, **LARGE}.items():
            yield f"{scheme}: {case}", opens(echoes, server, *options, *via(password), sent=sent)
        credentials = f"Aladdin:{quote('öpen sesame')}@"
        url = server.url("/private", user=credentials)
        yield f"{scheme}: two passwords", opens(
            sees, server, {"proxy-authorization": None}, *options, *via(password), path="/private", url=url
        )
        yield f"{scheme}: a password for the proxy only", opens(
            sees, server, {"proxy-authorization": None, "authorization": None}, *options, *via(password)
        )
        yield f"{scheme}: a password for the server only", through(
            denied, there, "-", refused, url, *options, *via(""), says=("407", 'Basic realm="tunnels"')
        )
        yield f"{scheme}: refused by the server", opens(
            refused, server.url("/private"), *options, *via(password), says="handshake answered with 401"
        )
        for case, user, told in [("no password", "", "-"), ("a wrong password", f"{proxy.USER}:barley@", proxy.USER)]:
            says = ("proxy authentication required: 407", 'Basic realm="tunnels"')
            yield f"{scheme}: {case}", through(denied, there, told, refused, server.url(), *options, *via(user), says=says)
        yield f"{scheme}: no listener", through(
            "503", f"127.0.0.1:{nobody}", proxy.USER, refused, f"{scheme}://127.0.0.1:{nobody}/",
            *options, *via(password), says="proxy refused the tunnel: 503 Service Unavailable",
        )
        yield f"{scheme}: a forbidden destination", through(
            "403", f"{proxy.FORBIDDEN}:8080", "-", refused, f"{scheme}://{proxy.FORBIDDEN}:8080/",
            *options, *via(password), says="proxy refused the tunnel: 403 Forbidden",
        )
    deflate = servers["deflate"]
    yield "ws: compressed", through(
        granted, f"localhost:{deflate.port}", proxy.USER, echoes, deflate, "--deflate", *via(password),
        sent=LARGE["1 MiB"], extension={"permessage-deflate"}, squeezed=True,
    )
    for certificate in FAULTS:
        server = servers[certificate]
        yield f"wss: {certificate}", through(
            granted, f"localhost:{server.port}", proxy.USER, distrusted, certificate, server.url(), *TRUSTING, *via(password)
        )
    url = servers["plain"].url()
    yield "no listener for the proxy", partial(refused, url, *via(password, nobody), says=f"cannot connect to 127.0.0.1:{nobody}: ")
    yield "a proxy that is no proxy", partial(refused, url, *via(password, servers["plain"].port), says="proxy ")


def quiet(server):
    """Checks that the server still runs and that no rejected client has connected."""
    assert server.process.poll() is None, "the server has exited"
    assert server.lines.empty(), f"unexpected WebSocket: {server.lines.get()}"


def start(stack, until_end):
    chat = ("--protocols", "chat,superchat")
    servers = {
        "plain": Server(stack, "plain", *chat),
        "deflate": Server(stack, "deflate", "--deflate"),
        "fresh": Server(stack, "fresh", "--deflate", "--no-context-takeover"),
        "secure": Server(stack, "secure", "--deflate", *chat, certificate="good"),
        "secure-1.2": Server(stack, "secure-1.2", "--deflate", *chat, "--tls", "1.2", certificate="good"),
        **{f"window-{bits}": Server(stack, f"window-{bits}", "--deflate", "--window-bits", str(bits)) for bits in WINDOWS[stack]},
        **{name: Server(stack, name, certificate=name) for name in FAULTS},
    }
    for server in servers.values():
        until_end.callback(server.stop)
    for server in servers.values():
        server.wait_for_port()
    return servers


def cases(stack, servers, squid, nobody):
    def of(name, these):
        return ((f"{name}: {case}", run) for case, run in these)

    yield from of("plain", plain(servers["plain"], nobody))
    yield from of("deflate", deflated(servers["deflate"], ()))
    fresh = {"server_no_context_takeover", "client_no_context_takeover"}
    yield from of("fresh", deflated(servers["fresh"], fresh, keeps=False))
    for bits in WINDOWS[stack]:
        parameters = {f"server_max_window_bits={bits}", f"client_max_window_bits={bits}"}
        yield from of(f"window of {bits}", deflated(servers[f"window-{bits}"], parameters, window=bits))
    for name in ("secure", "secure-1.2"):
        yield from of(name, secure(servers[name]))
    for name in FAULTS:
        yield from of(name, distrust(servers[name], name))
    yield from of("proxy", through_proxy(squid, servers, nobody))
    yield from of("afterwards", ((name, partial(quiet, server)) for name, server in servers.items()))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    with contextlib.ExitStack() as until_end:
        squid = proxy.Proxy(LOGS)
        until_end.callback(squid.stop)
        squid.start()
        # Bound without listening, so that no other program gets this port.
        nobody = until_end.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))
        for stack in STACKS:
            servers = start(stack, until_end)
            for name, run in cases(stack, servers, squid, nobody.getsockname()[1]):
                try:
                    run()
                    passed += 1
                except Exception as error:
                    failed += 1
                    told = str(error).strip()[:300]
                    print(f"FAILED echo_client with {stack}: {name}: {type(error).__name__}: {told}")
                    # Late reports of a failed case must not reach the next one.
                    time.sleep(0.5)
                    for server in servers.values():
                        server.forget()
    print(f"{passed} passed, {failed} failed")


main()
