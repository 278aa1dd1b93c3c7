"""Decoding, color profiles, cropping, resizing, and the three ranges of pixels.

  bytes   uint8 [H, W, 3] in 0..255: files, sources, caches
  unit    float32 in [0, 1]: restorers, metrics, exported models
  signed  float32 in [-1, 1]: networks that end in tanh

No other module converts one range to another.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import itertools
import os
import pathlib
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin, UnidentifiedImageError

from data_pipeline import disk, limits

if TYPE_CHECKING:
    import tensorflow as tf

# Pillow's names of the formats that are read, and the suffixes of their files. Pillow
# knows dozens of others, and starts other programs for some of them.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "HEIF": (".heic", ".heif"),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "JPEG2000": (".jp2", ".j2k"),
}
IMAGE_SUFFIXES = tuple(itertools.chain.from_iterable(FORMATS.values()))
CROPS = ("center", "none")
RESIZES = ("bicubic", "bilinear")
STRIP = 2_000_000  # pixels of a large picture that are floats at once

_MODES = ("RGB", "L", "CMYK")  # Pillow's modes that profiles are made for
# Profiles of sRGB differ by their authors' rounding, and must change nothing.
_ROUNDING = 2
_PROBED = 18  # levels per channel, 15 apart
_HEIC = re.compile(rb".{4}ftyp(hei|hev|mif1|msf1)", re.DOTALL)
_ORIENTATION = 0x0112
_AS_STORED = "original_orientation"  # in an image's info, as pillow-heif calls it
# How a picture is turned upright from the orientation that its EXIF data states.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# EXIF data that describe how the file's own pixels are stored, which a result does
# differently: sizes, strips, tiles, tables, colors, profile; and other metadata.
_LAYOUT = {
    *range(254, 260), 262, 266, *range(273, 274), *range(277, 280), 284, 317,
    *range(320, 326), 330, 338, 339, 347, *range(512, 522), 529, 530, 531, 532, 700,
    33723, 34377, 34675,
}  # fmt: skip


class UnreadableImageError(ValueError):
    """An image that cannot be decoded; the message names it and says why."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture, and what else its file says.

    Attributes:
      image: uint8 [H, W, 3]; see `decode`.
      layer: uint8 [H, W, 4], with the transparency that the image lies over white
        without; None if it is opaque.
      orientation: The EXIF orientation, 1 to 8, from which it was turned upright.
      exif: The file's EXIF data, as bytes; empty without any.
      has_profile: Whether the file had a color profile.
      tables: How a JPEG was quantized and subsampled, as Pillow's options; otherwise
        empty.
    """

    image: np.ndarray
    layer: np.ndarray | None = None
    orientation: int = 1
    exif: bytes = b""
    has_profile: bool = False
    tables: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def decode(data: bytes, name: str) -> np.ndarray:
    """Decodes an image of one of `FORMATS`, of an animation the first frame.

    The EXIF orientation is applied; gray, palette, CMYK and 16-bit images become 8-bit
    RGB; colors of an embedded profile become sRGB's; transparency is laid over white.

    Args:
      data: The file's bytes.
      name: Of the image, for error messages.

    Returns:
      uint8 [H, W, 3].

    Raises:
      UnreadableImageError: If Pillow cannot decode it.
    """
    with opened(data, name) as image:
        return np.asarray(_over_white(_to_colors(image)))


def decode_picture(data: bytes, name: str, levels: Sequence[float] = ()) -> Picture:
    """Decodes an image as `decode` does, and keeps what else its file says.

    Args:
      data: The file's bytes.
      name: Of the image, for error messages.
      levels: What is black and what is white in an image of floats or 32-bit integers.

    Raises:
      UnreadableImageError: If Pillow cannot decode it.
    """
    with opened(data, name) as image:
        orientation = image.info[_AS_STORED] or 1
        tables = {}
        if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
            sampling = JpegImagePlugin.get_sampling(image)
            tables = {"qtables": image.quantization, "subsampling": sampling}
        colors = _to_colors(image, levels)
        layer = np.asarray(colors) if colors.mode == "RGBA" else None
        return Picture(
            np.asarray(_over_white(colors)),
            layer=layer if layer is not None and layer[..., 3].min() < 255 else None,
            orientation=orientation,
            exif=_exif(image),
            has_profile="icc_profile" in image.info,
            tables=tables,
        )


@contextlib.contextmanager
def opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """Opens and loads an image as it is stored.

    Args:
      data: The file's bytes.
      name: Of the image, for error messages.

    Raises:
      UnreadableImageError: If Pillow cannot decode it, or fails within the block.
    """
    try:
        with Image.open(io.BytesIO(data), formats=installed_formats()) as image:
            _check_size(image, name)
            # Some formats turn the image upright on loading, HEIF's even before.
            image.info.setdefault(_AS_STORED, orientation_of(image))
            image.load()
            yield image
    except UnreadableImageError as error:
        # Pillow's own kinds of files know nothing of names.
        if str(error).startswith(name):
            raise
        raise UnreadableImageError(f"{name}: {error}") from error
    except Image.DecompressionBombError as error:
        # Pillow's own limit comes first, and tells the pixels alone.
        count = int(re.search(r"\d+", str(error))[0])
        refused = limits.refusal(f"{name}: a picture of {count:,} pixels", count)
        raise UnreadableImageError(refused) from error
    except UnidentifiedImageError as error:
        why = "not a readable image (damaged, or something else)."
        if _HEIC.match(data) and "HEIF" not in installed_formats():
            why = "HEIC is read with pillow-heif: pip install pillow-heif."
        raise UnreadableImageError(f"{name}: {why}") from error
    # Pillow's plugins raise many kinds of errors on damaged files; none of them may end
    # a run over thousands of images.
    except Exception as error:
        raise UnreadableImageError(
            f"{name}: not a readable image ({type(error).__name__}: {error})."
        ) from error


def _check_size(image: Image.Image, name: str) -> None:
    """Raises an UnreadableImageError if a picture is too large to be decoded."""
    try:
        limits.check(image.width, image.height, name)
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error


@functools.lru_cache(maxsize=1)
def installed_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this installation of Pillow reads."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
    Image.init()
    return tuple(form for form in FORMATS if form in Image.OPEN)


def is_image(path: str | os.PathLike) -> bool:
    """Whether a file, whatever its name, begins as one of the formats does.

    Devices and pipes, which may have no end, are not looked into.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with Image.open(path, formats=installed_formats()):
            return True
    except Exception:  # Pillow's plugins raise many kinds
        return False


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an image, 1 to 8; 1 without any."""
    stated = image.getexif().get(_ORIENTATION, 1)
    return stated if stated in _TURNS else 1


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Turns an image that is stored in an EXIF orientation upright."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _exif(image: Image.Image) -> bytes:
    """The EXIF data of an image but for its orientation, thumbnail and layout.

    These are deleted from the image's own.
    """
    exif = image.getexif()
    for tag in {_ORIENTATION, *_LAYOUT} & set(exif):
        del exif[tag]
    # Damaged data are none; what can be wrong with them is Pillow's affair.
    with contextlib.suppress(Exception):
        return exif.tobytes() if len(exif) else b""
    return b""


def _to_colors(image: Image.Image, levels: Sequence[float] = ()) -> Image.Image:
    """Any Pillow mode -> RGB or RGBA, upright and in sRGB."""
    image, form = turned(image, orientation_of(image)), image.format
    profile = image.info.get("icc_profile")
    if image.mode.startswith(("I", "F")):
        # Pillow alone would clip 16 bits; "I" is 32 bits, but in PNGs.
        if image.mode.startswith("I;16") or form == "PNG":
            levels = (0.0, 65535.0)
        image = Image.fromarray(_to_bytes(np.asarray(image, np.float64), levels))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return to_srgb(image.convert("RGBA"), profile)
    if image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return to_srgb(image, profile).convert("RGB")


def _to_bytes(values: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Numbers -> uint8, given which of them are black and white."""
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise UnreadableImageError(
            f"{wrong:,} of its {values.size:,} numbers are infinite or none at all."
        )
    if not levels:
        raise UnreadableImageError(
            f"its numbers, {values.min():g} to {values.max():g}, have no agreed range. "
            "Save it with 8 or 16 bits, or say in restore, request or compress what "
            "black and white are, such as --levels=0,1."
        )
    low, high = levels
    return np.clip(np.rint((values - low) / (high - low) * 255), 0, 255).astype("uint8")


