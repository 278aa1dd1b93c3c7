"""History, checkpoints, the stop at NaN, progress, and the loop that drives them."""

import contextlib
import csv
import functools
import pathlib
import re
import types

import numpy as np
import pytest
import tensorflow as tf
import tiny

from training import callbacks, loop, strategy
from training.checkpoints import Checkpoints
from training.history import History

PER_EPOCH = 3


@pytest.fixture(autouse=True)
def seeded():
    tf.keras.utils.set_random_seed(0)


def fake_trainer(value=0.0, size=2):
    """What checkpoints need of a trainer, without a network."""
    trainer = types.SimpleNamespace(
        steps=tf.Variable(0, dtype=tf.int64),
        weight=tf.Variable(np.full([size], value, np.float32), name="weight"),
    )
    trainer.weights = [trainer.weight]
    trainer.checkpoint_items = lambda: {"steps": trainer.steps, "net": trainer.weight}
    return trainer


def saved_steps(folder):
    return sorted(int(path.stem.split("-")[1]) for path in folder.glob("*.index"))


# History


def test_history_is_a_csv_with_validation_last_and_is_read_back(tmp_path):
    path = tmp_path / "history.csv"
    history = History(path)
    history.add({"epoch": 0, "step": 0, "val_l1": 0.5})
    history.add({"epoch": 1, "step": 3, "g_loss": np.float32(0.1), "val_l1": 1 / 3})
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "step", "g_loss", "val_l1"]
    assert rows[1] == ["0", "0", "", "0.5"]
    assert len(rows) == 3
    again = History(path).rows
    assert again[0] == {"epoch": 0, "step": 0, "val_l1": 0.5}  # no empty cell
    assert again[1] == pytest.approx(history.rows[1], rel=1e-7)
    for step, kept in ((100, 2), (3, 2), (2, 1)):  # of a checkpoint
        history.forget_after(step)
        assert len(history.rows) == len(History(path).rows) == kept


