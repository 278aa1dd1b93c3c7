"""What TF Serving reads is what its protocol buffers take, and its requests run."""

import functools
import importlib.util
import pathlib
import shlex
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_latents
import tiny_serving
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tiny_serving import HOLE, SIZE

from data_pipeline import pixels
from experiments import serve
from serving.tf_serving import server, warm_up

api = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_serving") is None,
    reason="tensorflow-serving-api is not installed.",
)
WARM_UP = "assets.extra/tf_serving_warmup_requests"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Exports of all kinds, in run folders of these names."""
    place = tmp_path_factory.mktemp("runs")
    return [
        tiny_serving.export_restorer(place / "model3"),
        tiny_serving.export_codec(place / "lambda_0.01"),
        tiny_latents.export(place / "cvae")[0],
    ]


@pytest.fixture(scope="module")
def served(folders, tmp_path_factory):
    """What is written of them: the root, and the versions' folders."""
    root = tmp_path_factory.mktemp("served")
    return root, server.write(folders, root)


def message(name, **fields):
    """A message of TF Serving's that tensorflow-serving-api does not carry.

    Args:
      name: Of the message.
      fields: Name -> number and type: a scalar's, or a message class.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{name}.proto", package=f"tiny.{name}", syntax="proto3"
    )
    described = file.message_type.add(name=name)
    pool = descriptor_pool.Default()
    for field, (number, kind) in fields.items():
        added = described.field.add(name=field, number=number)
        added.label = added.LABEL_OPTIONAL
        if isinstance(kind, str):
            added.type = added.Type.Value(f"TYPE_{kind}")
        else:
            added.type = added.TYPE_MESSAGE
            added.type_name = f".{kind.DESCRIPTOR.full_name}"
            file.dependency.append(kind.DESCRIPTOR.file.name)
    file.dependency[:] = sorted(set(file.dependency))
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName(f"tiny.{name}.{name}")
    )


INTEGER, TEXT = wrappers_pb2.Int64Value, wrappers_pb2.StringValue
# tensorflow_serving/servables/tensorflow/session_bundle_config.proto
BatchingParameters = message(
    "BatchingParameters",
    max_batch_size=(1, INTEGER),
    batch_timeout_micros=(2, INTEGER),
    max_enqueued_batches=(3, INTEGER),
    num_batch_threads=(4, INTEGER),
    thread_pool_name=(5, TEXT),
)
# tensorflow_serving/config/monitoring_config.proto
PrometheusConfig = message("PrometheusConfig", enable=(1, "BOOL"), path=(2, "STRING"))
MonitoringConfig = message("MonitoringConfig", prometheus_config=(1, PrometheusConfig))


def parsed(path, kind):
    return text_format.Parse(path.read_text(), kind())


def configured(root):
    """The models that a server is told of."""
    from tensorflow_serving.config import model_server_config_pb2

    kind = model_server_config_pb2.ModelServerConfig
    return parsed(root / "models.config", kind).model_config_list.config


@api
class TestConfiguration:
    def test_models_are_where_it_says(self, served):
        root, versions = served
        models = configured(root)
        assert [model.name for model in models] == ["model3", "lambda_0.01", "cvae"]
        for model, version in zip(models, versions):
            assert pathlib.Path(model.base_path).is_absolute()
            assert version == pathlib.Path(model.base_path) / "1"
            assert model.model_platform == "tensorflow"
            assert (version / "saved_model.pb").exists()

    def test_metrics(self, served):
        config = parsed(served[0] / "monitoring.config", MonitoringConfig)
        assert config.prometheus_config.enable
        # A server without a path has them nowhere.
        assert config.prometheus_config.path.startswith("/")

    def test_batching(self, served):
        root, (restorer, codec, latents) = served
        # Of the server itself, only the threads count beside what models have.
        common = parsed(root / "batching_parameters.txt", BatchingParameters)
        assert [field.name for field, _ in common.ListFields()] == ["thread_pool_name"]
        for version in (restorer, latents):
            own = parsed(version / "batching_params.pbtxt", BatchingParameters)
            assert own.max_batch_size.value > 1
            assert 0 < own.batch_timeout_micros.value <= 10_000
            assert own.max_enqueued_batches.value > 1
        # Pictures of two sizes cannot be in one batch: the second would be refused.
        assert not (codec / "batching_params.pbtxt").exists()

    def test_a_path_with_any_characters(self, folders, tmp_path):
        root = tmp_path / 'a "b" \\ ä'
        (version,) = server.write(folders[:1], root)
        (model,) = configured(root)
        assert pathlib.Path(model.base_path) == version.parent


def requests(version):
    """Signature -> inputs, of a version's warm-up file."""
    from tensorflow_serving.apis import prediction_log_pb2

    found = {}
    for record in tf.data.TFRecordDataset(str(version / WARM_UP)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        name = request.model_spec.signature_name
        assert name not in found
        found[name] = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
    return found


@api
class TestWarmUp:
    def test_each_signature_runs_once(self, served):
        for version in served[1]:
            signatures = tf.saved_model.load(str(version)).signatures
            found = requests(version)
            assert sorted(found) == sorted(signatures)
            for name, inputs in found.items():
                inputs = {key: tf.constant(value) for key, value in inputs.items()}
                for value in signatures[name](**inputs).values():
                    assert value.shape[0] == 1

    def test_restorers_fill_the_hole_that_they_know(self, served):
        found = requests(served[1][0])
        mask = found["serving_default"]["mask"]
        assert mask.shape == (1, SIZE, SIZE, 1) and mask.sum() == HOLE**2
        both = found["serving_single"]["image_and_mask"]
        np.testing.assert_array_equal(both[..., 3:], mask)
        (data,) = found["serving_bytes"]["mask_bytes"]
        np.testing.assert_array_equal(
            pixels.decode(data, "mask")[..., :1], 255 * mask[0].astype(np.uint8)
        )

    def test_codecs_see_whole_cells(self, served):
        """Of 40 pixels, the side that this one was trained with, there are 2.5."""
        found = requests(served[1][1])
        assert found["analysis"]["image"].shape == (1, 48, 48, 3)
        assert found["synthesis"]["latents"].shape == (1, 3, 3, 8)
        assert found["synthesis"]["latents"].dtype == np.int32


@api
class TestVersions:
    def test_the_same_model_stays_the_same_version(self, folders, tmp_path):
        (first,) = server.write(folders[:1], tmp_path)
        before = (first / WARM_UP).stat().st_mtime_ns
        assert server.write(folders[:1], tmp_path) == [first]
        assert (first / WARM_UP).stat().st_mtime_ns == before

    def test_another_one_is_the_next(self, folders, tmp_path):
        runs, root = tmp_path / "runs", tmp_path / "root"
        shutil.copytree(folders[0], runs / "model3" / "export" / "1")
        (first,) = server.write([runs / "model3" / "export" / "1"], root)
        before = (first / "saved_model.pb").read_bytes()
        other = tiny_serving.export_restorer(runs / "model3", seed=1)
        (second,) = server.write([other], root)
        assert (first.name, second.name) == ("1", "2")
        assert (first / "saved_model.pb").read_bytes() == before
        variables = "variables/variables.data-00000-of-00001"
        assert (second / variables).read_bytes() == (other / variables).read_bytes()

    def test_a_version_is_whole_or_not_there(self, folders, tmp_path, monkeypatch):
        def fail(model, folder):
            # A server that watches the model's place sees no part of it.
            assert not (tmp_path / "model3").exists()
            raise OSError("the disk is full")

        monkeypatch.setattr(warm_up, "write", fail)
        with pytest.raises(OSError, match="the disk is full"):
            server.write(folders[:1], tmp_path)
        assert not list(tmp_path.iterdir())

    def test_the_export_is_left_as_it_is(self, folders, served):
        assert not (folders[0] / WARM_UP).exists()
        assert not (folders[0] / "batching_params.pbtxt").exists()


@api
class TestTwice:
    """One folder, several calls: a server serves what is in it."""

    opened = staticmethod(functools.lru_cache(maxsize=None)(warm_up.Model))

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        """Each export is opened once for all of these tests."""
        monkeypatch.setattr(server, "Model", self.opened)

    def write(self, root, *folders):
        server.write(folders, root)
        assert server.served(root) == [model.name for model in configured(root)]
        return {model.name: model.base_path for model in configured(root)}

    def test_models_of_earlier_calls_are_kept(self, folders, tmp_path):
        self.write(tmp_path, folders[0], folders[2])
        expected = {name: str(tmp_path / name) for name in ("model3", "cvae")}
        assert self.write(tmp_path, folders[2]) == expected
        expected["lambda_0.01"] = str(tmp_path / "lambda_0.01")
        assert self.write(tmp_path, folders[1]) == expected

    def test_until_their_folders_are_deleted(self, folders, tmp_path):
        self.write(tmp_path, folders[0], folders[2])
        shutil.rmtree(tmp_path / "model3")
        assert list(self.write(tmp_path, folders[2])) == ["cvae"]

    def test_the_folder_may_be_moved(self, folders, tmp_path):
        self.write(tmp_path / "a", folders[0], folders[2])
        shutil.move(tmp_path / "a", tmp_path / "b")
        found = self.write(tmp_path / "b", folders[2])
        assert found == {n: str(tmp_path / "b" / n) for n in ("model3", "cvae")}

    def test_what_a_user_wrote_stays(self, folders, tmp_path):
        self.write(tmp_path, folders[2])
        path, elsewhere = tmp_path / "models.config", tmp_path / "elsewhere"
        elsewhere.mkdir()
        text = path.read_text().replace(
            'model_platform: "tensorflow"',
            'model_platform: "tensorflow" model_version_policy { all {} }',
        )
        other = f'config {{ name: "mine" base_path: "{elsewhere}" }}'
        text = text.replace("model_config_list {", f"model_config_list {{ {other}")
        path.write_text(text)
        assert self.write(tmp_path, folders[2])["mine"] == str(elsewhere)
        (model,) = (each for each in configured(tmp_path) if each.name == "cvae")
        assert model.model_version_policy.HasField("all")

    def test_a_damaged_list_is_named_before_anything_is_written(
        self, folders, tmp_path
    ):
        (tmp_path / "models.config").write_text("model {")
        with pytest.raises(ValueError, match="models.config is damaged .*Delete it"):
            self.write(tmp_path, folders[0])
        assert [path.name for path in tmp_path.iterdir()] == ["models.config"]


class TestNames:
    @pytest.mark.parametrize(
        "folder, name",
        [
            ("runs/model3/export/1", "model3"),
            ("runs/lambda_0.01/export/12/", "lambda_0.01"),
            ("served/model3/7", "model3"),
            ("somewhere/model3", "model3"),
            ("runs/my model: ä/export/1", "my_model___"),
        ],
    )
    def test_a_model_is_called_as_its_run(self, tmp_path, folder, name):
        assert server.name_of(tmp_path / folder) == name

    @api
    def test_no_two_are_called_alike(self, tmp_path):
        folders = [f"{tmp_path}/{place}/model3/export/1" for place in "ab"]
        with pytest.raises(ValueError, match="two models 'model3'.*Rename the folder"):
            server.write(folders, tmp_path / "root")
        assert not (tmp_path / "root").exists()


@api
class TestMistakes:
    def test_a_folder_without_an_export(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=f"{tmp_path} is not an exported"):
            server.write([tmp_path], tmp_path / "root")

    @pytest.mark.parametrize(
        "config, text",
        [
            ("{", "cannot be opened .JSONDecodeError"),
            ("{}", "cannot be opened .KeyError: 'image_size'"),
            # Only the center's hole is filled, and this is another one.
            ('{"image_size": 32, "hole_size": 8}', "refuses what .*This model fills"),
        ],
    )
    def test_a_damaged_export(self, folders, tmp_path, config, text):
        folder = tmp_path / "model3" / "export" / "1"
        shutil.copytree(folders[0], folder)
        (folder / "assets.extra" / "config.json").write_text(config)
        with pytest.raises(ValueError, match=f"--model={folder}.*{text}.*again"):
            server.write([folder], tmp_path / "root")
        assert not (tmp_path / "root").exists()

    def test_a_damaged_network(self, folders, tmp_path):
        folder = tmp_path / "model3" / "export" / "1"
        shutil.copytree(folders[0], folder)
        (folder / "saved_model.pb").write_bytes(b"x")
        with pytest.raises(ValueError, match=f"--model={folder} cannot be opened"):
            server.write([folder], tmp_path / "root")

    def test_a_restorer_that_clients_could_not_ask(self, folders, tmp_path):
        """As Keras alone saves one."""
        folder = tmp_path / "tuned" / "export" / "1"
        tf.keras.models.load_model(folders[0], compile=False).save(folder)
        shutil.copytree(folders[0] / "assets.extra", folder / "assets.extra")
        text = f"--model={folder} has no signature serving_bytes.*export.restorer.save"
        with pytest.raises(ValueError, match=text):
            server.write([folder], tmp_path / "root")
        assert not (tmp_path / "root").exists()


def test_without_the_package_it_says_which(tmp_path, monkeypatch):
    for name in ("tensorflow_serving", "tensorflow_serving.config"):
        monkeypatch.setitem(sys.modules, name, None)
    options = serve.Options(model=(".",), output=str(tmp_path))
    with pytest.raises(
        ValueError, match=r"tensorflow-serving-api .*install .\[serving"
    ):
        serve.serve(options)


@pytest.fixture
def installed(monkeypatch):
    """Says which programs are installed; gives what was started."""
    started = []
    programs = set()
    monkeypatch.setattr(
        serve.shutil,
        "which",
        lambda name: f"/bin/{name}" if name in programs else None,
    )
    monkeypatch.setattr(serve.os, "execv", lambda *what: started.append(what))
    return programs, started


class TestCommand:
    @pytest.fixture(autouse=True)
    def written(self, tmp_path, monkeypatch):
        """Nothing is written: these tests are of what is started."""
        version = tmp_path / "model3" / "1"
        monkeypatch.setattr(server, "write", lambda folders, root: [version])
        monkeypatch.setattr(server, "served", lambda root: ["model3", "b", "a"])

    def run(self, tmp_path, **options):
        serve.serve(serve.Options(model=(".",), output=str(tmp_path), **options))

    def test_the_server_is_started_where_it_is_installed(
        self, tmp_path, installed, capsys
    ):
        programs, started = installed
        programs.add("tensorflow_model_server")
        self.run(tmp_path)
        ((path, arguments),) = started
        assert path == "/bin/tensorflow_model_server"
        assert arguments == [
            "tensorflow_model_server",
            "--port=8500",
            "--rest_api_port=8501",
            f"--model_config_file={tmp_path}/models.config",
            f"--monitoring_config_file={tmp_path}/monitoring.config",
        ]
        out = capsys.readouterr().out
        assert f"model3, version 1: {tmp_path}/model3/1\n" in out
        assert "Served as well, as before: a, b.\n" in out
        assert shlex.join(arguments) in out and "whoever reaches ports 8500 and" in out

    @pytest.mark.parametrize("engines", [(), ("podman",), ("docker", "podman")])
    def test_otherwise_a_container_is_told(self, tmp_path, installed, capsys, engines):
        programs, started = installed
        programs.update(engines)
        self.run(tmp_path)
        assert not started
        out = capsys.readouterr().out
        assert "tensorflow_model_server is not installed here. This serves" in out
        assert "this computer alone, until Ctrl-C. To let others ask, leave out" in out
        words = shlex.split(out.splitlines()[-3])
        assert words == [
            *(engines[:1] or ("docker",)),
            *("run", "--rm", "--interactive", "--tty"),
            *("--publish=127.0.0.1:8500:8500", "--publish=127.0.0.1:8501:8501"),
            # Where it is outside, so that models.config is right inside.
            f"--mount=type=bind,source={tmp_path},target={tmp_path},readonly",
            "tensorflow/serving:2.14.1",
            f"--model_config_file={tmp_path}/models.config",
            f"--monitoring_config_file={tmp_path}/monitoring.config",
        ]

    def test_nothing_is_started_when_told_so(self, tmp_path, installed, capsys):
        programs, started = installed
        programs.add("tensorflow_model_server")
        self.run(tmp_path, write_only=True)
        assert not started
        out = capsys.readouterr().out
        assert "This serves them:\n\n  tensorflow_model_server" in out

    @pytest.mark.parametrize("name", ["a, b", 'a "b"'])
    def test_a_path_that_no_container_takes(
        self, tmp_path, installed, monkeypatch, name
    ):
        monkeypatch.setattr(server, "write", pytest.fail)
        with pytest.raises(ValueError, match="has a comma or a quotation mark in it"):
            self.run(tmp_path / name)
        assert not (tmp_path / name).exists()

    def test_batching_is_what_models_say(self):
        root = "/served"
        for make in (server.server_command, server.container_command):
            assert "batch" not in shlex.join(make(root, batching=False))
            assert make(root, batching=True)[-3:] == [
                "--enable_batching",
                "--enable_per_model_batching_parameters",
                f"--batching_parameters_file={root}/batching_parameters.txt",
            ]

    def test_required_flags(self, tmp_path):
        with pytest.raises(ValueError, match="--model is required"):
            serve.Options(output=str(tmp_path))
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="--output=.*must be a folder, but"):
            serve.Options(model=(".",), output=str(tmp_path / "file"))