def _over_white(image: Image.Image) -> Image.Image:
    """RGB or RGBA -> RGB."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts colors from an embedded profile to sRGB.

    Args:
      image: RGB, RGBA, L or CMYK.
      profile: Embedded in the file, if any. One that is damaged or of another kind of
        picture is ignored, as is one of sRGB itself.

    Returns:
      RGB, or RGBA with the alpha of the image; the image itself if nothing changes.
    """
    if image.mode == "RGBA":
        colors = to_srgb(image.convert("RGB"), profile)
        colors.putalpha(image.getchannel("A"))
        return colors
    if not profile or image.mode not in _MODES:
        return image
    transform = _transform(profile, image.mode)
    return ImageCms.applyTransform(image, transform) if transform else image


@functools.lru_cache(maxsize=16)  # pictures of one camera share a profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The conversion of a mode to sRGB, or None if it must change nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
    # PyCMSError also stands for a profile of another mode; ImportError, for a Pillow
    # without LittleCMS.
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        return None
    return None if _is_srgb(transform, mode) else transform


def _is_srgb(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether the conversion changes numbers by rounding only."""
    if mode == "CMYK":
        return False
    levels = np.rint(np.linspace(0, 255, _PROBED)).astype(np.uint8)
    channels = Image.getmodebands(mode)
    before = np.stack(np.meshgrid(*[levels] * channels), axis=-1)
    before = before.reshape(_PROBED, -1, channels)
    given = Image.fromarray(before[..., 0] if mode == "L" else before)
    after = np.asarray(ImageCms.applyTransform(given, transform)).astype(int)
    return np.abs(after - before).max() <= _ROUNDING


def read(path: str | os.PathLike) -> np.ndarray:
    """Reads an image file; see `decode`."""
    return decode(read_bytes(path), str(path))


def read_picture(path: str | os.PathLike, levels: Sequence[float] = ()) -> Picture:
    """Reads an image file; see `decode_picture`."""
    return decode_picture(read_bytes(path), str(path), levels)


def read_bytes(path: str | os.PathLike, name: str = "") -> bytes:
    """The bytes of an image file; an `UnreadableImageError` if there are none.

    Devices and pipes, which may have no end, are not read. Errors call the file by its
    name, or else its path.
    """
    name = name or str(path)
    try:
        status = os.stat(path)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ValueError(f"{name}: a device or a pipe, not a file. Save it as one.")
        limits.check_bytes(status.st_size, name)
        return pathlib.Path(path).read_bytes()
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error
    except OSError as error:
        raise UnreadableImageError(f"{name}: {error.strerror or error}.") from error


def encode_png(image: np.ndarray) -> bytes:
    """uint8 [H, W, 3] or [H, W] -> the bytes of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes a file under a temporary name and renames it: it is whole or absent.

    Raises:
      FullDiskError: If there is no space for it.
      OSError: If it cannot be written.
    """
    path = pathlib.Path(path)
    with disk.naming(path.parent, len(data)):
        _write_bytes(path, data)


def _write_bytes(path: pathlib.Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not called as the file, whose name may be as long as names can be. Nor made by
    # tempfile: its files are private, and the umask that they lack cannot be asked for
    # without changing it for all threads.
    temporary = path.parent / f".part-{secrets.token_hex(8)}"
    with contextlib.ExitStack() as failed:
        with open(temporary, "xb") as file:
            failed.callback(os.unlink, temporary)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a power cut leaves no empty file of that name
        os.replace(temporary, path)
        failed.pop_all()


def crop_box(height: int, width: int, crop: str) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of a crop.

    Args:
      height: Of the image, pixels.
      width: Of the image, pixels.
      crop: "center", the largest centered square; "none", everything; or the side
        of a centered square in pixels, such as "178" for aligned CelebA.

    Raises:
      ValueError: If `crop` is none of these.
    """
    if crop == "none":
        return 0, 0, width, height
    if crop == "center":
        side = min(height, width)
    elif crop.isdigit() and int(crop) > 0:
        side = min(int(crop), height, width)
    else:
        raise ValueError(
            f"--crop must be one of {', '.join(CROPS)} or the side of a centered "
            f"square in pixels, such as 178; got {crop!r}."
        )
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def fit(element: dict, *, size: int, crop: str, filter: str = "bicubic") -> dict:
    """Crops and resizes an element of a source with its landmarks and face mask.

    The resize is to size x size whatever the shape, so that `crop="none"` distorts an
    image that is not square, as published pipelines do.

    Args:
      element: See `data_pipeline.datasets.elements`.
      size: Side of the result in pixels.
      crop: See `crop_box`.
      filter: Of the image, see `resize`; a face mask is always antialiased.
    """
    image = element["image"]
    box = crop_box(image.shape[0], image.shape[1], crop)
    fitted = dict(element, image=resize(image, size, size, box=box, filter=filter))
    if "landmarks" in element:
        # Pixel centers lie at half integers; the resize maps edges to edges.
        scale = np.array([size / (box[2] - box[0]), size / (box[3] - box[1])])
        points = (element["landmarks"] + 0.5 - np.array(box[:2])) * scale - 0.5
        fitted["landmarks"] = points.astype(np.float32)
    if "face_mask" in element:
        mask = element["face_mask"][..., 0] * np.uint8(255)
        mask = resize(mask, size, size, box=box) >= 128
        fitted["face_mask"] = mask.astype(np.uint8)[..., None]
    return fitted


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    *,
    box: tuple[int, int, int, int] | None = None,
    filter: str = "bicubic",
) -> np.ndarray:
    """Resizes uint8 [H, W, 3] or [H, W], optionally a box of it.

    "bicubic" is antialiased. "bilinear" is not: it mixes the four nearest pixels
    however small the result, as `tf.image.resize` and Keras's
    `image_dataset_from_directory` do by default, and rounds to whole levels.
    """
    box = box or (0, 0, image.shape[1], image.shape[0])
    if (height, width) == (box[3] - box[1], box[2] - box[0]):
        return np.ascontiguousarray(image[box[1] : box[3], box[0] : box[2]])
    if filter == "bilinear":
        part = image[box[1] : box[3], box[0] : box[2]].astype(np.float32)
        mixed = cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.rint(mixed).astype(np.uint8)
    resized = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BICUBIC, box=box
    )
    return np.asarray(resized)


