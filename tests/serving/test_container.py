"""The compressed file: its bytes are fixed, and whatever happens to them is noticed."""

import hashlib
import struct

import numpy as np
import pytest
from tiny_codec import mutate

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


@pytest.mark.parametrize("payload", [b"", b"\0", PAYLOAD])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("width, height", [(1, 1), (178, 218), (5000, 3000)])
def test_what_is_packed_comes_out(payload, gray, width, height):
    header = Header(width, height, gray)
    data = container.pack(header, payload, ID)
    assert container.unpack(data, ID) == (header, payload)


class TestForeignFiles:
    @pytest.mark.parametrize(
        "data", [b"\xff\xd8\xff\xe0" + bytes(100), b"\x89PNG", b"x", b"\xf0fmd"]
    )
    def test_of_other_programs(self, data):
        with pytest.raises(ForeignFileError, match="not a compressed picture.*Pass a"):
            container.unpack(data, ID)

    def test_of_another_version(self):
        with pytest.raises(ForeignFileError, match="version 2; this program reads 1"):
            container.unpack(sealed(version=2), ID)

    def test_of_another_model_both_are_named(self):
        with pytest.raises(
            ForeignFileError, match=f"{ID.hex()}; this one is {OTHER_ID.hex()}. Pass"
        ):
            container.unpack(DATA, OTHER_ID)


class TestCorruptFiles:
    @pytest.mark.parametrize("length", range(30))
    def test_cut_off_within_the_header(self, length):
        with pytest.raises(CorruptFileError, match=f"it has {length} bytes.*alone 30"):
            container.unpack(DATA[:length], ID)

    @pytest.mark.parametrize("length", [30, 31, 229])
    def test_cut_off_within_the_payload(self, length):
        with pytest.raises(CorruptFileError, match=f"cut off: it has {length} .* 230"):
            container.unpack(DATA[:length], ID)

    def test_with_something_behind(self):
        with pytest.raises(CorruptFileError, match="at its end: it has 231 .* 230"):
            container.unpack(DATA + b"\0", ID)

    def test_every_flipped_bit_is_noticed(self):
        for place in range(len(DATA)):
            for bit in range(8):
                changed = bytearray(DATA)
                changed[place] ^= 1 << bit
                with pytest.raises((CorruptFileError, ForeignFileError)):
                    container.unpack(bytes(changed), ID)

    def test_a_changed_identifier_is_damage_and_no_other_model(self):
        changed = DATA.replace(ID, OTHER_ID)
        with pytest.raises(CorruptFileError, match="checksum"):
            container.unpack(changed, OTHER_ID)

    def test_random_mutations_are_noticed(self):
        rng = np.random.default_rng(0)
        other = container.pack(Header(40, 50, True), rng.bytes(180), ID)
        for _ in range(1000):
            changed = mutate(DATA, other, rng)
            if changed in (DATA, other):
                continue
            with pytest.raises((CorruptFileError, ForeignFileError)):
                container.unpack(changed, ID)


class TestHostileFiles:
    """With a checksum that is right."""

    @pytest.mark.parametrize("width, height", [(0, 5), (5, 0), (0, 0)])
    def test_no_pixels(self, width, height):
        with pytest.raises(CorruptFileError, match=f"1 to 65535.*got {width}x{height}"):
            container.unpack(sealed(width=width, height=height), ID)

    @pytest.mark.parametrize("width, height", [(32000, 32000), (65535, 65535)])
    def test_more_pixels_than_are_allowed(self, width, height):
        data = sealed(width=width, height=height)
        with pytest.raises(CorruptFileError, match="the limit of 120000000. Make"):
            container.unpack(data, ID)
        assert container.unpack(data, ID, max_pixels=2**32)[0].width == width

    def test_padding_counts(self):
        data = sealed(width=65535, height=1)
        with pytest.raises(CorruptFileError, match="padded to 1048576 pixels, is over"):
            container.unpack(data, ID, max_pixels=2**20 - 1)
        container.unpack(data, ID, max_pixels=2**20)

    @pytest.mark.parametrize("mode", [2, 255])
    def test_another_mode(self, mode):
        with pytest.raises(CorruptFileError, match=f"mode is {mode}, neither 0"):
            container.unpack(sealed(mode=mode), ID)

    @pytest.mark.parametrize("length", [0, 199, 201, 2**32 - 1])
    def test_another_length(self, length):
        with pytest.raises(CorruptFileError, match="should have"):
            container.unpack(sealed(length=length), ID)


@pytest.mark.parametrize("model_id", [b"", ID[:7], ID + b"\0"])
def test_an_identifier_of_another_length_is_refused(model_id):
    with pytest.raises(ValueError, match=f"8 bytes; got {len(model_id)}"):
        container.pack(HEADER, PAYLOAD, model_id)


@pytest.mark.parametrize("pixels, cells", [(1, 1), (16, 1), (17, 2), (65535, 4096)])
def test_cells_hold_all_pixels(pixels, cells):
    assert container.cells(pixels) == cells