def test_a_crash_while_writing_leaves_the_history_whole(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    History(path).add({"epoch": 0, "step": 0})
    before = path.read_bytes()

    def crash(self, row):
        raise KeyboardInterrupt

    monkeypatch.setattr(csv.DictWriter, "writerow", crash)
    with pytest.raises(KeyboardInterrupt):
        History(path).add({"epoch": 1, "step": 3})
    assert path.read_bytes() == before


# Checkpoints


def test_the_last_two_and_the_best_are_kept(tmp_path):
    trainer = fake_trainer()
    saved = Checkpoints(trainer.checkpoint_items(), tmp_path)
    assert saved.last is None
    assert not saved.restore()
    assert not saved.restore_part(best=True)
    for step in (1, 2, 3, 5, 15):  # 15 ends like 5
        trainer.steps.assign(step)
        trainer.weight.assign([step, step])
        saved.save()
        saved.save()  # of a step that is there already
        if step in (2, 3):
            saved.save_best()
    assert saved_steps(tmp_path / "last") == [5, 15]
    assert saved_steps(tmp_path / "best") == [3]

    other = fake_trainer()
    again = Checkpoints(other.checkpoint_items(), tmp_path)
    assert again.last.endswith("-15")
    assert tf.train.latest_checkpoint(str(tmp_path / "last")) == again.last
    for restore, step in ((again.restore, 15), (again.restore_part, 15)):
        other.weight.assign([0, 0])
        assert restore()
        assert (again.steps, other.weight.numpy().tolist()) == (step, [step, step])
    assert again.restore_part(best=True)
    assert (again.steps, other.weight[0].numpy()) == (3, 3)


def test_a_part_of_a_checkpoint_is_restored_and_the_rest_is_left(tmp_path):
    """A network is evaluated without its judge; a run resumes with everything."""
    trainer = fake_trainer(value=1.0)
    items = {**trainer.checkpoint_items(), "judge": tf.Variable([0.0], name="judge")}
    Checkpoints(items, tmp_path).save()
    other = fake_trainer(value=9.0)
    part = Checkpoints(other.checkpoint_items(), tmp_path)
    assert part.restore_part()
    assert other.weight.numpy().tolist() == [1, 1]
    with pytest.raises(ValueError, match="is of another network"):
        part.restore()


@pytest.mark.parametrize("change", ["shape", "missing"])
@pytest.mark.parametrize(
    ("kind", "restore"),
    [
        ("last", Checkpoints.restore),
        ("last", Checkpoints.restore_part),
        ("best", functools.partial(Checkpoints.restore_part, best=True)),
    ],
)
def test_the_checkpoint_of_another_network_is_a_clear_error(
    tmp_path, change, kind, restore
):
    saved = Checkpoints(fake_trainer().checkpoint_items(), tmp_path)
    saved.save_best() if kind == "best" else saved.save()
    items = fake_trainer(size=3 if change == "shape" else 2).checkpoint_items()
    if change == "missing":
        items["average"] = tf.Variable(0.0)
    message = rf"{kind}/ckpt-0 is of another network.*config\.json.*another --workdir"
    with pytest.raises(ValueError, match=message):
        restore(Checkpoints(items, tmp_path))
    assert not Checkpoints(items, tmp_path).restore_part(best=kind == "last")


def saver(tmp_path, trainer, *, every_steps=0, steps=PER_EPOCH):
    """The callback in the middle of a run."""
    history = History(tmp_path / "history.csv")
    saved = Checkpoints(trainer.checkpoint_items(), tmp_path)
    save = callbacks.SaveCheckpoints(
        saved, history, every_steps=every_steps, best="val_l1"
    )
    save.set_model(trainer)
    save.set_params({"steps": steps})
    return save, history


def test_the_best_checkpoint_has_the_lowest_value(tmp_path):
    trainer = fake_trainer()
    save, history = saver(tmp_path, trainer)
    history.add({"epoch": 0, "step": 0, "val_l1": 0.0})  # untrained: never the best
    best = []
    for epoch, value in enumerate([5.0, 3.0, 4.0, 2.0, 2.5], start=1):
        trainer.steps.assign(epoch)
        history.add({"epoch": epoch, "step": epoch, "val_l1": value})
        save.on_epoch_end(epoch)
        best += saved_steps(tmp_path / "best")
    assert best == [1, 2, 2, 4, 4]
    # A resumed run knows what it is up against.
    save, history = saver(tmp_path, trainer)
    trainer.steps.assign(6)
    history.add({"epoch": 6, "step": 6, "val_l1": 2.2})
    save.on_epoch_end(6)
    assert saved_steps(tmp_path / "best") == [4]


@pytest.mark.parametrize(
    ("every", "expected"), [(0, []), (1, [1, 2, 4, 5]), (2, [2, 4]), (3, []), (4, [4])]
)
def test_checkpoints_within_an_epoch_leave_its_last_step_to_its_end(
    tmp_path, every, expected
):
    """A run killed while it validates must not resume past that epoch's row."""
    trainer = fake_trainer()
    save, _ = saver(tmp_path, trainer, every_steps=every)
    saved = []
    for step in range(1, 2 * PER_EPOCH + 1):
        trainer.steps.assign(step)
        save.on_train_batch_end((step - 1) % PER_EPOCH)
        saved += saved_steps(tmp_path / "last")
    assert sorted(set(saved)) == expected


# Losses and weights that are not finite


def divergence(what, step, good):
    """The pattern of the error."""
    good = re.escape(f"{good}.") if good != "none yet" else good
    return (
        f"{what} at step {step}; the last good checkpoint is {good}.*"
        "--learning_rate.*--clip_norm.*another --workdir"
    )


def assert_all_saved_is_finite(folder):
    for path in folder.glob("*/*.index"):
        reader = tf.train.load_checkpoint(str(path.with_suffix("")))
        names = reader.get_variable_to_shape_map()
        numbers = (reader.get_tensor(name) for name in names if "OBJECT" not in name)
        assert tiny.finite(numbers)


def run(trainer, tmp_path, data, *, every_steps=1, total=6, unit="epoch", extra=()):
    """The callbacks of a run, in its order, on batches given as a list."""
    length = loop.Length(total, PER_EPOCH, unit)
    history = History(tmp_path / "history.csv")
    saved = Checkpoints(trainer.checkpoint_items(), tmp_path)
    saved.restore()
    history.forget_after(saved.steps)
    loop.fit(
        trainer,
        lambda step: endless(data, step),
        length=length,
        callbacks=[
            callbacks.StopWhenNotFinite(saved),
            callbacks.Validate(lambda: {"l1": 1 / (1 + saved.steps)}, history, length),
            callbacks.WriteHistory(
                history, saved, length, batch_size=4, headline="val_l1"
            ),
            callbacks.SaveCheckpoints(
                saved, history, every_steps=every_steps, best="val_l1"
            ),
            *extra,
        ],
    )
    return history, saved


def endless(data, step):
    inputs, target = tf.nest.map_structure(lambda *parts: np.stack(parts), *data)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, target))
    return dataset.repeat().skip(step)


