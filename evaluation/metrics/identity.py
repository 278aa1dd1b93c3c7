"""Identity: whether a face embedding takes a restored face for the same person.

The similarity is the cosine of the embeddings of both. Where the embedding says from
which cosine on it takes two faces for one person, the share of such faces is the
verification rate.

`experiments.face_descriptor` puts a published embedding into the cache, where `resolve`
finds it; `load` also takes a user's own, as a SavedModel. Values of different
embeddings are not comparable; `Similarity.sha256_prefix` identifies one.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf

from data_pipeline import choices, machine, pixels
from data_pipeline.landmarks import similarity

# Range the embedding was trained on -> conversion from uint8.
INPUT_RANGES = {
    "unit": pixels.bytes_to_unit,
    "signed": pixels.bytes_to_signed,
    "bytes": lambda image: tf.identity(image),
}
_LIMITS = {"unit": "[0, 1]", "signed": "[-1, 1]", "bytes": "[0, 255]"}
_SIGNATURE = "serving_default"
_WAY_OUT = "Or leave --embedding out, to do without identity similarity."

CACHED = pathlib.Path("face_descriptor", "1")  # in the folder for caches
_FACTS = pathlib.Path("assets.extra", "embedding.json")
_PAIRED = 2000  # images of which all pairs are compared


@dataclasses.dataclass(frozen=True)
class Facts:
    """What an embedding's assets.extra/embedding.json says of it; all may be missing.

    Attributes:
      title: Its name in reports.
      anchors: Where it wants both eyes and the middle of the mouth, as x and y in
        shares of its input's sides.
      threshold: The cosine from which on two faces are of one person.
      false_accept_percent: How many pairs of different people have that cosine.
      measured_on: On which faces.
    """

    title: str = ""
    anchors: Sequence[Sequence[float]] = ()
    threshold: float | None = None
    false_accept_percent: float | None = None
    measured_on: str = ""

    @classmethod
    def read(cls, folder: pathlib.Path) -> Facts:
        """Reads the file, if there is one; a ValueError if it is damaged."""
        path = folder / _FACTS
        try:
            found = json.loads(path.read_text()) if path.exists() else {}
            names = {field.name for field in dataclasses.fields(cls)}
            facts = cls(**{name: found[name] for name in names & set(found)})
            if len(facts.anchors) not in (0, 3):
                raise ValueError('"anchors" must be three [x, y]')
            stated = (facts.threshold, facts.false_accept_percent, facts.measured_on)
            if facts.threshold is not None and not all(stated):
                raise ValueError(
                    '"threshold" needs "false_accept_percent" and "measured_on"'
                )
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"--embedding={folder}: its {_FACTS} is damaged ({error}). Write it "
                f"anew, or delete it. {_WAY_OUT}"
            ) from error
        return facts


class Similarity:
    """`(target, composite, names) -> [B]` float32, the cosine of two embeddings.

    Images are RGB [B, H, W, 3] in [0, 1]. Each is rounded to uint8 and resized to the
    input of the embedding: the part that the embedding wants, where both say where the
    face is (see `located`), and the whole image otherwise; an embedding that was
    trained on tighter crops of the face sees smaller faces then. The cosine is NaN for
    an image whose landmarks are.

    Attributes:
      name: Of the folder that was loaded.
      output: Which of the outputs is compared.
      facts: What its maker says of it.
      sha256_prefix: First 16 hex digits of a checksum of the folder's files and names.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        output: str,
        image: tf.TensorSpec,
        input_range: str,
        run: Callable[[tf.Tensor], Mapping[str, tf.Tensor]],
        facts: Facts | None = None,
    ):
        self.name, self.output, self.facts = folder.name, output, facts or Facts()
        self.sha256_prefix = _sha256(folder)[:16]
        self._folder, self._image, self._run = folder, image, run
        self._input_range = input_range
        self._landmarks: Mapping[str, np.ndarray] | None = None
        # Every restorer of a batch is compared with the same originals.
        self._target = self._originals = None
        self._seen: dict[str, np.ndarray] = {}

    def located(self, landmarks: Mapping[str, np.ndarray]) -> Similarity:
        """The same for images whose landmarks are known.

        Args:
          landmarks: {image name: float [5, 2]}; see `data_pipeline.datasets.elements`.
        """
        located = copy.copy(self)
        located._landmarks, located._target, located._seen = landmarks, None, {}
        return located

    @property
    def aligns(self) -> bool:
        """Whether it sees faces where it wants them."""
        return bool(self.facts.anchors) and self._landmarks is not None

    def __call__(
        self, target: np.ndarray, composite: np.ndarray, names: Sequence[str]
    ) -> np.ndarray:
        """Compares; a ValueError names an image whose embedding is zero or NaN."""
        if self._target is None or not np.array_equal(target, self._target):
            self._originals = self.directions(target, names, "original")
            self._target = np.array(target)  # a copy: the caller may change it
            self._seen.update(zip(map(str, names), self._originals))
        completed = self.directions(composite, names, "completed")
        return (self._originals * completed).sum(axis=1).astype(np.float32)

    def directions(
        self, images: np.ndarray, names: Sequence[str], which: str = "original"
    ) -> np.ndarray:
        """Embeddings of length 1, float64 [B, D]; NaN where the landmarks are."""
        prepared, where = self._prepare(images, names)
        if not where.any():
            return np.full([len(images), 1], np.nan)
        embedded = np.asarray(self._run(prepared)[self.output], np.float64)
        embedded = embedded.reshape(len(prepared), -1)
        lengths = np.linalg.norm(embedded, axis=1, keepdims=True)
        broken = ~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)
        if broken.any():
            names = np.asarray(names)[where]
            raise ValueError(
                f"--embedding={self._folder}: its output {self.output!r} is zero, NaN "
                f"or infinite for the {which} image {names[int(np.argmax(broken))]}; "
                "an embedding must have a direction to compare. It was given images "
                f"in {_LIMITS[self._input_range]}; was it trained on another of "
                f"{', '.join(INPUT_RANGES)}? Then say so with --embedding_range. "
                f"{_WAY_OUT}"
            )
        directions = np.full([len(images), embedded.shape[1]], np.nan)
        directions[where] = embedded / lengths
        return directions

    def false_accepts(
        self, people: Mapping[str, str] | None = None
    ) -> tuple[float, int]:
        """How often it takes different originals that it has seen for one person.

        All pairs of the first 2,000 of them are compared.

        Args:
          people: {image name: person}. Without it every two images count as different
            people, though some may be of one.

        Returns:
          The share in percent, NaN without a pair or a threshold; the number of pairs.
        """
        seen = {n: row for n, row in self._seen.items() if np.isfinite(row).all()}
        names = [*seen][:_PAIRED]
        rows, columns = np.triu_indices(len(names), 1)
        shown = np.array([(people or {}).get(name, name) for name in names], object)
        different = shown[rows] != shown[columns]
        count = int(different.sum())
        if not count or self.facts.threshold is None:
            return float("nan"), count
        directions = np.stack([seen[name] for name in names])
        cosines = (directions @ directions.T)[rows, columns][different]
        return 100 * float((cosines >= self.facts.threshold).mean()), count

    def _prepare(
        self, images: np.ndarray, names: Sequence[str]
    ) -> tuple[tf.Tensor, np.ndarray]:
        """Images as the embedding wants them, and which have a face, bool [B].

        Float32 [B, H, W, 3] in [0, 1] -> size, range and dtype of the input.
        """
        sides = zip(self._image.shape[1:3], images.shape[1:3])
        height, width = (wanted or given for wanted, given in sides)
        stored = pixels.unit_to_bytes(images).numpy()
        where = np.ones(len(images), bool)
        if self.aligns:
            points = np.stack([_anchors(self._landmarks[str(name)]) for name in names])
            where = np.isfinite(points).all(axis=(1, 2))
            wanted = np.asarray(self.facts.anchors) * (width, height) - 0.5
            resized = [
                cv2.warpAffine(image, similarity(face, wanted), (width, height))
                for image, face in zip(stored[where], points[where])
            ]
        else:
            resized = [pixels.resize(image, height, width) for image in stored]
        shaped = np.reshape(resized, [-1, height, width, 3]).astype(np.uint8)
        prepared = tf.cast(INPUT_RANGES[self._input_range](shaped), self._image.dtype)
        return prepared, where


