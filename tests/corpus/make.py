"""Writes the corpus: files that a reader reads (whole*), and broken ones.

  PYTHONPATH=.:tests python tests/corpus/make.py

Each folder is for the reader of its name in tests/untrusted.py. What a fuzzer finds is
added as a file, by hand. A test keeps every file under `MOST` bytes.
"""

import gzip
import io
import json
import pathlib
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import tiny_codec
import untrusted
from PIL import Image

from data_pipeline.datasets import celeba
from serving.codec import container, entropy
from serving.codec.container import Header
from serving.codec.quantizer import Quantizer

MOST = 20_000
HERE = pathlib.Path(__file__).parent


def containers():
    whole = container.pack(Header(5, 7, False), b"payload", untrusted._MODEL)
    wide = container.pack(Header(65535, 65535, False), b"", untrusted._MODEL)
    return {
        "whole": whole,
        "whole_gray": container.pack(Header(1, 1, True), b"", untrusted._MODEL),
        "cut": whole[:-1],
        "header_cut": whole[:20],
        "longer": whole + b"\0",
        "flipped": whole[:31] + b"\xff" + whole[32:],
        "no_pixels": container.pack(Header(0, 9, False), b"", untrusted._MODEL),
        "claims_4_gigapixels": wide,
        "version_2": whole[:4] + b"\2" + whole[5:],
        "other_model": container.pack(Header(5, 7, False), b"", bytes(8)),
        "empty": b"",
    }


def picture_files():
    codec = untrusted.codec()
    whole = codec.compress(tiny_codec.picture(20, 33))
    _, payload = container.unpack(whole, codec.model_id)
    claims = container.pack(Header(256, 256, False), payload, codec.model_id)
    return {
        "whole": whole,
        "whole_gray": codec.compress(np.full((16, 16, 3), 99, np.uint8)),
        "claims_more": claims,
        "whole_cut_is_other_latents": whole[:-3],
        "payload_longer": whole + bytes(9),
        "no_payload": whole[:30],
    }


def range_coders():
    rng = np.random.default_rng(0)
    latents = rng.integers(-20, 21, (2, 3, 2)).astype(np.int32)
    far = np.full((1, 1, 2), entropy.LARGEST, np.int32)
    near, far = (untrusted.tables().encode(x) for x in (latents, far))
    return {
        "whole": b"\1\2" + near,
        "whole_far": b"\0\0" + far,
        "whole_cut_is_other_latents": b"\1\2" + near[:-1],
        "whole_ones": b"\7\7" + b"\xff" * 40,
        "zeros": b"\7\7" + bytes(40),
        "empty": b"",
    }


def _npz(**arrays):
    return entropy.npz(arrays)


def _bomb():
    """An array whose zeros inflate to 2 GB of a file of 2 MB: here its header only."""
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.int32))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {**header, "shape": (10**13,)})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cdf", "length", "offset", "precision", "latents", "low", "high"):
            archive.writestr(f"{name}.npy", buffer.getvalue() + bytes(999))
    return out.getvalue()


def tables():
    arrays = untrusted.tables().arrays()
    whole = _npz(**arrays)
    return {
        "whole": whole,
        "cut": whole[:-40],
        "claims_40_terabytes": _bomb(),
        "not_increasing": _npz(**{**arrays, "cdf": arrays["cdf"][::-1]}),
        "negative_length": _npz(**{**arrays, "length": -arrays["length"]}),
        "other_precision": _npz(**{**arrays, "precision": np.int32(31)}),
        "two_precisions": _npz(**{**arrays, "precision": np.int32([12, 12])}),
        "objects": _pickled(),
    }


def _pickled():
    buffer = io.BytesIO()
    np.savez(buffer, cdf=np.array([{}], object))
    return buffer.getvalue()


def quantizers():
    rng = np.random.default_rng(0)
    arrays = Quantizer.fit(rng.normal(size=(50, 3)), 2).arrays()
    return {
        "whole": _npz(**arrays),
        "not_finite": _npz(**{**arrays, "high": arrays["high"] * np.float32(np.inf)}),
        "turned": _npz(**{**arrays, "low": arrays["high"], "high": arrays["low"]}),
        "no_low": _npz(**{k: v for k, v in arrays.items() if k != "low"}),
        "claims_40_terabytes": _bomb(),
    }


def latents():
    rows, model = np.ones((2, 3), np.float32), untrusted._MODEL.hex()
    return {
        "whole": _npz(latents=rows, names=["a", "b/c"], model=model),
        "whole_bare": _npz(latents=rows),
        "leaves_the_folder": _npz(latents=rows, names=["../a", "b"], model=model),
        "absolute": _npz(latents=rows, names=["/etc/a", "b"], model=model),
        "same_names": _npz(latents=rows, names=["a", "./a"], model=model),
        "other_model": _npz(latents=rows, model="00" * 8),
        "a_number": _npz(latents=np.float32(1)),
        "claims_40_terabytes": _bomb(),
    }