def different(count):
    return [tiny.batch(4, seed=seed) for seed in range(count)]


@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_loss_that_turns_nan_stops_the_run_before_anything_is_saved(tmp_path, at):
    data = different(6)
    data[at - 1][1][0, 0, 0, 0] = np.nan  # a pixel of a target
    good = f"{tmp_path}/last/ckpt-{at - 1}" if at > 1 else "none yet"
    error = divergence("g_reconstruction.* became nan", at, good)
    with pytest.raises(callbacks.DivergenceError, match=error):
        run(tiny.trainer(), tmp_path, data)
    assert all(step < at for step in saved_steps(tmp_path / "last"))
    assert_all_saved_is_finite(tmp_path)
    assert "nan" not in (tmp_path / "history.csv").read_text()


@pytest.mark.parametrize(("every", "at"), [(1, 2), (0, 3)])
def test_weights_that_a_finite_loss_spoiled_are_not_saved(tmp_path, every, at):
    """The loss of a step is that of the weights before it."""

    class Spoil(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.steps.numpy()) == at - 1:
                # The next step still has a finite loss, and ruins the weights.
                self.model.generator_optimizer.learning_rate = 1e39

    good = f"{tmp_path}/last/ckpt-{at - 1}" if every else "none yet"
    error = divergence("became NaN or infinite", at, good)
    with pytest.raises(callbacks.DivergenceError, match=error):
        run(tiny.trainer(), tmp_path, different(6), every_steps=every, extra=[Spoil()])
    assert_all_saved_is_finite(tmp_path)
    assert [row["epoch"] for row in History(tmp_path / "history.csv").rows] == [0]


# The loop


def new_trainer():
    tf.keras.utils.set_random_seed(0)
    return tiny.trainer(
        tiny.plain_generator(normalized=True),
        optimizer=lambda: tf.keras.optimizers.Adam(1e-3),
        ema=0.5,
    )


