"""What strangers send is read or refused, in a sentence, with bounded work."""

import pathlib
import time

import hypothesis
import numpy as np
import pytest
import untrusted
from hypothesis import strategies as st
from untrusted import READERS, WHOLE, corpus

from serving.codec.container import CELL, HEADER_BYTES, Header, pack, unpack
from serving.codec.entropy import LARGEST

# The same examples every time: a failure is one of the change, not of chance.
examples = hypothesis.settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=list(hypothesis.HealthCheck),
)
SLOW = ("saved_model",)  # TensorFlow logs and takes its time
FILES = [(name, path) for name in READERS for path in corpus(name)]


@pytest.mark.parametrize(
    "name, path", FILES, ids=[f"{name}-{path.name}" for name, path in FILES]
)
def test_files_of_the_corpus(name, path):
    start = time.process_time()
    error = untrusted.refuses(name, path.read_bytes())
    assert (error is None) == path.name.startswith(WHOLE), error
    assert time.process_time() - start < 10
    assert path.stat().st_size < 20_000


@st.composite
def mutated(draw, name):
    """A file of a reader's corpus with up to four changes."""
    data = draw(st.sampled_from([path.read_bytes() for path in corpus(name)]))
    other = draw(st.sampled_from([path.read_bytes() for path in corpus(name)]))
    for _ in range(draw(st.integers(1, 4))):
        places = st.integers(0, len(data))
        start, stop = sorted((draw(places), draw(places)))
        middle = draw(
            st.one_of(
                st.binary(max_size=8),
                st.just(data[start:stop] * 2),
                st.just(other[start:stop]),
                st.just(bytes(stop - start)),
            )
        )
        data = data[:start] + middle + data[stop:]
    return data


@pytest.mark.parametrize("name", [name for name in READERS if name not in SLOW])
def test_mutations_are_read_or_refused(name):
    @examples
    @hypothesis.given(mutated(name))
    def run(data):
        untrusted.refuses(name, data)

    run()


sizes = st.integers(1, 65535)


@examples
@hypothesis.given(sizes, sizes, st.booleans(), st.binary(max_size=99), st.data())
def test_a_container_gives_back_what_was_packed(width, height, gray, payload, data):
    model, header = bytes(8), Header(width, height, gray)
    packed = pack(header, payload, model)
    limit = (width + CELL) * (height + CELL)
    assert unpack(packed, model, max_pixels=limit) == (header, payload)
    bit = data.draw(st.integers(0, 8 * len(packed) - 1))
    changed = bytearray(packed)
    changed[bit // 8] ^= 1 << bit % 8
    # Each bit is covered: by the checksum, or by a field that is checked.
    with pytest.raises(untrusted.REFUSALS):
        unpack(bytes(changed), model, max_pixels=limit)
    assert len(packed) == HEADER_BYTES + len(payload)


values = st.one_of(st.integers(-20, 20), st.integers(-LARGEST, LARGEST))


@examples
@hypothesis.given(st.lists(st.tuples(values, values), min_size=1, max_size=40))
def test_the_range_coder_gives_back_any_latents(latents):
    latents = np.array(latents, np.int32)[None]
    tables = untrusted.tables()
    data = tables.encode(latents)
    np.testing.assert_array_equal(tables.decode(data, *latents.shape[:2]), latents)
    assert abs(8 * len(data) - tables.estimated_bits(latents)) < 32 + 0.02 * 8 * len(
        data
    )


def test_each_reader_has_whole_and_broken_files():
    for name in READERS:
        names = [path.name for path in corpus(name)]
        assert any(not each.startswith(WHOLE) for each in names), name
        assert name in SLOW or any(each.startswith(WHOLE) for each in names), name
    folders = {path.name for path in pathlib.Path(untrusted.CORPUS).iterdir()}
    assert folders - {"make.py", "__pycache__"} == set(READERS)