def resize_unit(
    image: np.ndarray,
    height: int,
    width: int,
    box: tuple[int, int, int, int] | None = None,
) -> np.ndarray:
    """Resizes [H, W, C] in [0, 1], antialiased bicubic, clipped, in the image's dtype.

    As tf.image.resize with antialias=True, up to rounding. With a box (left, top,
    right, bottom, of the result) only that part is computed.
    """
    left, top, right, bottom = box or (0, 0, width, height)
    if image.shape[:2] == (height, width):
        return image[top:bottom, left:right]
    rows = _bicubic(image.shape[0], height)[top:bottom].astype(image.dtype)
    columns = _bicubic(image.shape[1], width)[left:right].astype(image.dtype)
    return _wide(np.tensordot(rows, image, (1, 0)), columns)


def resize_strips(
    read: Callable[[slice], np.ndarray], shape: tuple[int, int], height: int, width: int
) -> np.ndarray:
    """`resize_unit` of an image whose floats would not all fit into memory.

    Args:
      read: Takes a slice of rows and returns them, float [h, W, C] in [0, 1].
      shape: H and W.
      height: Of the result.
      width: Of the result.
    """
    if shape == (height, width):
        return read(slice(None))
    rows, columns = _bicubic(shape[0], height), _bicubic(shape[1], width)
    tall = 0  # [height, W, C] soon
    for part in strips(0, *shape):
        read_rows = read(part)
        tall += np.tensordot(rows[:, part].astype(read_rows.dtype), read_rows, (1, 0))
    return _wide(tall, columns.astype(tall.dtype))


