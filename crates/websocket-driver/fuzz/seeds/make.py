#!/usr/bin/env python3
"""Generates the seeds in this folder: conversations of the tests, encoded as inputs of the targets.

`arbitrary` reads the fields of an input in order.
"""

import struct
import zlib
from pathlib import Path

MASK = b"\x37\xfa\x21\x3d"


NO_EDITS = b"\x00"


def short(data):
    return bytes([len(data)]) + data


def long(length, piece):
    return struct.pack("<H", length - len(piece)) + short(piece)


def raw(data):
    return b"\x00" + short(data)


def frame(first, data=b"", mask=MASK):
    return b"\x01" + bytes([first]) + mask + short(data)


def large(first, length, piece):
    return b"\x02" + bytes([first]) + MASK + long(length, piece)


def stored(first, data):
    return b"\x03" + bytes([first]) + MASK + short(data)


def deflated(first, data):
    """A frame whose payload is compressed (RFC 7692 §7.2.1)."""
    deflate = zlib.compressobj(wbits=-15)
    return frame(first, (deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff"))


def wrongly_masked(first, data):
    return b"\x04" + bytes([first]) + MASK + short(data)


def hixie_text(text):
    return b"\x05\x00" + long(len(text), text)


def hixie_skipped(kind, zeros, data):
    return b"\x06" + bytes([kind, zeros]) + long(len(data), data)


def options(message=255, frame=255, fragments=255, output=255, frames=0, controls=0, close=0, write=0, idle=0, end=0):
    """Encodes sizes in bytes, from 128 in KiB above 127; and rates as the limit plus one."""
    return bytes([message, frame, fragments, output, frames, controls, close, write, idle, end])


def cut(*sizes, buffer=0):
    return bytes([*sizes, *[0] * (4 - len(sizes)), buffer])


def manner(pieces=0, *fragments):
    return bytes([pieces, *fragments, *[0] * (2 - len(fragments))])


def frames(*sent):
    return b"".join(b"\x01" + one for one in sent)


def edit(at, cut, times, insert):
    return b"\x01" + struct.pack("<HBB", at, cut, times) + short(insert)


def tagged(index, count):
    """Encodes the variant of an enum."""
    return struct.pack("<I", -(-(index << 32) // count))


def sent(*steps):
    """Encodes the steps of `output`, each a variant and its fields."""
    return b"".join(b"\x01" + tagged(step[0], 10) + bytes(step[1:]) for step in steps)


def either(version, *, given=0, deflate=0, fresh=0, early=0, options=options(), cuts, edits=NO_EDITS, frames):
    """Encodes an input of `differential`; each of the two cuts has `None` or a way to read a batch, and may have a manner."""
    steps = bytes([255, 0, 1, 1, 2, 6, 1, 8])
    cuts = [(*run, manner())[:3] for run in cuts]
    ways = b"".join(cut + (b"\x00" if way is None else b"\x01" + tagged(way, 3)) + manner for cut, way, manner in cuts)
    return bytes([version, given, deflate, fresh, early]) + options + steps + ways + edits + frames


HELLO = frame(0x81, b"Hello")
EURO = "€".encode()
# RFC 6455 §5.7, and the topics of Autobahn's cases 1, 2, 5, 6 and 7.
TALK = frames(HELLO, frame(0x82, bytes(range(60))), frame(0x81), large(0x81, 180, EURO), frame(0x88, b"\x03\xe8bye"))
FRAGMENTS = frames(frame(0x01, EURO[:2]), frame(0x89, b"1"), frame(0x00, EURO[2:]), frame(0x8A, b"2"), frame(0x80), HELLO)
LARGE = frames(large(0x82, 0x10000, b"\xff\x00"), HELLO, large(0x81, 0xFFFF, b"abc"), *[frame(0x89, b"ping")] * 3, HELLO)
# A payload that looks like a frame, and a message inside another one.
NESTED = frames(frame(0x82, b"\x81\x81" + MASK + b"7", bytes(4)), frame(0x81, b"\x81\x80" + bytes(4), bytes(4)), HELLO)
INSIDE = frames(HELLO, frame(0x01, b"Hel"), HELLO, frame(0x80, b"lo"))
NOT_UTF8 = frames(HELLO, frame(0x81, EURO[:2]), HELLO)
NOT_UTF8_LONG = frames(large(0x81, 60, b"abc"), large(0x81, 62, EURO), HELLO)
WRONG = frames(HELLO, wrongly_masked(0x81, b"Hello"), raw(b"\x81\xfe\x00\x05"))
COMPRESSED = frames(stored(0xC1, b"Hello"), frame(0xC1, bytes.fromhex("f248cdc9c90700")), HELLO, stored(0xC2, b"\xff"))
INFLATED = frames(deflated(0xC2, bytes(100_000)), HELLO, deflated(0x41, b"x" * 70_000), frame(0x80))
PINGS = frames(HELLO, *[frame(0x89, b"ping")] * 3)
HIXIE = frames(hixie_text(b"Hello!"), hixie_skipped(0x81, 3, b"skipped!"), hixie_text(EURO * 2), raw(b"\xff\x00"), HELLO)

SEEDS = {
    "batch": {
        "talk": options(write=3) + cut() + bytes([255, 0, 1, 1, 2, 6, 1, 8]) + TALK,
        "fragments": options(close=3) + cut(1, 7) + bytes([255, 0, 1, 1, 2, 6, 1, 8]) + FRAGMENTS,
        "large": options(output=129, write=1) + cut(255, 130) + bytes([1, 8, 9, 1, 1, 4, 255, 0]) + LARGE,
        "not_utf8": options() + cut(20, buffer=1) + bytes([255, 0] * 4) + NOT_UTF8,
        "not_utf8_long": options() + cut(buffer=2) + bytes([2, 255] * 4) + NOT_UTF8_LONG,
        "too_big": options(message=40) + cut(9) + bytes([1, 1] * 4) + TALK,
        "nested": options() + cut(1) + bytes([1, 0] * 4) + NESTED,
        "inside": options() + cut(30) + bytes([9, 0] * 4) + INSIDE,
    },
    "client": {
        "talk": b"\x00" + options() + cut(3) + b"\x00" + NO_EDITS + b"\x01" + NO_EDITS + TALK,
        "compressed": b"\x01" + options() + cut(3) + b"\x00" + NO_EDITS + b"\x02" + NO_EDITS + COMPRESSED,
        "proxy": b"\x01" + options() + cut(60, 5) + b"\x01" + NO_EDITS + b"\x03" + NO_EDITS + FRAGMENTS,
        "early_hints": b"\x00" + options() + cut(60, 5) + b"\x02" + NO_EDITS + b"\x04" + NO_EDITS + LARGE,
        "refused": b"\x00" + options() + cut(11) + b"\x00" + NO_EDITS + b"\x05" + edit(17, 0, 255, b"X: y\r\n"),
        "chunked": b"\x00" + options() + cut(11) + b"\x00" + NO_EDITS + b"\x06" + NO_EDITS + WRONG,
        "no_tunnel": b"\x00" + options() + cut(11) + b"\x03" + NO_EDITS + b"\x01" + NO_EDITS,
        "http2": b"\x00" + options() + cut(1) + b"\x00" + NO_EDITS + b"\x00" + NO_EDITS + frames(raw(b"\x00\x00\x12\x04\x00")),
    },
    "differential": {
        **{
            f"version{version}": either(version, given=given, cuts=[(cut(), None), (cut(1, buffer=3), 1)], frames=sent)
            for version, given, sent in [(0, 1, HIXIE), (1, 0, HIXIE), (2, 0, FRAGMENTS), (3, 1, TALK), (4, 0, TALK), (5, 0, TALK)]
        },
        "batch": either(4, options=options(write=3), cuts=[(cut(255, buffer=1), 0), (cut(130), 2)], frames=LARGE),
        "compressed": either(4, deflate=1, cuts=[(cut(buffer=3), None), (cut(7, buffer=2), None)], frames=COMPRESSED),
        "client": either(5, deflate=1, fresh=1, early=1, cuts=[(cut(), None), (cut(1), None)], frames=COMPRESSED),
        "pieces": either(4, cuts=[(cut(), None), (cut(1), None, manner(255))], frames=FRAGMENTS),
        "pieces_large": either(3, cuts=[(cut(255), 1), (cut(130), 2, manner(0b0110_1101))], frames=LARGE),
        "pieces_compressed": either(4, deflate=1, cuts=[(cut(), None, manner(255)), (cut(3), 0)], frames=COMPRESSED),
        "pieces_inflated": either(4, deflate=1, cuts=[(cut(), None, manner(255)), (cut(40), 1)], frames=INFLATED),
        "idle": either(4, deflate=1, options=options(idle=1), cuts=[(cut(), None), (cut(7), 1)], frames=INFLATED),
        "idle_pieces": either(5, deflate=1, options=options(idle=1), cuts=[(cut(), None, manner(0, 2, 4)), (cut(9), None, manner(255, 2))], frames=TALK),
        "pieces_client": either(5, cuts=[(cut(3), None, manner(255)), (cut(50), 2, manner(0b0101))], frames=TALK),
        "fragments": either(4, options=options(write=2), cuts=[(cut(), None, manner(0, 3)), (cut(1), 1, manner(255, 9, 2))], frames=LARGE),
        "fragments_compressed": either(4, deflate=1, cuts=[(cut(), None, manner(0, 2, 7)), (cut(9), None)], frames=TALK),
        "fragments_client": either(5, deflate=1, early=1, cuts=[(cut(), None, manner(0, 1)), (cut(), 0, manner(9, 130))], frames=TALK),
        "fragments_closing": either(4, options=options(output=2, close=5), cuts=[(cut(), None, manner(0, 1, 2)), (cut(7), None)], frames=TALK),
        "rates": either(4, options=options(frames=4, controls=2), cuts=[(cut(), None), (cut(), 2)], frames=PINGS),
    },
    "head": {
        **{
            f"head{number}": b"\x01\xff\xff\x64" + options() + cut(50) + bytes([number]) + NO_EDITS + sent
            for number, sent in enumerate([frames(raw(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n")), TALK, COMPRESSED, TALK, HIXIE, HIXIE, b""])
        },
        "many": b"\x01\xff\xff\x64" + options() + cut(50) + b"\x01" + edit(20, 0, 255, b"X: y\r\n"),
        "too_large": b"\x01\x00\x02\x64" + options() + cut(50) + b"\x01" + edit(4, 1, 255, b"/x/%20"),
    },
    "hixie": {
        "hixie75": b"\x00\x01\x00" + options() + cut(40) + HIXIE,
        "hixie76": b"\x01\x01\x08" + options() + cut(100, 2) + HIXIE,
        "hixie76_closing": b"\x01\x00\x08" + options(close=2) + cut(100, 2) + HIXIE,
        "hixie76_no_body": b"\x01\x01\x07" + options() + cut(),
        "hybi7": b"\x02\x00\x00" + options() + cut(40) + FRAGMENTS,
        "hybi8": b"\x03\x01\x00" + options(message=60) + cut(40) + TALK,
        "too_big": b"\x00\x00\x00" + options(frame=6) + cut(3) + HIXIE,
    },
    "output": {
        "overtaken": b"\x00\x01\xff" + tagged(3, 4) + sent((0, 0, 1, 60), (0, 2, 0, 2), (4, 100), (1, 5), (3, 7), (3, 8), (4, 140), (2, 9), (6,)),
        "masked": b"\x01\x00\xff" + tagged(0, 4) + sent((0, 3, 1, 30), (0, 0, 0, 30), (5, 2, 130), (1, 5), (3, 7), (5, 8, 200)),
        "full": b"\x00\x00\x0a" + tagged(1, 4) + sent((7, 130), (0, 0, 1, 0), *[(0, 1, 1, 9)] * 9, (1, 0), (4, 10), (3, 125), (6,), (8,)),
        "closing": b"\x01\x01\xff" + tagged(2, 4) + sent((0, 0, 1, 250), (3, 4), (9,), (1, 4), (3, 4), (0, 0, 1, 1)),
    },
    "server": {
        "talk": b"\x00" + options() + cut(3) + TALK,
        "fragments": b"\x01" + options() + cut(1) + FRAGMENTS,
        "compressed": b"\x00" + options() + cut(1) + COMPRESSED,
        "large": b"\x00" + options(output=129, write=2) + cut(255) + LARGE,
        "too_big": b"\x00" + options(message=2) + cut(4) + FRAGMENTS,
        "too_many": b"\x00" + options(fragments=2) + cut(4) + FRAGMENTS,
    },
}

for target, seeds in SEEDS.items():
    directory = Path(__file__).parent / target
    directory.mkdir(exist_ok=True)
    for name, seed in seeds.items():
        (directory / name).write_bytes(seed)
