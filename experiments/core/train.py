"""The training stage: any trainer, any task, one run folder."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from data_pipeline import disk, pipeline, pixels
from evaluation import tables
from evaluation.evaluate import evaluate
from experiments.core import networks
from experiments.core.run import Run
from training import callbacks, checkpoints, loop, stopping, strategy
from training.history import History, check_new, mend

_DRAWN = 8  # images of the pictures that are drawn


def train(run: Run) -> None:
    """Trains to the end of the configuration, from the last checkpoint if any."""
    if run.config.deterministic:
        tf.config.experimental.enable_op_determinism()
    # One process has no others to lose.
    together = strategy.is_multi_worker(run.devices)
    rejoining = strategy.rejoining() if together else contextlib.nullcontext()
    with rejoining, _own_folder(run) as own:
        _ = own.record  # written before anything is trained
        trainer, current = _build(own)
        _resume(own, trainer, Validation(own, current))


@contextlib.contextmanager
def _own_folder(run: Run) -> Iterator[Run]:
    """The run, which only the chief of several workers trains in its folder.

    Saving takes all workers, because they share variables: the others do what the chief
    does, in a copy that is deleted at the end.
    """
    if strategy.is_chief(run.devices):
        with run.folder.training():
            strategy.largest(run.devices, 0)  # until the others have their copies
            yield run
        return
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        named = ("checkpoints", "logs", "config.json", "history.csv")
        for path in run.folder.path.iterdir():
            if path.is_dir() and path.name in named:
                shutil.copytree(path, f"{folder}/{path.name}")
            elif path.name in named:
                shutil.copy(path, folder)
        strategy.largest(run.devices, 0)
        yield run.within(folder)


def _build(run: Run) -> tuple[tf.keras.Model, Callable[[], tf.keras.Model]]:
    """The trainer on its devices, and a call that returns the network as it is now."""
    run.folder.check_images(run.data.digests())
    system, config = run.system, run.config.with_scaled_rates()
    initial = networks.initial(system, config, run.folder)
    tf.keras.utils.set_random_seed(config.seed)
    with run.devices.scope(), networks.precision(config.precision):
        trainer = system.build_trainer(
            config,
            pipeline.steps_per_epoch(run.data.train, config.batch_size),
            run.data.train.source.info.attribute_names,
        )
        if initial is not None:
            networks.begin_as(trainer.restores, initial, config.initial)
            networks.begin_others_as(trainer, system, config.initial)
        if not run.folder.has_begun:
            system.fit(config, trainer.restores, run.data.train)
            if trainer.average is not None:
                trainer.average.begin_as(trainer.restores)
    # Reading moving statistics takes all workers: they read them once, for a copy.
    apart = strategy.is_multi_worker(run.devices)
    scope = contextlib.nullcontext() if apart else run.devices.scope()
    measured = trainer.restores
    if trainer.average or apart:
        with scope, networks.precision(config.precision):
            measured = system.build_network(config)

    def current() -> tf.keras.Model:
        if trainer.average:
            trainer.average.copy_to(measured)
        elif apart:
            measured.set_weights(trainer.restores.get_weights())
        return measured

    return trainer, current


class Validation:
    """Measures and draws a network on validation images while it learns.

    `network` returns the network as it is now, averaged if the run averages.
    """

    def __init__(self, run: Run, network: Callable[[], tf.keras.Model]):
        self._run, self._network = run, network
        split = run.data.validation
        self._names = split.names
        self._batches = run.system.fixed_batches(run.config, split).cache()
        self._restore = run.system.restorer(network())

    def measure(self) -> dict[str, float]:
        """The mean of each metric."""
        self._network()
        result = evaluate(
            {"network": self._restore},
            self._batches,
            self._names,
            lpips=self._run.perceptual,
            progress=None,
            to_unit=self._run.system.to_unit,
        )
        # A hole may be too small for a metric; then there is no mean to take. Means are
        # those of float32, so that a resumed run goes on as it began.
        return {
            key: float(np.nanmean(np.float32(values)))
            for key, values in result.values["network"].items()
            if np.isfinite(values).any()
        }

    def draw(self) -> np.ndarray:
        """A picture of the first images, uint8 [H, W, 3]."""
        self._network()
        inputs, target = next(iter(self._batches))
        inputs = {key: value[:_DRAWN] for key, value in inputs.items()}
        rows = self._run.system.drawn(self._restore, inputs, target[:_DRAWN])
        return pixels.tile([pixels.unit_to_bytes(row).numpy() for row in rows])


def _resume(run: Run, trainer: tf.keras.Model, validation: Validation) -> None:
    """Trains from the last checkpoint, or from the first step."""
    config, folder, split = run.config, run.folder, run.data.train
    saved = checkpoints.Checkpoints(trainer.checkpoint_items(), folder.checkpoints)
    length = run.system.length(config, split)
    restored = saved.restore()
    agreed = functools.partial(strategy.largest, run.devices)
    if agreed(saved.steps) != -agreed(-saved.steps):
        raise ValueError(
            f"--workdir={config.workdir} must be a folder that all workers share: this "
            f"one has found step {saved.steps:,} in it, and another one has not."
        )
    if restored:
        mend(folder.history, logs=folder.logs, length=length, step=saved.steps)
    else:
        check_new(folder.history)
    history = History(folder.history)
    history.forget_after(saved.steps)
    if saved.steps >= length.total_steps:
        done = tables.counted(length.total, length.unit)
        print(f"{folder.path} has been trained for {done} already.")
        return
    if saved.steps:
        print(f"Resuming from step {saved.steps} of {length.total_steps}.")
    task = run.system.training_task(config, split)

    def batches_from(step: int) -> tf.data.Dataset:
        def of_part(*part: int) -> tf.data.Dataset:
            return pipeline.training_batches(
                split,
                task,
                batch_size=config.batch_size,
                seed=config.seed,
                start_step=step,
                part=part,
                service=config.data_service,
            )

        return strategy.distributed(run.devices, of_part, config.batch_size)

    headline = f"val_{run.system.headline[0]}"
    # The order matters: a loss that is not finite stops the run before anything is
    # saved, and the history is written before the checkpoint that would skip it.
    with (
        stopping.listening() as request,
        disk.naming(folder.path, 4 * saved.size),  # two last, the best and a new one
    ):
        loop.fit(
            trainer,
            batches_from,
            length=length,
            callbacks=[
                callbacks.StopWhenNotFinite(saved),
                callbacks.Validate(validation.measure, history, length),
                callbacks.WriteHistory(
                    history,
                    saved,
                    length,
                    batch_size=config.batch_size,
                    headline=headline,
                ),
                callbacks.SaveCheckpoints(
                    saved,
                    history,
                    every_steps=config.checkpoint_steps,
                    best=headline,
                    agreed=agreed,
                ),
                callbacks.SamplePictures(
                    validation.draw,
                    saved,
                    length,
                    folder=folder.samples,
                    log_dir=folder.logs,
                ),
                tf.keras.callbacks.TensorBoard(folder.logs, write_graph=False),
                callbacks.StopWhenAsked(request, saved, agreed),
                callbacks.Progress(saved, length, batch_size=config.batch_size),
            ],
        )
