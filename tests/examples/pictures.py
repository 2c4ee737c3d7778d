# SPDX-License-Identifier: BSL-1.0
"""PNG files for the tests of examples."""
import struct
import zlib


def png(path, height, width, pixel):
    """pixel(row, column): three bytes."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"".join(bytes(pixel(y, x)) for x in range(width)) for y in range(height))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return path


def jpeg(path, height, width, block):
    """A JPEG of flat blocks of 8x8 pixels. block(row, column): brightness and two colour differences, 0 to 255."""
    def segment(marker, data):
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    lengths = [0, 1, 5, 1, 1, 1, 1, 1, 1] + [0] * 7  # Huffman codes of the sizes 0 to 11 of a difference
    codes, code, size = {}, 0, 0
    for bits, count in enumerate(lengths, 1):
        for _ in range(count):
            codes[size] = format(code, f"0{bits}b")
            code, size = code + 1, size + 1
        code *= 2
    stream, before = [], [0, 0, 0]
    for y in range((height + 7) // 8):
        for x in range((width + 7) // 8):
            for c, value in enumerate(block(y, x)):
                difference = 8 * (value - 128) - before[c]
                before[c] += difference
                size = abs(difference).bit_length()
                stream.append(codes[size])
                if size:
                    stream.append(format(difference if difference > 0 else difference + 2 ** size - 1, f"0{size}b"))
                stream.append("0")  # no other coefficients
    bits = "".join(stream)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\xff\xd8" + segment(0xDB, bytes([0] + [1] * 64)) +
        segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + bytes([1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0])) +
        segment(0xC4, bytes([0, *lengths, *range(12)])) + segment(0xC4, bytes([0x10, 1] + [0] * 15 + [0])) +
        segment(0xDA, bytes([3, 1, 0, 2, 0, 3, 0, 0, 63, 0])) + scan + b"\xff\xd9")
    return path
