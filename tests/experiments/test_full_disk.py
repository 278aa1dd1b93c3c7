"""Every write, rename and fsync fails once: nothing half is ever taken for whole.

The k-th of them fails, for every k, alone or with all that follow, as on a full disk.
Then the command is started again, and ends as if nothing had happened.
"""

import builtins
import errno
import functools
import hashlib
import io
import itertools
import json
import os
import pathlib
import re
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from tiny import noise

from data_pipeline import disk, pixels
from evaluation.report import plots, write
from evaluation.report.report import Report
from experiments import compress, pack_model
from experiments.core import command_line
from serving.codec import container
from serving.export import codec as codec_export
from serving.export import saved_model
from serving.export.kinds import CODEC
from serving.zoo import package, zoo
from training import callbacks, history, loop
from training.checkpoints import Checkpoints
from training.history import History

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Injector:
    """Counts writes, renames and fsyncs of this process; some fail."""

    def __init__(self, patch):
        self.count, self.first, self.all = 0, 0, False
        for module, name in ((os, "replace"), (os, "rename"), (os, "fsync")):
            patch.setattr(module, name, self._failing(getattr(module, name)))
        for module in (io, builtins):
            patch.setattr(module, "open", self._opening(open))
        whole = tf.train.Checkpoint.write

        def save(checkpoint, prefix):
            """TensorFlow's, which writes from C++."""
            if self.fails():
                temporary = pathlib.Path(f"{prefix}_temp")
                temporary.mkdir(parents=True)
                (temporary / "part-00000-of-00001.index").touch()
                raise self._of_tensorflow()
            whole(checkpoint, prefix)
            if self.fails():  # renaming the second of two files
                os.unlink(f"{prefix}.index")
                raise self._of_tensorflow()

        patch.setattr(tf.train.Checkpoint, "write", save)

    def start(self, first, *, and_all_later):
        self.count, self.first, self.all = 0, first, and_all_later

    def fails(self):
        self.count += 1
        return self.count == self.first or (self.all and self.count > self.first > 0)

    def _of_tensorflow(self):
        return tf.errors.ResourceExhaustedError(None, None, f"ckpt; {FULL.strerror}")

    def _failing(self, original):
        def call(*arguments):
            if self.fails():
                raise OSError(*FULL.args)
            return original(*arguments)

        return call

    def _opening(self, original):
        def opened(file, mode="r", *arguments, **options):
            opened = original(file, mode, *arguments, **options)
            return opened if mode in ("r", "rb") else HalfWriter(opened, self)

        return opened