class Stop(tf.keras.callbacks.Callback):
    """Ends the process, as far as the run is concerned, after a step."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.steps.numpy()) == self.step:
            raise KeyboardInterrupt


def without_times(rows):
    """Rows as the file has them, less what the clock says."""
    times = ("seconds", "images_per_second")
    return [
        {key: float(f"{row[key]:.8g}") for key in row if key not in times}
        for row in rows
    ]


def test_the_means_of_two_replicas_go_on_as_well(tmp_path):
    rows, devices = [], strategy.make(2)
    for name, stop in (("whole", 0), ("cut", 2), ("cut", 0)):
        (tmp_path / name).mkdir(exist_ok=True)
        with devices.scope():
            trainer = new_trainer()
        options = {"total": PER_EPOCH, "extra": [Stop(stop)] if stop else []}
        with contextlib.suppress(KeyboardInterrupt):
            history, _ = run(trainer, tmp_path / name, different(PER_EPOCH), **options)
            rows += without_times(history.rows)[-1:]
    whole, cut = rows
    assert cut == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("every", [0, 1])
def test_a_checkpoint_without_means_is_resumed(tmp_path, every):
    """Those of early versions have none."""
    trainer, data = new_trainer(), different(7)
    items = trainer.checkpoint_items()
    del items["means"]
    trainer.checkpoint_items = lambda: items
    with pytest.raises(KeyboardInterrupt):
        run(trainer, tmp_path, data, every_steps=every, extra=[Stop(5)])
    history, saved = run(new_trainer(), tmp_path, data, total=6)
    assert (saved.steps, len(history.rows)) == (6, 3)


@pytest.mark.parametrize(
    ("start", "total", "expected"),
    [
        (0, 6, [(0, 3), (1, 3)]),
        (0, 7, [(0, 3), (1, 3), (2, 1)]),
        (1, 7, [(0, 2), (1, 3), (2, 1)]),
        (4, 5, [(1, 1)]),
        (3, 6, [(1, 3)]),
        (6, 6, []),
    ],
)
def test_the_loop_numbers_epochs_and_counts_their_steps(start, total, expected):
    seen, starts = [], []

    class Trainer:
        """Notes what `fit` is asked for."""

        steps = tf.Variable(start)
        metrics = ()

        def fit(self, data, *, initial_epoch, epochs, steps_per_epoch, **_):
            starts.append((data, int(self.steps.numpy())))
            for epoch in range(initial_epoch, epochs):
                seen.append((epoch, steps_per_epoch))
                self.steps.assign_add(steps_per_epoch)

    length = loop.Length(total, PER_EPOCH)
    loop.fit(Trainer(), lambda step: step, length=length, callbacks=[])
    assert seen == expected
    assert all(data == step for data, step in starts)


# History rows, progress and pictures


@pytest.mark.parametrize("unit", ["epoch", "step"])
def test_history_rows_hold_speed_losses_and_validation(tmp_path, capsys, unit):
    history, _ = run(tiny.trainer(), tmp_path, different(3), total=7, unit=unit)
    first, *rows = history.rows
    assert first == {unit: 0, "step": 0, "val_l1": 1.0}
    assert [row["step"] for row in rows] == [3, 6, 7]
    for row in rows:
        assert row["val_l1"] == pytest.approx(1 / (1 + row["step"]))
        assert row["images_per_second"] > 0
        assert {"g_reconstruction", "g_adversarial", "d_real", "d_fake"} <= row.keys()
        assert ("epoch" in row) == (unit == "epoch")
    said = capsys.readouterr().err
    for done in ("epoch 1", "epoch 2") if unit == "epoch" else ("step 3", "step 6"):
        assert f"{done}: val_l1 0." in said


def test_progress_counts_the_images_of_the_whole_run(tmp_path, capsys):
    trainer = fake_trainer()
    trainer.steps.assign(2)
    saved = Checkpoints(trainer.checkpoint_items(), tmp_path)
    shown = callbacks.Progress(saved, loop.Length(7, PER_EPOCH), batch_size=4)
    bar = shown._bar
    assert (bar.n, bar.total) == (8, 28)
    for step in range(2, 7):
        trainer.steps.assign(step + 1)
        shown.on_train_batch_end(step, {"g": 0.25, "d": 2.0, "more": 1.0})
    shown.on_train_end()
    assert bar.n == 28
    shown = capsys.readouterr().err
    assert "epoch 3/3" in shown
    assert "g=0.2500, d=2.0000" in shown
    assert "more" not in shown
    assert "img/s" in shown


@pytest.mark.parametrize(
    ("unit", "names"),
    [
        ("epoch", ["epoch_0001.png", "epoch_0002.png"]),
        ("step", ["step_00003.png", "step_00006.png"]),
    ],
)
def test_sample_pictures_are_drawn_after_every_row(tmp_path, unit, names):
    grid, trainer = tiny.noise(1, 8)[0], fake_trainer()
    pictures = callbacks.SamplePictures(
        lambda: grid,
        Checkpoints(trainer.checkpoint_items(), tmp_path),
        loop.Length(6 * 2000, PER_EPOCH, unit),
        folder=tmp_path / "samples",
        log_dir=tmp_path / "logs",
    )
    for epoch in range(2):
        trainer.steps.assign(PER_EPOCH * (epoch + 1))
        pictures.on_epoch_end(epoch)
    paths = sorted((tmp_path / "samples").iterdir())
    assert [path.name for path in paths] == names
    drawn = tf.io.decode_png(pathlib.Path(paths[1]).read_bytes())
    np.testing.assert_array_equal(drawn, grid)
    assert list((tmp_path / "logs" / "samples").iterdir())
