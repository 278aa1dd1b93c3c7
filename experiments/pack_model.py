r"""Packs an exported model for the repository's zoo, where commands find it by name.

  facemend pack_model --model=runs/model3/export/1 \
      --name=skip_inpainting_restorer

writes NAME.zip, the export with its weights in float16, its card NAME.md, and its entry
in models.json to --output. The package is opened and compared with the original on
drawn faces. If it differs much, or makes all packages larger than 30 MB, nothing is
written. A name that is taken needs --overwrite; that of a codec is never given again.

  facemend pack_model --again=cvae,portrait_codec

packs models of --output again, with the same weights: their cards are put inside, and
restorers get the graph that exports have today. Pixels and files stay as they are.

  facemend pack_model --retire=portrait_lambda_0.01

leaves of a codec what reads its files: it writes none any more, and is not offered.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import re
import shutil
import statistics
import tempfile
import textwrap
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from data_pipeline import disk, pixels
from data_pipeline.choices import check_choice
from data_pipeline.drawn_faces import draw
from evaluation.metrics.measure import psnr_db_uint8
from evaluation.tables import counted
from experiments.core import cards, command_line, environment, networks
from experiments.core.command_line import hp
from experiments.core.run import Run
from experiments.core.system import load
from serving.export import codec, known, saved_model
from serving.export.kinds import CODEC, INPAINTING, kind_of
from serving.photo.restorer import PhotoRestorer
from serving.zoo import package, zoo

MAX_BYTES = 30_000_000  # of all packages, which every clone contains
_FACES = 8  # drawn, to compare on
# Rounding weights moves pixels by hundredths of a level. A network whose pixels move
# more than this does not suit float16.
_MAX_MEAN, _MAX_LARGEST = 0.25, 4.0  # of restored pixels, in 1/255
_MAX_LOSS_DB, _MAX_GROWTH = 0.05, 0.01  # of a codec's pictures, and of its files

# The title and the terms of each data set, as `data_pipeline` has them.
_DATA = {
    "lfw": (
        "Labeled Faces in the Wild",
        "LFW is public, for research; its authors warn that results on it do not show "
        "fitness for commercial use",
    ),
    "celeb_a": ("CelebA", "CelebA is for non-commercial research"),
    "celeb_a_hq": ("CelebA-HQ", "CelebA-HQ is for non-commercial research"),
    "faces": ("Drawn faces", "Apache-2.0, like the program that draws them"),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Flags of the command."""

    model: str = hp("", "Folder of an exported model.")
    name: str = hp("", "The name for users, such as skip_inpainting_restorer.")
    trained_on: str = hp(
        "", "What made it, in words; by default data, length and --initial of its run."
    )
    output: str = hp("pretrained", "Folder of the packages and of models.json.")
    overwrite: bool = hp(False, "Replace the model of that name, unless it is a codec.")
    again: tuple[str, ...] = hp((), "Packages of --output to pack again.")
    retire: tuple[str, ...] = hp((), "Codecs of --output that shall only read.")

    def __post_init__(self):
        command_line.require(output=self.output)
        command_line.check_folder("output", self.output)
        if self.again or self.retire:
            return
        command_line.require(model=self.model, name=self.name)
        # Names of files and addresses of servers contain it.
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", self.name):
            raise ValueError(
                "--name takes a to z, digits, '_', '.' and '-', and does not begin "
                f"with these three; got {self.name!r}."
            )


def main() -> None:
    """The command line."""
    command_line.define_flags(Options)
    command_line.run(lambda: pack_all(command_line.from_flags(Options)))


def pack_all(options: Options) -> None:
    """Packs a model, or each of --again."""
    if not options.again and not options.retire:
        pack(options)
    for name in options.retire:
        retire(name, pathlib.Path(options.output))
    for name in options.again:
        pack_again(name, pathlib.Path(options.output))


