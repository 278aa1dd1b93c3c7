"""The files of TF Serving are what its protocol buffers take, and its requests run."""

import functools
import importlib.util
import pathlib
import re
import shlex
import shutil
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_latents
import tiny_serving
from google.protobuf import text_format
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
    """The root that they are written to, and the versions' folders."""
    root = tmp_path_factory.mktemp("served")
    return root, server.write(folders, root)


def configured(root):
    """The models that a server is told of."""
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((root / "models.config").read_text(), config)
    return config.model_config_list.config


def values(path):
    """Name -> value, of a file of `name { value: ... }`."""
    return dict(re.findall(r'(\w+) \{ value: "?(\w+)"? \}', path.read_text()))


@api
class TestConfiguration:
    def test_models_are_where_it_says(self, served):
        root, versions = served
        models = configured(root)
        assert [model.name for model in models] == ["model3", "lambda_0.01", "cvae"]
        for model, version in zip(models, versions):
            assert version.is_absolute()
            assert version == pathlib.Path(model.base_path) / "1"
            assert model.model_platform == "tensorflow"
            assert (version / "saved_model.pb").exists()

    def test_metrics(self, served):
        text = (served[0] / "monitoring.config").read_text()
        # Without a path a server has them nowhere.
        assert re.fullmatch(
            r'prometheus_config \{\s+enable: true\s+path: "/[\w/]+"\s+\}\s*', text
        )

    def test_batching(self, served):
        root, (restorer, codec, latents) = served
        assert [*values(root / "batching_parameters.txt")] == ["thread_pool_name"]
        for version in (restorer, latents):
            own = values(version / "batching_params.pbtxt")
            assert int(own["max_batch_size"]) > 1
            assert 0 < int(own["batch_timeout_micros"]) <= 10_000
            assert int(own["max_enqueued_batches"]) > 1
        # Pictures of two sizes cannot be in one batch: the second would be refused.
        assert not (codec / "batching_params.pbtxt").exists()

    def test_a_path_with_any_characters(self, folders, tmp_path):
        (version,) = server.write(folders[:1], tmp_path / 'a "b" \\ ä')
        (model,) = configured(tmp_path / 'a "b" \\ ä')
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

    def test_restorers_fill_the_hole_they_were_trained_on(self, served):
        found = requests(served[1][0])
        mask = found["serving_default"]["mask"]
        assert mask.shape == (1, SIZE, SIZE, 1) and mask.sum() == HOLE**2
        both = found["serving_single"]["image_and_mask"]
        np.testing.assert_array_equal(both[..., 3:], mask)
        (data,) = found["serving_bytes"]["mask_bytes"]
        np.testing.assert_array_equal(pixels.decode(data, "")[..., :1], 255 * mask[0])

    def test_codecs_see_whole_cells(self, served):
        """In 40 pixels, the side that this one was trained with, there are 2.5."""
        found = requests(served[1][1])
        assert found["analysis"]["image"].shape == (1, 48, 48, 3)
        assert found["synthesis"]["latents"].shape == (1, 3, 3, 8)
        assert found["synthesis"]["latents"].dtype == np.int32


@api
class TestVersions:
    def test_another_model_is_the_next_one_and_the_same_is_not(
        self, folders, served, tmp_path
    ):
        folder = tmp_path / "model3" / "export" / "1"
        shutil.copytree(folders[0], folder)
        (first,) = server.write([folder], tmp_path / "root")
        before = (first / WARM_UP).stat().st_mtime_ns
        assert server.write([folder], tmp_path / "root") == [first]
        assert (first / WARM_UP).stat().st_mtime_ns == before
        for part in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
            assert (first / part).read_bytes() == (folders[0] / part).read_bytes()
        other = tiny_serving.export_restorer(tmp_path / "model3", seed=1)
        (second,) = server.write([other], tmp_path / "root")
        assert (first.name, second.name) == ("1", "2")
        for version, export in ((first, folders[0]), (second, other)):
            part = "variables/variables.data-00000-of-00001"
            assert (version / part).read_bytes() == (export / part).read_bytes()
            # The export itself is left as it is.
            assert not (export / WARM_UP).exists()
            assert not (export / "batching_params.pbtxt").exists()

    def test_a_version_is_whole_or_not_there(self, folders, tmp_path, monkeypatch):
        def fail(model, folder):
            # A server that watches the model's place sees no part of it.
            assert not (tmp_path / "model3").exists()
            raise OSError("the disk is full")

        monkeypatch.setattr(warm_up, "write", fail)
        with pytest.raises(OSError, match="the disk is full"):
            server.write(folders[:1], tmp_path)
        assert not list(tmp_path.iterdir())


