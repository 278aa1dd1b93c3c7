"""Damaged checkpoints and histories: what is used instead, and what is said."""

import re
import resource
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

from training import callbacks, files, history, loop
from training.checkpoints import Checkpoints, DamagedCheckpointError
from training.history import History


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def emptied(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"\xff no such thing \0" * 9)


def gone(path):
    path.unlink()


DAMAGE = (cut, zeroed, flipped, emptied, garbage, gone)


def items(value=0.0):
    return {
        "steps": tf.Variable(0, dtype=tf.int64),
        "net": tf.Variable(np.full([50], value, np.float32)),
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Checkpoints of steps 3,500 and 4,000; the best is of 3,000."""
    folder = tmp_path_factory.mktemp("checkpoints")
    saved = items()
    checkpoints = Checkpoints(saved, folder)
    for step in (3000, 3500, 4000):
        saved["steps"].assign(step)
        saved["net"].assign(np.full([50], step))
        checkpoints.save()
        if step == 3000:
            checkpoints.save_best()
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")


def restored(folder):
    """The step that a run goes on from; its weights are that step's."""
    found = items()
    assert Checkpoints(found, folder).restore()
    step = int(found["steps"].numpy())
    np.testing.assert_array_equal(found["net"], np.full([50], step))
    return step


@pytest.mark.parametrize("early", [False, True], ids=["summed", "early"])
@pytest.mark.parametrize("suffix", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_the_newest_whole_checkpoint_is_used(folder, capsys, damage, suffix, early):
    if early:  # versions without checksums
        for path in folder.rglob("*.json"):
            path.unlink()
    damage(folder / "last" / f"ckpt-4000.{suffix}")
    assert restored(folder) == 3500
    said = r"last: step 4,000 is damaged \(.*ckpt-4000.*\), went back to 3,500\."
    assert re.search(said, capsys.readouterr().err)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["checkpoint", "ckpt-4000.json"])
def test_no_checkpoint_is_lost_with_the_files_beside_it(folder, damage, name):
    damage(folder / "last" / name)
    # A checksum of one other digit may be that of another checkpoint.
    changed = name.endswith("json") and damage is flipped
    assert restored(folder) == (3500 if changed else 4000)
    found = items()
    run = Checkpoints(found, folder)
    assert run.restore()
    found["steps"].assign(4500)
    run.save()
    assert tf.train.latest_checkpoint(str(folder / "last")).endswith("-4500")


def test_a_run_that_has_gone_back_replaces_what_was_damaged(folder, capsys):
    gone(folder / "last" / "ckpt-4000.index")
    found = items()
    run = Checkpoints(found, folder)
    run.restore()
    for step, kept in ((3600, {3500, 3600}), (4000, {3600, 4000})):
        found["steps"].assign(step)
        found["net"].assign(np.full([50], step))
        run.save()
        names = {path.name for path in (folder / "last").glob("*.index")}
        assert names == {f"ckpt-{each}.index" for each in kept}
    capsys.readouterr()
    assert restored(folder) == 4000
    assert capsys.readouterr().err == ""


def test_the_best_one_is_the_last_resort(folder, capsys):
    for step in (3500, 4000):
        flipped(folder / "last" / f"ckpt-{step}.data-00000-of-00001")
    assert restored(folder) == 3000
    said = capsys.readouterr().err
    assert "step 4,000 is damaged" in said and "step 3,500 is damaged" in said
    assert "went back to the best one, 3,000." in said
    shutil.rmtree(folder / "last")
    assert restored(folder) == 3000
    assert "no checkpoint is left, went back to the best" in capsys.readouterr().err
    flipped(folder / "best" / "ckpt-3000.index")
    with pytest.raises(DamagedCheckpointError, match=r"3,000 is damaged .*--workdir"):
        restored(folder)


def test_without_a_whole_one_nothing_begins_anew(folder):
    for path in folder.rglob("*.index"):
        path.unlink()
    text = r"4,000 is damaged .*ckpt-4000.index is gone.* 3,500 is .*another --workdir"
    for restore in (Checkpoints.restore, Checkpoints.restore_part):
        with pytest.raises(DamagedCheckpointError, match=text):
            restore(Checkpoints(items(), folder))


def test_a_first_save_that_was_cut_off_is_no_damage(folder):
    """Its process was killed between two files, or the disk was full."""
    for name in ("best", "last"):
        for path in (folder / name).iterdir():
            if not path.name.endswith("data-00000-of-00001"):
                path.unlink()
    assert not Checkpoints(items(), folder).restore()


@pytest.mark.parametrize("limit", [0, 100, 250])
def test_what_tensorflow_cannot_write_leaves_the_earlier_ones(folder, limit):
    """A limit on the size of files stands for a full disk."""
    found = items()
    run = Checkpoints(found, folder)
    run.restore()
    found["steps"].assign(4500)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises((OSError, tf.errors.OpError)):
            run.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert restored(folder) == 4000
    found["net"].assign(np.full([50], 4500))
    run.save()
    assert restored(folder) == 4500
    assert not [*folder.rglob("*_temp")]


class TestBest:
    @pytest.mark.parametrize("damage", DAMAGE)
    def test_a_damaged_one_is_an_error_that_says_the_way_out(self, folder, damage):
        damage(folder / "best" / "ckpt-3000.data-00000-of-00001")
        with pytest.raises(DamagedCheckpointError, match=r"3,000 .*--checkpoint=last"):
            Checkpoints(items(), folder).restore_part(best=True)

    def test_the_same_one_of_the_last_stands_in(self, folder, capsys):
        for path in (folder / "last").glob("ckpt-4000*"):
            shutil.copy(path, folder / "best")
        for path in (folder / "best").glob("ckpt-3000*"):
            path.unlink()
        flipped(folder / "best" / "ckpt-4000.index")
        found = items()
        assert Checkpoints(found, folder).restore_part(best=True)
        assert found["net"].numpy()[0] == 4000
        assert "last has it too" in capsys.readouterr().err

    @pytest.mark.parametrize("whole", [True, False])
    def test_the_next_row_takes_the_place_of_a_damaged_one(
        self, folder, capsys, tmp_path, whole
    ):
        if not whole:
            gone(folder / "best" / "ckpt-3000.index")
        found = items()
        run = Checkpoints(found, folder)
        run.restore()
        assert ("takes its place" in capsys.readouterr().err) != whole
        rows = History(tmp_path / "history.csv")
        save = callbacks.SaveCheckpoints(run, rows, every_steps=0, best="val_l1")
        rows.add({"step": 3000, "val_l1": 1.0})
        for step, value, best in (
            (4000, 3.0, 4000),
            (5000, 2.0, 5000),
            (6000, 4, 5000),
        ):
            found["steps"].assign(step)
            rows.add({"step": step, "val_l1": value})
            save.on_epoch_end(0)
            assert run.best_step == (3000 if whole else best)


# History

LENGTH = loop.Length(8, 3)
LOSSES = {"g_l1": [0.5, 0.25, 0.125], "val_l1": [0.7, 0.6, 1 / 3]}


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """A history of three rows and the untrained one, and Keras's logs of it."""
    folder = tmp_path_factory.mktemp("history")
    rows = History(folder / "history.csv")
    rows.add({"epoch": 0, "step": 0, "val_l1": 0.9})
    logs = tf.keras.callbacks.TensorBoard(folder / "logs", write_graph=False)
    logs.set_model(tf.keras.Sequential([tf.keras.layers.Dense(1)]))
    logs.on_train_begin()
    for epoch, step in enumerate((3, 6, 8)):
        values = {key: np.float32(LOSSES[key][epoch]) for key in LOSSES}
        logs.on_epoch_end(epoch, values)
        row = {"epoch": epoch + 1, "step": step, "seconds": 1.0, **values}
        rows.add(row)
    logs.on_train_end()
    return folder


def numbers(rows):
    """Without what the clock says."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def drop(*lines):
    def dropped(path):
        kept = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(x for i, x in enumerate(kept) if i not in lines))

    return dropped


def word(path):
    path.write_text(path.read_text().replace("0.25", "many"))


def other(before, after):
    return lambda path: path.write_text(path.read_text().replace(before, after, 1))


def long_zeroed(path):
    path.write_bytes(bytes(1 << 18))  # longer than the csv module takes a cell


@pytest.mark.parametrize(
    "damage, lost, said, named",
    [
        (cut, [], r"line 4 is cut off|line 5", True),
        (word, [], "line 4 is no row of 5 numbers", True),
        (drop(3), [], "rows are missing", False),
        (drop(1), [0], "rows are missing.*lost.* steps 0", False),
        (zeroed, [0], "it has no header|it is no text", True),
        (long_zeroed, [0], "it is no text", True),
        (other("epoch", "epocj"), [0], "it has no header", True),
        (other("\n1,3,", "\n1,nan,"), [], "line 3 is no row of 5 numbers", True),
        (other("\n3,8,", "\n3,inf,"), [], "line 5 is no row of 5 numbers", True),
        (garbage, [0], "it is no text", True),
        (emptied, [0], "it is empty", True),
        (gone, [0], "it is missing", False),
    ],
)
def test_the_rows_of_a_history_are_rebuilt_from_the_logs(
    logged, tmp_path, capsys, damage, lost, said, named
):
    folder = shutil.copytree(logged, tmp_path / "run")
    path = folder / "history.csv"
    before = numbers(History(path).rows)
    damage(path)
    damaged = path.read_bytes() if path.exists() else b""
    if named:
        with pytest.raises(ValueError, match=f"{re.escape(str(path))} is damaged: "):
            History(path)
    history.mend(path, logs=folder / "logs", length=LENGTH, step=8)
    told = capsys.readouterr().err
    assert str(path) in told and re.search(said, told)
    assert numbers(History(path).rows) == [
        pytest.approx(row, rel=1e-7) for row in before if row["step"] not in lost
    ]
    if named:
        assert (folder / "history.damaged.csv").read_bytes() == damaged
    # Once is enough, also where a row is lost for good, and a whole one stays.
    if not lost:
        history.mend(path, logs=folder / "logs", length=LENGTH, step=8)
        assert capsys.readouterr().err == ""


def test_rows_that_the_logs_lack_are_named(logged, tmp_path, capsys):
    path = tmp_path / "history.csv"
    shutil.copy(logged / "history.csv", path)
    drop(2, 3)(path)
    history.mend(path, logs=tmp_path / "logs", length=LENGTH, step=8)
    assert "lost, so that curves lack them: the rows of steps 3, 6." in (
        capsys.readouterr().err
    )
    assert [row["step"] for row in History(path).rows] == [0, 8]
    # Where all are lost, the run goes on without a file.
    path.unlink()
    history.mend(path, logs=tmp_path / "logs", length=LENGTH, step=8)
    assert History(path).rows == [] and not path.exists()


@pytest.mark.parametrize(
    "damage, text",
    [
        (lambda path: None, r"4 rows, up to step 8.*another --workdir"),
        (garbage, "it is no text.*checkpoints are gone"),
        (cut, "cut off.*checkpoints are gone"),
    ],
)
def test_a_history_without_checkpoints_is_no_new_start(logged, tmp_path, damage, text):
    path = tmp_path / "history.csv"
    shutil.copy(logged / "history.csv", path)
    damage(path)
    with pytest.raises(ValueError, match=text):
        history.check_new(path)


def test_a_run_killed_before_its_first_checkpoint_says_that_it_begins_again(
    logged, tmp_path, capsys
):
    path = tmp_path / "history.csv"
    history.check_new(path)
    shutil.copy(logged / "history.csv", path)
    drop(3, 4)(path)
    history.check_new(path)
    assert "after step 3; training begins again" in capsys.readouterr().err
    drop(2)(path)
    history.check_new(path)
    assert capsys.readouterr().err == ""


def test_a_resumed_run_is_not_measured_as_untrained(tmp_path):
    rows = History(tmp_path / "history.csv")
    validate = callbacks.Validate(lambda: {"l1": 1.0}, rows, LENGTH)
    for step, count in ((3, 0), (0, 1)):
        validate.set_model(types.SimpleNamespace(steps=tf.Variable(step)))
        validate.on_train_begin()
        assert len(rows.rows) == count


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "deeper" / "file"
    files.write(path, b"old")

    def fail(*arguments):
        raise OSError("no space")

    for name in ("replace", "fsync"):
        with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
            patch.setattr(files.os, name, fail)
            files.write(path, b"new")
        assert [file.read_bytes() for file in path.parent.iterdir()] == [b"old"]