def _anchors(landmarks: np.ndarray) -> np.ndarray:
    """Five landmarks [5, 2] -> both eyes and the middle of the mouth, [3, 2]."""
    points = np.asarray(landmarks, np.float64)
    return np.stack([points[0], points[1], points[3:].mean(axis=0)])


def verified_percent(cosines: np.ndarray, threshold: float) -> np.ndarray:
    """100 where two faces are taken for one person, 0 where not, NaN where unknown."""
    return np.where(np.isnan(cosines), np.nan, 100.0 * (cosines >= threshold))


def resolve(path: str) -> pathlib.Path | None:
    """Finds the embedding: that of --embedding, else the cached one, else None."""
    if path:
        return pathlib.Path(path).expanduser()
    places = (folder / CACHED for folder in machine.cache_folders())
    return next((place for place in places if place.is_dir()), None)


def load(path: str | os.PathLike, input_range: str = "unit") -> Similarity:
    """Loads a face embedding.

    Args:
      path: A SavedModel folder with the signature `serving_default`, or one that Keras
        wrote. Its only input is RGB [B, h, w, 3], floats or integers, h and w fixed or
        open. The embedding is the first output, by name, that holds at least two
        floats an image.
      input_range: Range of its training images: "unit" [0, 1], "signed" [-1, 1] or
        "bytes" [0, 255].

    Raises:
      ValueError: If the folder is no SavedModel or cannot be loaded, has other inputs
        or no such output, or integer inputs together with "unit" or "signed".
    """
    choices.check_choice("embedding_range", input_range, tuple(INPUT_RANGES))
    folder = pathlib.Path(path).expanduser()
    inputs, outputs, run = _open(folder)
    image = next(iter(inputs.values()), None)
    if len(inputs) != 1 or not _holds_images(image):
        raise ValueError(
            f"--embedding={folder}: an embedding must have one input, RGB images "
            f"[B, h, w, 3] in a batch of any size; its inputs are {_shown(inputs)}. "
            f"Export it again with such a {_SIGNATURE} signature. {_WAY_OUT}"
        )
    if not image.dtype.is_floating and input_range != "bytes":
        raise ValueError(
            f"--embedding={folder}: its input is {image.dtype.name}, which cannot hold "
            f"{_LIMITS[input_range]}; pass --embedding_range=bytes. {_WAY_OUT}"
        )
    output = next((n for n in sorted(outputs) if _holds_vectors(outputs[n])), None)
    if output is None:
        raise ValueError(
            f"--embedding={folder}: an embedding must have an output of two floats or "
            f"more an image; its outputs are {_shown(outputs)}. Export it again "
            f"without the layers after the embedding. {_WAY_OUT}"
        )
    return Similarity(folder, output, image, input_range, run, Facts.read(folder))