def _encoded(array, form="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form, **options)
    return buffer.getvalue()


def _png(width, height, depth=8, color=0, data=b""):
    """A PNG whose header claims a size."""

    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def pictures():
    image = tiny_codec.picture(12, 9)
    png, jpeg = _encoded(image), _encoded(image, "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "whole_png": png,
        "whole_jpeg": _encoded(image, "JPEG", exif=exif.tobytes()),
        "whole_gif": _encoded(image[..., 0], "GIF"),
        "whole_bmp": _encoded(image, "BMP"),
        "whole_webp": _encoded(image, "WEBP"),
        "whole_tiff": _encoded(image, "TIFF"),
        "whole_16_bits": _encoded(image[..., 0].astype(np.uint16) * 257),
        "png_cut": png[: len(png) // 2],
        "jpeg_header": jpeg[:40],
        "floats": _encoded(np.full((3, 3), np.nan, np.float32), "TIFF"),
        "claims_119_megapixels": _png(10900, 10900, 1, 0, bytes(99)),
        "claims_4_exapixels": _png(2**31 - 1, 2**31 - 1),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "empty": b"",
    }


def masks():
    mask = np.zeros((untrusted.SIDE, untrusted.SIDE), np.uint8)
    mask[5:12, 8:20] = 255
    layer = np.stack([mask * 0, mask, mask * 0, mask], axis=-1)
    return {
        "whole": _encoded(mask),
        "whole_two_levels": _encoded(mask // 200),
        "whole_strokes": _encoded(layer),
        "whole_jpeg": _encoded(mask, "JPEG"),
        "whole_twice_as_large": _encoded(mask.repeat(2, 0).repeat(2, 1)),
        "nothing": _encoded(mask * 0),
        "everything": _encoded(mask * 0 + 255),
        "other_shape": _encoded(mask[:-1]),
        "gray": _encoded(np.arange(100, 132, dtype=np.uint8)[None].repeat(32, 0)),
        "no_numbers": _encoded(np.full(mask.shape, np.nan, np.float32), "TIFF"),
        "claims_119_megapixels": _png(10900, 10900, 1, 0, bytes(99)),
    }


def partitions():
    lines = ["000001.jpg 0", "000002.jpg 1", "000003.jpg 2", ""]
    return {
        "whole": "\n".join(lines),
        "whole_crlf": "\r\n".join(lines),
        "twice": "\n".join([*lines[:3], "000001.jpg 1"]),
        "empty_partition": "\n".join(lines[:2]),
        "fourth": "\n".join([*lines[:3], "000004.jpg 3"]),
        "web_page": "<!DOCTYPE html><html><title>Sign in</title></html>",
        "zeros": "\0" * 50,
        "utf16": "\n".join(lines).encode("utf-16"),
        "empty": "",
    }


def _rows(header, row, count=2):
    rows = [f"{number:06d}.jpg {row}" for number in range(1, count + 1)]
    return "\n".join([str(count), " ".join(header), *rows, ""])


def landmarks():
    points = "69 109 106 113 77 142 73 152 108 154"
    whole = _rows(celeba.LANDMARKS, points)
    return {
        "whole": whole,
        "not_a_number": whole.replace("109", "nan"),
        "infinite": whole.replace("109", "inf"),
        "overflows": whole.replace("109", "1e999"),
        "far_away": whole.replace("109", "1000000"),
        "beyond_float32": whole.replace("109", "1e300"),
        "nine": whole.replace("69 ", ""),
        "twice": whole.replace("000002", "000001"),
        "count": "3" + whole[1:],
        "superscript_count": "²" + whole[1:],
        "endless_count": "9" * 5000 + whole[1:],
        "one_line": "2",
    }


def kaggle_landmarks():
    header = ",".join(("image_id", *celeba.LANDMARKS))
    row = "000001.jpg,69,109,106,113,77,142,73,152,108,154"
    return {
        "whole": f"{header}\n{row}\n",
        "quoted": f"{header}\n" + row.replace("69", '"6,9"'),
        "no_header": row,
    }


def attributes():
    whole = _rows(celeba.ATTRIBUTES, " ".join(["-1", "1"] * 20))
    return {
        "whole": whole,
        "zero": whole.replace(" 1", " 0", 1),
        "other_names": whole.replace("Bald", "Bold"),
    }


def identities():
    return {
        "whole": "000001.jpg 2880\n000002.jpg 2937\n",
        "word": "000001.jpg Ana\n",
        "three": "000001.jpg 1 2\n",
        "web_page": "<html><title>x</title></html>",
    }


def _tar(*members):
    """A .tgz of (name, bytes, kind, changes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data, kind, changes in members:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(data), kind
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _patched(data, size):
    """A .tgz whose first header claims another size, in base 256."""
    raw = bytearray(gzip.decompress(data))
    raw[124:136] = bytes([0x80 if size >= 0 else 0xFF]) + (size % 256**11).to_bytes(
        11, "big"
    )
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    return gzip.compress(bytes(raw), mtime=0)


def tars():
    jpeg = _encoded(tiny_codec.picture(9, 9), "JPEG")
    face = ("lfw/Ana/Ana_0001.jpg", jpeg, tarfile.REGTYPE, {})
    whole = _tar(face, ("lfw/Bo/Bo_0001.jpg", jpeg, tarfile.REGTYPE, {}))
    link = {"linkname": "/etc/passwd"}
    long_name = ("x" * 300, b"", tarfile.REGTYPE, {})
    return {
        "whole": whole,
        "whole_paths_that_leave": _tar(
            ("../../Ana/Ana_0001.jpg", jpeg, tarfile.REGTYPE, {}),
            ("/etc/Bo/Bo_0001.jpg", jpeg, tarfile.REGTYPE, {}),
        ),
        "whole_links_and_devices": _tar(
            face,
            ("lfw/Bo/Bo_0001.jpg", b"", tarfile.SYMTYPE, link),
            ("lfw/Cy/Cy_0001.jpg", b"", tarfile.LNKTYPE, link),
            ("lfw/Di/Di_0001.jpg", b"", tarfile.CHRTYPE, {"devmajor": 1}),
            ("lfw/Ed/Ed_0001.jpg", b"", tarfile.FIFOTYPE, {}),
        ),
        "links_alone": _tar(("lfw/Bo/Bo_0001.jpg", b"", tarfile.SYMTYPE, link)),
        "cut": whole[: len(whole) // 2],
        "claims_a_terabyte": _patched(whole, 2**40),
        "circle": _patched(whole, -512),
        "far_back": _patched(whole, -(2**60)),
        "long_name_of_a_terabyte": _patched(_tar(long_name), 2**40),
        "long_name_of_less_than_none": _patched(_tar(long_name), -1024),
        "zeros_inflated": gzip.compress(bytes(2**23), mtime=0),
        "empty": b"",
    }


def _zip(*members, kind=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data, mode in members:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = kind, mode << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def zips():
    jpeg = _encoded(tiny_codec.picture(9, 9), "JPEG")
    whole = _zip(("img_align_celeba/000001.jpg", jpeg, 0o644))
    claims = bytearray(whole)
    place = whole.index(b"PK\1\2")
    claims[place + 24 : place + 28] = struct.pack("<I", 2**32 - 2)
    method = bytearray(whole)
    method[8:10] = method[place + 10 : place + 12] = b"\x63\0"
    locked = bytearray(whole)
    locked[6] = locked[place + 8] = 1
    return {
        "whole": whole,
        "whole_paths_that_leave": _zip(
            ("../../000001.jpg", jpeg, 0o644), ("/etc/000002.jpg", jpeg, 0o644)
        ),
        "whole_link": _zip(("000001.jpg", b"/etc/passwd", 0o120777)),
        "whole_unknown_method": bytes(method),
        "whole_encrypted": bytes(locked),
        "whole_flipped": whole.replace(jpeg, jpeg[:-9] + bytes(9)),
        "claims_4_gigabytes": bytes(claims),
        "cut": whole[:-30],
        "empty": b"",
    }


def graphs():
    return {
        "zeros": bytes(64),
        "no_protobuf": b"\xff" * 64,
        "text": b"saved_model_schema_version: 1",
        "empty_graph": b"\x08\x01\x12\x00",
        "empty": b"",
    }


def configs():
    return {
        "whole": json.dumps({"kind": "codec", "paper": "portrait_autoencoder"}),
        "whole_odd_kinds": json.dumps({"kind": [], "paper": {"a": 1}}),
        "list": "[1]",
        "nested": "[" * 9000,
        "number": "1" * 5000,
        "cut": '{"kind": "cod',
        "latin1": '{"kind": "\xe9"}'.encode("latin-1"),
        "empty": "",
    }


FILES = {
    "container": containers,
    "picture_file": picture_files,
    "range_coder": range_coders,
    "tables": tables,
    "quantizer": quantizers,
    "latents": latents,
    "picture": pictures,
    "mask": masks,
    "partition": partitions,
    "landmarks": landmarks,
    "kaggle_landmarks": kaggle_landmarks,
    "attributes": attributes,
    "identities": identities,
    "tar": tars,
    "zip": zips,
    "saved_model": graphs,
    "config": configs,
}


def main():
    for reader, files in FILES.items():
        (HERE / reader).mkdir(exist_ok=True)
        for name, data in files().items():
            data = data.encode() if isinstance(data, str) else data
            (HERE / reader / name).write_bytes(data)


if __name__ == "__main__":
    main()
