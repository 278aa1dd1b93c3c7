"""Two logical CPUs for every test, so that MirroredStrategy has two devices."""

import gc
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest
import tensorflow as tf

_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    _CPU, [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_collection_finish():
    """Tracing makes millions of objects: hardly any, and no module, is garbage."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.fixture(autouse=True)
def restore_precision():
    """A test that fails inside a precision policy leaves none behind."""
    yield
    tf.keras.mixed_precision.set_global_policy("float32")
    # Not clear_session, after which every function would be optimized once more.
    tf.keras.backend.reset_uids()


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory):
    """(paper, **flags) -> `Run` of its smoke preset; see `tiny_papers.SmokeRuns`."""
    # Imported here: the networks' own tests need no experiments.
    import tiny_papers

    return tiny_papers.smoke_runs(tmp_path_factory)


@pytest.fixture(scope="module")
def no_cached_weights(tmp_path_factory):
    """LPIPS weights that this user has cached change no test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def judge_config(tmp_path_factory):
    """How a judge of drawn faces of 32 px was trained; it is in `workdir`/judge."""
    from experiments import attribute_classifier

    config = attribute_classifier.Config(
        image_size=32,
        width=1 / 16,
        epochs=1,
        batch_size=10,
        shift=2,
        limit=60,
        workdir=str(tmp_path_factory.mktemp("judge")),
    )
    attribute_classifier.train(config)
    return config


@pytest.fixture(scope="session")
def outside_data() -> pathlib.Path:
    """The folder of real data, if FACEMEND_DATA names one."""
    folder = os.environ.get("FACEMEND_DATA", "")
    if not folder:
        pytest.skip("FACEMEND_DATA is not set: it names a folder with real data.")
    return pathlib.Path(folder)
