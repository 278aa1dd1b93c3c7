"""The compressed file: its bytes are fixed, and whatever happens to them is noticed."""

import hashlib
import struct

import pytest

from serving.codec import container
from serving.codec.container import CorruptFileError, ForeignFileError, Header

ID = bytes.fromhex("00112233445566ff")
OTHER_ID = bytes.fromhex("a0112233445566ff")
HEADER = Header(width=178, height=218, gray=False)
PAYLOAD = bytes(range(200))
DATA = container.pack(HEADER, PAYLOAD, ID)


def sealed(
    payload=PAYLOAD, *, version=1, mode=0, width=178, height=218, length=None, id=ID
):
    """A file written by hand, its checksum right."""
    length = len(payload) if length is None else length
    fields = b"\xf0fmc" + struct.pack("<BBHHI", version, mode, width, height, length)
    fields += id
    return fields + hashlib.sha256(fields + payload).digest()[:8] + payload


def test_the_format_does_not_move():
    assert sealed() == DATA
    assert len(DATA) == 30 + len(PAYLOAD)
    gray = container.pack(Header(65535, 1, True), b"", OTHER_ID)
    assert gray == sealed(b"", mode=1, width=65535, height=1, id=OTHER_ID)


@pytest.mark.parametrize(
    "data, text",
    [
        (b"\xff\xd8\xff\xe0" + bytes(100), "not a compressed picture.*Pass a"),
        (b"\x89PNG", "not a compressed picture"),
        (b"x", "not a compressed picture"),
        (b"\xf0fmd", "not a compressed picture"),
        (sealed(version=2), "version 2; this program reads 1"),
        (sealed(id=OTHER_ID), f"{OTHER_ID.hex()}; this one is {ID.hex()}. Pass"),
    ],
)
def test_files_of_other_programs_versions_and_models(data, text):
    with pytest.raises(ForeignFileError, match=text):
        container.unpack(data, ID)


class TestCorruptFiles:
    def test_cut_off_anywhere(self):
        for length in range(len(DATA)):
            text = "alone 30" if length < 30 else "should have 230"
            with pytest.raises(CorruptFileError, match=f"has {length} bytes .*{text}"):
                container.unpack(DATA[:length], ID)

    def test_with_bytes_at_the_end(self):
        with pytest.raises(CorruptFileError, match="at its end: it has 231 .* 230"):
            container.unpack(DATA + b"\0", ID)

    def test_every_flipped_bit_is_noticed(self):
        for place in range(len(DATA)):
            for bit in range(8):
                changed = bytearray(DATA)
                changed[place] ^= 1 << bit
                with pytest.raises((CorruptFileError, ForeignFileError)):
                    container.unpack(bytes(changed), ID)

    def test_a_changed_identifier_is_damage_and_not_another_model(self):
        with pytest.raises(CorruptFileError, match="checksum"):
            container.unpack(DATA.replace(ID, OTHER_ID), OTHER_ID)


@pytest.mark.parametrize(
    "fields, text",
    [
        ({"width": 0, "height": 5}, "1 to 65535.*got 0x5"),
        ({"width": 5, "height": 0}, "1 to 65535.*got 5x0"),
        ({"width": 32000, "height": 32000}, "the limit of 55000000. Make"),
        ({"mode": 2}, "mode is 2, neither 0"),
        ({"mode": 255}, "mode is 255, neither 0"),
        ({"length": 199}, "should have 229"),
        ({"length": 2**32 - 1}, "should have"),
    ],
)
def test_hostile_files_whose_checksum_is_right(fields, text):
    with pytest.raises(CorruptFileError, match=text):
        container.unpack(sealed(**fields), ID)


def test_padding_counts_towards_the_limit():
    data = sealed(width=65535, height=1)
    with pytest.raises(CorruptFileError, match="padded to 1048576 pixels, is over"):
        container.unpack(data, ID, max_pixels=2**20 - 1)
    assert container.unpack(data, ID, max_pixels=2**20)[0].width == 65535


@pytest.mark.parametrize("model_id", [b"", ID[:7], ID + b"\0"])
def test_an_identifier_of_another_length_is_refused(model_id):
    with pytest.raises(ValueError, match=f"8 bytes; got {len(model_id)}"):
        container.pack(HEADER, PAYLOAD, model_id)