def pack(options: Options) -> None:
    """Writes a package, its card and its entry.

    Raises:
      FileNotFoundError: If --model is no export.
      ValueError: If the name is taken, the model contains local paths or was trained on
        data of unknown terms, or the package differs too much or is too large.
    """
    folder, output = pathlib.Path(options.model), pathlib.Path(options.output)
    _check_free(options.name, output, overwrite=options.overwrite)
    known.tell(folder)
    config = saved_model.read_config(folder)
    title, terms = _data(folder, config)
    with tempfile.TemporaryDirectory() as place:
        path, packed = pathlib.Path(place, "package.zip"), pathlib.Path(place, "1")
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        with disk.naming(place, 4 * size):  # the export, in halves, zipped, unpacked
            exact = package.pack(folder, path)
            package.unpack(path, packed)
        found = compare(folder, packed)
        ids = codec.model_ids(saved_model.read_config(packed))
        data = path.read_bytes()
    kept = f"{len(exact)} of its tensors stay float32" if exact else "all of it float16"
    print(f"{options.name}: {kept}. {found}")
    entry = zoo.Entry(
        name=options.name,
        file=f"{options.name}.zip",
        sha256="",  # of the package, which the card is still put into
        bytes=0,
        paper=config["paper"],
        card=f"{options.name}.md",
        results=f"results/{config['paper']}.json",
        trained_on=options.trained_on or f"{title}{_length(config['config'])}",
        license=f"The weights carry the terms of their data: {terms}.",
        kind=kind_of(config),
        codec_ids=ids,
    )
    card = (folder / package.CARD).read_text(encoding="utf-8")
    card = package_card(card, entry, found)
    report = folder.resolve().parent.parent / "report" / "results.json"
    if report.exists():  # the export lies in its run
        measured = json.loads(report.read_text())
        (label,) = measured["ours"][:1]
        made = measured["summary"][label], measured["environment"]
        system = load(config["paper"])
        keys = (*system.headline, *system.tabled)
        card = cards.head(entry, config, *made, keys) + card
    write(data, card, entry, output)


def _check_free(name: str, output: pathlib.Path, *, overwrite: bool) -> None:
    """Raises a ValueError if a name is taken and may not be given to another model."""
    entry = zoo.read_index(output).get(name)
    if entry and entry.codec_ids:
        raise ValueError(
            f"--name={name} is a codec in {output / zoo.INDEX}, whose files only it "
            "reads: another model may not take its place. Choose a new name, and pass "
            f"--retire={name} if the new one replaces it."
        )
    if entry and not overwrite:
        raise ValueError(
            f"--name={name} is in {output / zoo.INDEX} already. Choose a new name, or "
            "pass --overwrite to replace that model and its card."
        )


