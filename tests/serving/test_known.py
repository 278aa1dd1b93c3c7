"""A SavedModel is a program: of one that was not made here it is said, once."""

import pytest
import tiny

from serving.export import known, restorer
from serving.zoo import zoo


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEMEND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(folder, graph=b"graph", weights=b"weights"):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(graph)
    (folder / "variables" / "variables.index").write_bytes(weights)
    return folder


def said(capsys, folder):
    zoo.resolve(folder)
    return capsys.readouterr().err


def test_a_stranger_is_named_once_wherever_it_lies(tmp_path, capsys):
    text = said(capsys, write(tmp_path / "a"))
    assert text.startswith(f"{tmp_path / 'a'} was not exported here. A SavedModel is a")
    assert "docs/security.md" in text and text.count("\n") == 1
    assert not said(capsys, tmp_path / "a")
    assert not said(capsys, write(tmp_path / "b", weights=b"other numbers"))
    assert said(capsys, write(tmp_path / "c", graph=b"another program"))


def test_layers_of_keras_are_part_of_the_program(tmp_path, capsys):
    said(capsys, write(tmp_path / "a"))
    (write(tmp_path / "b") / "keras_metadata.pb").write_bytes(b"lambda")
    assert "not exported here" in said(capsys, tmp_path / "b")


def test_a_graph_in_words_is_a_program_too(tmp_path, capsys):
    """TensorFlow loads saved_model.pbtxt where there is no saved_model.pb."""
    for name, graph in (("a", "graph"), ("b", "another")):
        folder = write(tmp_path / name)
        (folder / "saved_model.pb").unlink()
        (folder / "saved_model.pbtxt").write_text(graph)
        assert "not exported here" in said(capsys, folder)
    # Each is converted for other engines by itself.
    assert known.fingerprint(tmp_path / "a") != known.fingerprint(tmp_path / "b")


def test_what_a_run_here_exported_is_known(tmp_path, capsys):
    model = restorer.build_restorer(tiny.plain_generator(), fill=1.0)
    folder = restorer.save(model, tmp_path / "run" / "export" / "1")
    assert not said(capsys, folder)
    folder.rename(tmp_path / "moved")
    assert not said(capsys, tmp_path / "moved")


def test_without_a_cache_it_is_said_again(tmp_path, capsys, cache):
    cache.write_bytes(b"a file, where a folder would be")
    folder = write(tmp_path / "a")
    assert said(capsys, folder) and said(capsys, folder)


def test_a_folder_without_a_model_is_left_to_whoever_opens_it(tmp_path, capsys, cache):
    assert not said(capsys, tmp_path)
    assert not (cache / known.FILE).exists()