def strips(start: int, stop: int, width: int) -> Iterator[slice]:
    """Cuts rows of a picture of a width into strips that are small as floats."""
    step = max(STRIP // width, 1)
    for first in range(start, stop, step):
        yield slice(first, min(first + step, stop))


def _wide(tall: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Resizes the other side of an image: [h, W, C], [w, W] -> [h, w, C]."""
    resized = np.moveaxis(np.tensordot(columns, tall, (1, 1)), 0, 1)
    return np.clip(resized, 0.0, 1.0)


@functools.lru_cache(maxsize=32)  # a folder's pictures often have few sizes
def _bicubic(source: int, target: int) -> np.ndarray:
    """The matrix [target, source] of a resize: Keys's cubic, wider when shrinking."""
    centers = (np.arange(target) + 0.5) * source / target
    x = np.arange(source) + 0.5 - centers[:, None]
    x = np.abs(x) / max(source / target, 1.0)
    near, far = (1.5 * x - 2.5) * x * x + 1.0, ((2.5 - 0.5 * x) * x - 4.0) * x + 2.0
    weights = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    return weights / weights.sum(axis=1, keepdims=True)


def bytes_to_unit(image: tf.Tensor | np.ndarray) -> tf.Tensor:
    """uint8 -> float32 in [0, 1]."""
    import tensorflow as tf  # here, as below: what only reads and draws does without

    return tf.cast(image, tf.float32) / 255.0


def bytes_to_signed(image: tf.Tensor | np.ndarray) -> tf.Tensor:
    """uint8 -> float32 in [-1, 1]."""
    return unit_to_signed(bytes_to_unit(image))


def unit_to_signed(image: tf.Tensor) -> tf.Tensor:
    """[0, 1] -> [-1, 1]."""
    return image * 2.0 - 1.0


def signed_to_unit(image: tf.Tensor) -> tf.Tensor:
    """[-1, 1] -> [0, 1], clipped."""
    import tensorflow as tf

    return tf.clip_by_value((image + 1.0) * 0.5, 0.0, 1.0)


def unit_to_bytes(image: tf.Tensor) -> tf.Tensor:
    """[0, 1] -> uint8, clipped and rounded; the inverse of `bytes_to_unit`."""
    import tensorflow as tf

    image = tf.clip_by_value(image, 0.0, 1.0)
    return tf.cast(tf.round(image * 255.0), tf.uint8)


def tile(rows: list[np.ndarray], *, gap: int = 2) -> np.ndarray:
    """One picture, uint8 [H, W, 3], of rows of pictures.

    Args:
      rows: Each uint8 [N, S, S, 3].
      gap: White pixels between pictures.
    """
    padding = ((0, 0), (0, gap), (0, gap), (0, 0))
    rows = [np.pad(row, padding, constant_values=255) for row in rows]
    tiled = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    return tiled[:-gap, :-gap]