class HalfWriter:
    """A file; a write that fails leaves half of its data."""

    def __init__(self, file, injector):
        self._file, self._injector = file, injector

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def write(self, data):
        if self._injector.fails():
            self._file.write(data[: len(data) // 2])
            self._file.flush()
            raise OSError(*FULL.args)
        return self._file.write(data)


# What each command writes, and what of it counts as whole


class Train:
    """The callbacks of two rows, in the order of a run; and a run that goes on."""

    length = loop.Length(2, 1)

    def __init__(self, patch):
        pass

    def __call__(self, folder):
        steps, net = tf.Variable(0, dtype=tf.int64), tf.Variable([0.0])
        saved = Checkpoints({"steps": steps, "net": net}, folder)
        options = {"logs": folder / "logs", "length": self.length}
        path = folder / "history.csv"
        with disk.naming(folder, 4 * saved.size):
            if saved.restore():
                history.mend(path, **options, step=saved.steps)
            else:
                history.check_new(path)
            rows = History(path)
            rows.forget_after(saved.steps)
            save = callbacks.SaveCheckpoints(saved, rows, every_steps=0, best="val_l1")
            draw = callbacks.SamplePictures(
                lambda: noise(1, 4)[0],
                saved,
                self.length,
                folder=folder / "samples",
                log_dir=folder / "logs",
            )
            if not rows.rows:
                rows.add({"epoch": 0, "step": 0, "val_l1": 9.0})
            while saved.steps < 2:
                steps.assign_add(1)
                net.assign([float(saved.steps)])
                rows.add({"epoch": saved.steps, "step": saved.steps, "val_l1": 1.0})
                save.on_epoch_end(0)
                draw.on_epoch_end(0)

    def found(self, folder):
        rows = []
        if (folder / "history.csv").exists():
            rows = [row["step"] for row in History(folder / "history.csv").rows]
        for picture in (folder / "samples").glob("*.png"):
            pixels.read(picture)
        steps, net = tf.Variable(0, dtype=tf.int64), tf.Variable([0.0])
        for best in (False, True):
            saved = Checkpoints({"steps": steps, "net": net}, folder)
            if saved.best_step is None and best:
                continue
            if saved.restore_part(best=best):
                assert net.numpy()[0] == saved.steps
        return rows, int(steps.numpy()) if rows else 0


class Export:
    def __init__(self, patch):
        # A note in the cache, which may get lost.
        patch.setattr(saved_model.known, "remember", lambda folder: None)

    def __call__(self, folder):
        saved_model.recover(folder / "export" / "1")  # as every run begins
        old = self.found(folder)
        version = "new" if old else "old"

        class Model:
            weights = ()

            def save(self, path, **options):
                path.mkdir(parents=True)
                for name in ("saved_model.pb", "variables"):
                    (path / name).write_text(version * 9)

        config = {"version": version}
        saved_model.write(Model(), folder / "export" / "1", config=config)

    def found(self, folder):
        place = folder / "export" / "1"
        saved_model.recover(place)
        if not place.exists():
            return None
        version = saved_model.read_config(place)["version"]
        for name in ("saved_model.pb", "variables"):
            assert (place / name).read_text() == version * 9
        assert [path.name for path in folder.iterdir()] == ["export"]
        return version


class Pack:
    def __init__(self, patch):
        patch.setattr(
            pack_model.saved_model,
            "read_config",
            lambda folder: {"paper": "p", "kind": CODEC, "config": {}},
        )
        patch.setattr(pack_model, "_data", lambda *_: ("Set", "terms"))
        patch.setattr(pack_model, "compare", lambda *_: "Found.")
        patch.setattr(package, "unpack", lambda *_: None)

        def packed(folder, path):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("data", (folder / "data").read_bytes())
            return []

        patch.setattr(package, "pack", packed)

    def __call__(self, folder):
        model = folder / "model"
        if not model.exists():
            (model / "assets.extra").mkdir(parents=True)
            os.link(__file__, model / "data")
            os.link(__file__, model / "assets.extra" / "model_card.md")
        options = {"model": str(model), "output": str(folder / "zoo")}
        pack_model.pack(pack_model.Options(name="tiny", overwrite=True, **options))

    def found(self, folder):
        for entry in zoo.read_index(folder / "zoo").values():
            data = (folder / "zoo" / entry.file).read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry.sha256
            assert (folder / "zoo" / entry.card).exists()
            return True
        return False


class WriteReport:
    def __init__(self, patch):
        # Drawing takes most of the time.
        patch.setattr(plots, "png", lambda chart: b"png")
        patch.setattr(plots, "svg", lambda chart: "<svg></svg>")
        patch.setattr(write, "_environment", functools.cache(write._environment))
        self._number = itertools.count()

    def __call__(self, folder):
        title, given = f"T{next(self._number)}", {"ours": {"hole/l1_percent": {}}}
        entry = {"mean": 8.0, "low": 7.0, "high": 9.0, "count": 4}
        given["ours"] = {"hole/l1_percent": entry}
        rows = [{"name": "a", "images": [("ours", noise(1, 16)[0])]}]
        options = {"ours": ["ours"], "pictures": {"Faces": rows}}
        write.write_report(folder, Report(title, given, **options))

    def found(self, folder):
        if not (folder / "results.json").exists():
            return False
        results = json.loads((folder / "results.json").read_text())
        for name in ("report.md", "report.html"):
            assert results["title"] in (folder / name).read_text()
        (row,) = results["pictures"]["Faces"]
        assert pixels.read(folder / row["files"]["ours"]).shape == (16, 16, 3)
        return True


class Compress:
    model_id = bytes(8)
    images = (noise(1, 8)[0], noise(1, 8, seed=1)[0])

    def __init__(self, patch):
        patch.setattr(codec_export, "load", lambda *_, **__: self)
        patch.setattr(compress.zoo, "resolve", lambda name, *kinds: name)
        patch.setattr(compress.zoo, "fingerprint", lambda name, *kinds: name)

    def compress(self, image):
        return container.MAGIC + image.tobytes()

    def decompress(self, data):
        return np.frombuffer(data[4:], np.uint8).reshape(8, 8, 3)

    def __call__(self, folder):
        photos = folder / "photos"
        if not photos.exists():
            photos.mkdir()
            for number, image in enumerate(self.images):
                descriptor = os.open(photos / f"{number}.png", os.O_CREAT | os.O_WRONLY)
                os.write(descriptor, pixels.encode_png(image))
                os.close(descriptor)
        options = {"input": str(photos), "output": str(folder / "small")}
        compress.compress(compress.Options(model="tiny", **options))

    def found(self, folder):
        files = sorted((folder / "small").glob("*.fmc"))
        for path in files:
            image = self.images[int(path.stem)]
            assert path.read_bytes() == self.compress(image)
        return [path.name for path in files]


@pytest.mark.parametrize("all_later", [False, True], ids=["one", "all"])
@pytest.mark.parametrize("command", [Train, Export, Pack, WriteReport, Compress])
def test_nothing_half_is_taken_for_whole(
    tmp_path, monkeypatch, capsys, command, all_later
):
    job, inject = command(monkeypatch), Injector(monkeypatch)

    def whole(folder):
        inject.start(0, and_all_later=False)
        return job.found(folder)

    reference = tmp_path / "whole"
    reference.mkdir()
    job(reference)
    first_time = inject.count
    inject.count = 0
    if command is not Train:
        job(reference)  # again, over what is there
    count, expected = max(first_time, inject.count), whole(reference)
    assert first_time >= 4 and expected
    for k in range(1, count + 1):
        folder = tmp_path / str(k)
        folder.mkdir()
        if command in (Export, WriteReport, Pack):
            job(folder)  # so that there is something to replace
        inject.start(k, and_all_later=all_later)
        with pytest.raises((OSError, tf.errors.OpError)) as failed:
            job(folder)
        said = command_line.explained(failed.value)
        assert (
            said.startswith("The disk of ") and "start the same command again" in said
        )
        assert re.search(r"\d (bytes|kB) are needed and [\d,]+ (MB|GB) are free", said)
        whole(folder)
        job(folder)
        assert whole(folder) == expected, k
        inject.start(0, and_all_later=False)