@api
class TestTwice:
    """One folder, several calls: a server serves what is in it."""

    opened = staticmethod(functools.lru_cache(maxsize=None)(warm_up.Model))

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        """Opens each export once for all of these tests."""
        monkeypatch.setattr(server, "Model", self.opened)

    def write(self, root, *folders):
        server.write(folders, root)
        assert server.served(root) == [model.name for model in configured(root)]
        return {model.name: model.base_path for model in configured(root)}

    def test_models_stay_until_their_folders_are_deleted(self, folders, tmp_path):
        root = tmp_path / "a"
        self.write(root, folders[0], folders[2])
        expected = {name: str(root / name) for name in ("model3", "cvae")}
        assert self.write(root, folders[2]) == expected
        expected["lambda_0.01"] = str(root / "lambda_0.01")
        assert self.write(root, folders[1]) == expected
        shutil.rmtree(root / "model3")
        assert list(self.write(root, folders[2])) == ["cvae", "lambda_0.01"]
        # The folder may be moved.
        shutil.move(root, tmp_path / "b")
        found = self.write(tmp_path / "b", folders[2])
        assert found == {n: str(tmp_path / "b" / n) for n in ("cvae", "lambda_0.01")}

    def test_what_a_user_wrote_stays(self, folders, tmp_path):
        self.write(tmp_path, folders[2])
        path, elsewhere = tmp_path / "models.config", tmp_path / "elsewhere"
        elsewhere.mkdir()
        platform = 'model_platform: "tensorflow"'
        text = path.read_text().replace(
            platform, f"{platform} model_version_policy {{ all {{}} }}"
        )
        other = f'config {{ name: "mine" base_path: "{elsewhere}" }}'
        text = text.replace("model_config_list {", f"model_config_list {{ {other}")
        path.write_text(text)
        assert self.write(tmp_path, folders[2])["mine"] == str(elsewhere)
        (model,) = (each for each in configured(tmp_path) if each.name == "cvae")
        assert model.model_version_policy.HasField("all")

    def test_a_damaged_list_is_an_error_before_anything_is_written(
        self, folders, tmp_path
    ):
        (tmp_path / "models.config").write_text("model {")
        with pytest.raises(ValueError, match="models.config is damaged .*Delete it"):
            self.write(tmp_path, folders[0])
        assert [path.name for path in tmp_path.iterdir()] == ["models.config"]


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
def test_a_model_has_the_name_of_its_run(tmp_path, folder, name):
    assert server.name_of(tmp_path / folder) == name


@api
class TestMistakes:
    def refused(self, folders, text, error=ValueError):
        root = folders[0].parents[3] / "root"
        with pytest.raises(error, match=text):
            server.write(folders, root)
        assert not root.exists()

    def test_two_models_of_one_name(self, tmp_path):
        folders = [tmp_path / place / "model3" / "export" / "1" for place in "ab"]
        self.refused(folders, "two models 'model3'.*Rename the folder")

    @pytest.fixture
    def copy(self, folders, tmp_path):
        folder = tmp_path / "runs" / "model3" / "export" / "1"
        shutil.copytree(folders[0], folder)
        return folder

    def test_a_folder_without_an_export(self, copy):
        shutil.rmtree(copy)
        text = f"{copy} is not an exported"
        self.refused([copy], text, FileNotFoundError)

    @pytest.mark.parametrize(
        "file, content, text",
        [
            ("config.json", "{", "cannot be opened .JSONDecodeError"),
            ("config.json", "{}", "cannot be opened .KeyError: 'image_size'"),
            # Only the center's hole is filled, and this is another one.
            (
                "config.json",
                '{"image_size": 32, "hole_size": 8}',
                "its signature .* refuses an example .*This model fills",
            ),
            ("../saved_model.pb", "x", "cannot be opened"),
        ],
    )
    def test_a_damaged_export(self, copy, file, content, text):
        (copy / "assets.extra" / file).write_text(content)
        self.refused([copy], f"--model={copy}.*{text}.*Export it again")

    def test_a_restorer_saved_by_keras_alone(self, copy):
        tuned = copy.parents[2] / "tuned" / "export" / "1"
        tf.keras.models.load_model(copy, compile=False).save(tuned)
        shutil.copytree(copy / "assets.extra", tuned / "assets.extra")
        text = f"--model={tuned} has no signature serving_bytes.*export.restorer.save"
        self.refused([tuned], text)

    def test_without_the_package_it_says_which(self, tmp_path, monkeypatch):
        for name in ("tensorflow_serving", "tensorflow_serving.config"):
            monkeypatch.setitem(sys.modules, name, None)
        text = r"tensorflow-serving-api .*EXTRAS=serving"
        with pytest.raises(ValueError, match=text):
            serve.serve(serve.Options(model=(".",), output=str(tmp_path)))