def _open(folder: pathlib.Path) -> tuple[dict, dict, Callable]:
    """The inputs and outputs, {name: spec}, and images -> {name: output}."""
    if not tf.saved_model.contains_saved_model(str(folder)):
        raise ValueError(
            f"--embedding={folder}: no SavedModel is here. Pass the folder that holds "
            "saved_model.pb, such as Keras writes with model.save(FOLDER). "
            f"{_WAY_OUT}"
        )
    try:
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures.get(_SIGNATURE)
        if signature is None and (folder / "keras_metadata.pb").is_file():
            return _keras(tf.keras.models.load_model(folder, compile=False))
    # TensorFlow raises many kinds of errors on damaged files and unknown operations.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"--embedding={folder}: TensorFlow {tf.__version__} cannot load this "
            f"SavedModel ({reason[:300]}). Export it again, with TensorFlow's "
            f"own operations only. {_WAY_OUT}"
        ) from error
    if signature is None:
        raise ValueError(
            f"--embedding={folder}: a SavedModel that Keras did not write needs the "
            f"signature {_SIGNATURE}; it has {', '.join(loaded.signatures) or 'none'}. "
            f"Export it again with signatures={{{_SIGNATURE!r}: FUNCTION}}. {_WAY_OUT}"
        )
    inputs = signature.structured_input_signature[1]

    def run(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return signature(**dict.fromkeys(inputs, images))

    return inputs, signature.structured_outputs, run


def _keras(model: tf.keras.Model) -> tuple[dict, dict, Callable]:
    """Like `_open`, for a Keras model that was saved without signatures."""

    def run(images: tf.Tensor) -> Mapping[str, tf.Tensor]:
        outputs = tf.nest.flatten(model(images, training=False))
        return dict(zip(model.output_names, outputs))

    # A subclassed model has no inputs here, which is reported as an error.
    inputs, outputs = model.inputs or [], model.outputs or []
    return (
        dict(zip(model.input_names or [], inputs)),
        dict(zip(model.output_names or [], outputs)),
        run,
    )


def _holds_images(spec: tf.TensorSpec) -> bool:
    shape = spec.shape
    return shape.rank == 4 and shape[0] is None and shape[3] == 3


def _holds_vectors(spec: tf.TensorSpec) -> bool:
    """Whether there are at least two floats an image, as far as the shape is known."""
    shape = spec.shape
    several = shape.rank is None or (shape.rank > 1 and shape[1:].num_elements() != 1)
    return spec.dtype.is_floating and several


def _shown(specs: Mapping[str, tf.TensorSpec]) -> str:
    """Such as "face float32 [None, 112, 112, 3]"."""
    shown = [
        f"{name} {spec.dtype.name} "
        + (str(spec.shape.as_list()) if spec.shape.rank is not None else "[...]")
        for name, spec in sorted(specs.items())  # a SavedModel keeps no order
    ]
    return ", ".join(shown) or "none"


def _sha256(folder: pathlib.Path) -> str:
    """A checksum of every file and its name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
