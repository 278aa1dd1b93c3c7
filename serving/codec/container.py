"""The format of compressed files: a header, a payload, and a checksum over both.

  bytes
  0-3     magic
  4       format version
  5       0 = color, 1 = gray
  6-7     width in pixels
  8-9     height
  10-13   length of the payload
  14-21   identifier of the model, without whose weights the payload means nothing
  22-29   the first 8 bytes of the SHA-256 of bytes 0-21 and the payload
  30-     payload

Numbers are little-endian.
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct

SUFFIX = ".fmc"
MAGIC = b"\xf0fmc"  # not ASCII, so that no text file begins with it
VERSION = 1
ID_BYTES = 8
MAX_SIDE = 65535
# Of a picture, unless the caller says otherwise; as `data_pipeline.limits`, padded.
MAX_PIXELS = 55_000_000
# Sides are padded to whole cells; each cell has its own latents.
CELL = 16

# What other files have, after so many bytes.
_OTHERS = (
    (0, b"\xff\xd8\xff", "JPEGs"),
    (0, b"\x89PNG", "PNGs"),
    (0, b"GIF8", "GIFs"),
    (0, b"\xff\x0a", "JPEG XL files"),
    (4, b"JXL ", "JPEG XL files"),
    (4, b"ftypavif", "AVIF files"),
    (4, b"ftyphei", "HEIC files"),
    (8, b"WEBP", "WebP files"),
    (0, b"PK", "zip files"),
)

_FIELDS = struct.Struct("<4sBBHHI8s")
_CHECKSUM_BYTES = 8
HEADER_BYTES = _FIELDS.size + _CHECKSUM_BYTES


class CorruptFileError(ValueError):
    """A compressed file with missing or changed bytes; the message says which."""


class ForeignFileError(ValueError):
    """A file of another program, another version or another model."""


@dataclasses.dataclass(frozen=True)
class Header:
    """The size of a picture in pixels, and whether all three channels are equal."""

    width: int
    height: int
    gray: bool


def pack(header: Header, payload: bytes, model_id: bytes) -> bytes:
    """Builds the bytes of a file; see `check_id`."""
    check_id(model_id)
    size = header.width, header.height, len(payload)
    fields = _FIELDS.pack(MAGIC, VERSION, int(header.gray), *size, model_id)
    return fields + _checksum(fields, payload) + payload


def unpack(
    data: bytes, model_id: bytes, *, max_pixels: int = MAX_PIXELS
) -> tuple[Header, bytes]:
    """Splits any bytes into header and payload, for the model that decodes them.

    Raises:
      CorruptFileError: If the file is cut off, too long or changed, or claims a size
        that is not allowed.
      ForeignFileError: If it is not a compressed picture, or of another version or
        another model.
    """
    if not data.startswith(MAGIC[: len(data)]):
        found = [name for at, magic, name in _OTHERS if data[at:].startswith(magic)]
        looks = f", as {found[0]} do" if found else ""
        raise ForeignFileError(
            "This is not a compressed picture: it does not begin with the bytes "
            f"{MAGIC.hex()} but with {data[: len(MAGIC)].hex()}{looks}. Pass a file "
            "that facemend compressed."
        )
    if len(data) < HEADER_BYTES:
        raise CorruptFileError(
            f"The file is cut off: it has {len(data)} bytes and its header alone "
            f"{HEADER_BYTES}. Get it again."
        )
    fields, checksum = data[: _FIELDS.size], data[_FIELDS.size : HEADER_BYTES]
    _, version, mode, width, height, length, found_id = _FIELDS.unpack(fields)
    if version != VERSION:
        raise ForeignFileError(
            f"The file has format version {version}; this program reads {VERSION}. "
            "Decompress it with the program that wrote it."
        )
    payload = data[HEADER_BYTES:]
    if len(payload) != length:
        wrong = "is cut off" if len(payload) < length else "has bytes at its end"
        raise CorruptFileError(
            f"The file {wrong}: it has {len(data)} bytes and should have "
            f"{HEADER_BYTES + length}. Get it again."
        )
    if checksum != _checksum(fields, payload):
        raise CorruptFileError(
            "The file is damaged: its checksum is not that of its bytes. Get it again."
        )
    if found_id != model_id:
        raise ForeignFileError(
            f"The file was compressed by the model {found_id.hex()}; this one is "
            f"{model_id.hex()}. Pass the model that compressed it."
        )
    # The checksum is right, but the writer may be malicious.
    if mode not in (0, 1):
        raise CorruptFileError(
            f"The file's mode is {mode}, neither 0, color, nor 1, gray. Compress the "
            "picture again."
        )
    try:
        check_size(width, height, max_pixels=max_pixels)
    except ValueError as error:
        raise CorruptFileError(f"The file claims a size that fails: {error}") from error
    return Header(width, height, bool(mode)), payload


def claimed_id(data: bytes) -> bytes:
    """Reads the identifier of the model that wrote a file, without any check."""
    return data[_FIELDS.size - ID_BYTES : _FIELDS.size]


def check_size(width: int, height: int, *, max_pixels: int) -> None:
    """Raises a ValueError unless a picture's size is within the limits.

    `max_pixels` limits memory, so it counts pixels after both sides are padded to
    multiples of `CELL`.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(
            f"A picture's sides must be 1 to {MAX_SIDE} pixels; got {width}x{height}."
        )
    padded = cells(width) * cells(height) * CELL**2
    if padded > max_pixels:
        raise ValueError(
            f"{width}x{height}, padded to {padded} pixels, is over the limit of "
            f"{max_pixels}. Make the picture smaller, or raise --max_megapixels, in "
            "Python max_pixels."
        )


def cells(side: int) -> int:
    """The number of cells that a side of so many pixels takes."""
    return -(-side // CELL)


def check_id(model_id: bytes) -> None:
    """Raises a ValueError unless it has `ID_BYTES`."""
    if len(model_id) != ID_BYTES:
        raise ValueError(
            f"A model's identifier has {ID_BYTES} bytes; got {len(model_id)}: "
            f"{model_id.hex()}. Make it with serving.codec.base.identify."
        )


def _checksum(fields: bytes, payload: bytes) -> bytes:
    return hashlib.sha256(fields + payload).digest()[:_CHECKSUM_BYTES]