def pack_again(name: str, output: pathlib.Path) -> None:
    """Packs a model of `output` again: its weights, a graph of today, its card.

    Raises:
      ValueError: If there is no such model, or it would not be the same.
    """
    entries = zoo.read_index(output)
    check_choice("again", name, entries)
    entry = entries[name]
    card = cards.in_package((output / entry.card).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        path, old = pathlib.Path(place, "package.zip"), pathlib.Path(place, "1")
        shutil.copy(output / entry.file, path)
        if entry.kind == INPAINTING:
            package.unpack(path, old)
            fresh = _export_again(old, pathlib.Path(place, "run"), card)
            package.pack(fresh, path)
            _check_same(old, fresh)
        data = path.read_bytes()
    write(data, card, entry, output)


def retire(name: str, output: pathlib.Path) -> None:
    """Packs a codec of `output` again as one that reads its files and writes none.

    Raises:
      ValueError: If there is no such codec, or its pictures would not be the same.
    """
    entries = zoo.read_index(output)
    codecs = [each for each, entry in entries.items() if entry.kind == CODEC]
    check_choice("retire", name, codecs)
    entry = entries[name]
    if entry.retired:
        return
    card = cards.in_package((output / entry.card).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as place:
        old, fresh = pathlib.Path(place, "old", "1"), pathlib.Path(place, "new", "1")
        path = pathlib.Path(place, "package.zip")
        package.unpack(output / entry.file, old)
        codec.save_reader(old, fresh)
        package.pack(fresh, path)
        writer, reader = codec.load(old), codec.load(fresh)
        for image in _faces(saved_model.read_config(old)["image_size"]):
            file = writer.compress(image)
            if not np.array_equal(writer.decompress(file), reader.decompress(file)):
                raise ValueError(f"{name} alone would draw other pictures.")
        data = path.read_bytes()
    start, heading, rest = card.partition("\n## ")
    card = f"{start}{_RETIRED}{heading}{rest}"
    write(data, card, dataclasses.replace(entry, retired=True), output)


def _export_again(folder: pathlib.Path, run: pathlib.Path, card: str) -> pathlib.Path:
    """Exports the weights of a restorer's export, in the graph of today."""
    facts = saved_model.read_config(folder)
    system = load(facts["paper"])
    known.remember(folder)
    config, weights, _ = networks.exported(system, str(folder))
    network = system.build_network(config)
    network.set_weights(weights)
    config = dataclasses.replace(config, workdir=str(run))
    made = Run(system, config, facts["preset"])
    return system.export(made, network, facts=facts, card=card)


def _check_same(old: pathlib.Path, fresh: pathlib.Path) -> None:
    """Raises a ValueError if weights or restored pixels of two restorers differ."""
    models = [tf.saved_model.load(str(folder)) for folder in (old, fresh)]
    before, after = map(saved_model.weights_of, models)
    same = len(before) == len(after) and all(map(np.array_equal, before, after))
    if not same:
        raise ValueError("Exported again, the model has other weights.")
    if (largest := _differences(old, fresh)[1]) > 0:
        raise ValueError(
            f"Exported again, the model restores other pixels: {largest:.3g} of 255 "
            "levels at most."
        )


def write(data: bytes, card: str, entry: zoo.Entry, output: pathlib.Path) -> None:
    """Writes a package with a card inside, that card beside it, and their entry.

    Raises:
      ValueError: If all packages would be too large.
    """
    data = package.with_card(data, card)
    print(f"{entry.file}: {len(data):,} bytes.")
    entry = dataclasses.replace(
        entry, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data)
    )
    entries = {**zoo.read_index(output), entry.name: entry}
    total = sum(entry.bytes for entry in entries.values())
    print(f"All packages: {total:,} of at most {MAX_BYTES:,} bytes.")
    if total > MAX_BYTES:
        raise ValueError(
            f"The packages of {output} would have {total:,} bytes, over the limit of "
            f"{MAX_BYTES:,}. Take another one out of {zoo.INDEX}."
        )
    pixels.write_bytes(output / entry.file, data)
    pixels.write_bytes(output / entry.card, cards.with_package(card, entry).encode())
    listed = [
        # Without empty fields: only codecs have `codec_ids`.
        {key: value for key, value in dataclasses.asdict(entry).items() if value}
        for _, entry in sorted(entries.items())
    ]
    index = json.dumps({zoo.LIST: listed}, indent=2, ensure_ascii=False) + "\n"
    pixels.write_bytes(output / zoo.INDEX, index.encode())


def compare(folder: pathlib.Path, packed: pathlib.Path) -> str:
    """Describes, in a sentence, how a package differs from the original in `folder`.

    Raises:
      ValueError: If it differs too much.
    """
    config = saved_model.read_config(folder)
    if kind_of(config) == INPAINTING:
        return _compare_restorers(folder, packed)
    return _compare_codecs(folder, packed, config["image_size"])


def _compare_restorers(folder: pathlib.Path, packed: pathlib.Path) -> str:
    mean, largest = _differences(folder, packed)
    found = (
        f"On {_FACES} drawn faces, restored pixels differ from those of the float32 "
        f"model by {mean:.3f} of 255 levels in the mean and {largest:.2f} at most."
    )
    # In this direction NaN exceeds any limit.
    return _checked(found, mean <= _MAX_MEAN and largest <= _MAX_LARGEST)


def _differences(folder: pathlib.Path, packed: pathlib.Path) -> tuple[float, float]:
    """The mean and the largest difference of restored pixels, in 1/255."""
    original, other = PhotoRestorer(folder), PhotoRestorer(packed)
    size = original.size
    start, stop = (round(end * size) for end in original.hole)
    hole = np.zeros((size, size), bool)
    hole[start:stop, start:stop] = True
    differences = []
    for image in _faces(size):
        image = pixels.bytes_to_unit(image).numpy()
        pair = [model.restore_crop(image, hole)[hole] for model in (original, other)]
        differences.append(255 * np.abs(pair[0] - pair[1]))
    return np.mean(differences), np.max(differences)


def _compare_codecs(folder: pathlib.Path, packed: pathlib.Path, size: int) -> str:
    sizes, psnrs = [], []
    for model in (codec.load(folder), codec.load(packed)):
        images = _faces(size)
        files = [model.compress(image) for image in images]
        sizes.append(sum(map(len, files)))
        pairs = zip(images, map(model.decompress, files))
        psnrs.append(statistics.fmean(psnr_db_uint8(*pair) for pair in pairs))
    found = (
        f"{_FACES} drawn faces take {sizes[1]:,} bytes at {psnrs[1]:.3f} dB, and "
        f"{sizes[0]:,} at {psnrs[0]:.3f} dB with the float32 model, which does not "
        "read this one's files."
    )
    good = psnrs[0] - psnrs[1] <= _MAX_LOSS_DB
    return _checked(found, good and sizes[1] <= (1 + _MAX_GROWTH) * sizes[0])


def _checked(found: str, good: bool) -> str:
    if not good:
        raise ValueError(
            f"{found} That is too much: this network cannot be packed in float16."
        )
    return found


def _faces(size: int) -> list[np.ndarray]:
    """Drawn faces, uint8 [S, S, 3], as near to that size as they can be."""
    size = min(max(size, draw.MIN_SIZE), draw.MAX_SIZE)
    faces = (draw.draw(index, size=size) for index in range(_FACES))
    return [face["image"] for face in faces]


def _data(folder: pathlib.Path, config: Mapping) -> tuple[str, str]:
    """The title and the terms of the training data; checks that both may be told."""
    config_class = load(config["paper"]).config_class
    if environment.shareable(config_class, config["config"]) != config["config"]:
        raise ValueError(
            f"The config.json of {folder} contains local paths. Export it again with "
            "--stages=export, which leaves them out."
        )
    dataset = config["config"]["dataset"]
    if dataset not in _DATA:
        raise ValueError(
            f"{folder} was trained on --dataset={dataset}, whose terms are not known "
            f"here. Models of {', '.join(_DATA)} can be packed."
        )
    title, terms = _DATA[dataset]
    if extra := config["config"].get("extra_dir"):
        if "celeba" not in extra.lower():
            raise ValueError(
                f"{folder} was trained on photographs of --extra_dir={extra} as well, "
                "whose terms are not known here. Those of a folder whose name has "
                "celeba in it are taken for CelebA's."
            )
        more, other_terms = _DATA["celeb_a"]
        title, terms = f"{title} and {more} ({extra})", f"{terms}; {other_terms}"
    return title, terms


def _length(config: Mapping) -> str:
    """The length of the training, such as ", 8 epochs", and the run it began from."""
    unit = "epochs" if "epochs" in config else "steps"
    length = ""
    if unit in config:
        length = f", {counted(config[unit], unit.removesuffix('s'))}"
    begun = f", initialized from {config['initial']}" if config.get("initial") else ""
    return length + begun


_RETIRED = """
## Retired

A better codec took its place. This package holds what reads its files, and writes none.
"""
_USE = "## How to use it\n"
_WIDTH = 88  # characters


def package_card(card: str, entry: zoo.Entry, found: str) -> str:
    """Makes the card of a package from its export's, which names `export/1`."""
    section = _section(entry, found)
    start, use, rest = card.partition(_USE)
    if not use:
        return f"{card.rstrip()}\n\n{section}"
    rest = rest.replace('"export/1"', "folder")  # which the section defines
    rest = rest.replace("--model=export/1", f"--model={entry.name}")
    return f"{start}{section}\n{use}{rest.rstrip()}\n"


def _section(entry: zoo.Entry, found: str) -> str:
    what = (
        f"`{entry.file}` is this model with its weights rounded to float16; the "
        f"results in this card are those of the float32 model. {found}"
    )
    data = f"It was trained on: {entry.trained_on}. {entry.license}"
    return f"""\
## This package
Commands take its name, `--model={entry.name}`, and in Python:

```python
from serving import zoo

folder = zoo.resolve("{entry.name}")  # a SavedModel in float32, unpacked once
```

{textwrap.fill(what, _WIDTH)}

{textwrap.fill(data, _WIDTH)}
"""


if __name__ == "__main__":
    main()