class TestCommand:
    """What is started; nothing is written."""

    @pytest.fixture
    def run(self, tmp_path, monkeypatch, capsys):
        """Runs the command where some programs are installed."""

        def run(*programs, output=tmp_path, **options):
            started, version = [], tmp_path / "model3" / "1"
            monkeypatch.setattr(server, "write", lambda folders, root: [version])
            monkeypatch.setattr(server, "served", lambda root: ["model3", "b", "a"])
            which = lambda name: f"/bin/{name}" if name in programs else None  # noqa: E731
            monkeypatch.setattr(serve.shutil, "which", which)
            monkeypatch.setattr(serve.os, "execv", lambda *what: started.append(what))
            serve.serve(serve.Options(model=(".",), output=str(output), **options))
            return started, capsys.readouterr().out

        return run

    def test_the_server_is_started_if_it_is_installed(self, run, tmp_path):
        ((program, arguments),), out = run("tensorflow_model_server")
        assert program == "/bin/tensorflow_model_server"
        assert arguments == [
            "tensorflow_model_server",
            "--port=8500",
            "--rest_api_port=8501",
            f"--model_config_file={tmp_path}/models.config",
            f"--monitoring_config_file={tmp_path}/monitoring.config",
        ]
        assert f"model3, version 1: {tmp_path}/model3/1\n" in out
        assert "Also served, as before: a, b.\n" in out
        assert shlex.join(arguments) in out and "guard ports 8500 and 8501" in out
        started, out = run("tensorflow_model_server", write_only=True)
        assert not started
        assert f"This serves them:\n\n  {shlex.join(arguments)}\n" in out

    @pytest.mark.parametrize("engines", [(), ("podman",), ("docker", "podman")])
    def test_otherwise_the_command_of_a_container_is_printed(
        self, run, tmp_path, engines
    ):
        started, out = run(*engines)
        assert not started
        assert "tensorflow_model_server is not installed here. This serves" in out
        assert "127.0.0.1 only, until Ctrl-C. To open it to others, leave out" in out
        assert shlex.split(out.splitlines()[-3]) == [
            *(engines[:1] or ("docker",)),
            *("run", "--rm", "--interactive", "--tty"),
            *("--publish=127.0.0.1:8500:8500", "--publish=127.0.0.1:8501:8501"),
            # Where it is outside, so that models.config is right inside.
            f"--mount=type=bind,source={tmp_path},target={tmp_path},readonly",
            "tensorflow/serving:2.14.1",
            f"--model_config_file={tmp_path}/models.config",
            f"--monitoring_config_file={tmp_path}/monitoring.config",
        ]

    @pytest.mark.parametrize("name", ["a, b", 'a "b"'])
    def test_a_path_that_no_container_takes(self, run, tmp_path, name):
        with pytest.raises(ValueError, match="has a comma or a quotation mark in it"):
            run(output=tmp_path / name)

    @pytest.mark.parametrize("engine", ["", "docker"])
    def test_batching_is_configured_for_each_model(self, engine):
        command = functools.partial(server.command, "/served", engine=engine)
        assert "batch" not in shlex.join(command(batching=False))
        assert command(batching=True)[-3:] == [
            "--enable_batching",
            "--enable_per_model_batching_parameters",
            "--batching_parameters_file=/served/batching_parameters.txt",
        ]

    def test_required_flags(self, tmp_path):
        with pytest.raises(ValueError, match="--model is required"):
            serve.Options(output=str(tmp_path))
        (tmp_path / "file").touch()
        with pytest.raises(ValueError, match="--output=.*must be a folder, but"):
            serve.Options(model=(".",), output=str(tmp_path / "file"))
