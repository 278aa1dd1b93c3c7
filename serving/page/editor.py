"""The editor of missing parts, with limits on what its visitors' browsers send.

Gradio's keeps whatever a browser sends until an event takes it, for any number of
layers, and decodes the picture under them as well.
"""

from __future__ import annotations

import threading

import gradio as gr
from gradio.components.base import server
from gradio.components.image_editor import AcceptBlobs, EditorData

_LAYERS = 4  # the page itself makes one
_LARGEST = 2**22  # bytes of a layer; most have some kB
_KEPT = 2**27  # bytes of layers that no event has taken


class Editor(gr.ImageEditor):
    """A `gr.ImageEditor` whose value has layers alone, and few of them."""

    is_template = True  # in the browser it is Gradio's own

    def __init__(self, **options):
        super().__init__(**options)
        self._lock = threading.Lock()

    def preprocess(self, payload: EditorData | None) -> dict | None:
        """A browser's value -> what events are given."""
        if payload is not None:
            payload.background = payload.composite = None
            payload.layers = (payload.layers or [])[:_LAYERS]
        with self._lock:
            return super().preprocess(payload)

    @server
    def accept_blobs(self, data: AcceptBlobs) -> None:
        """Keeps a layer that a browser sends before the event that takes it."""
        part, kept = data.data, self.blob_storage
        if part["type"] != "layer" or len(data.files[0][1]) > _LARGEST:
            return
        if not 0 <= int(part["index"]) < _LAYERS:
            return
        with self._lock:
            super().accept_blobs(data)
            # Those of visitors who left are the oldest.
            while len(kept) > 1 and sum(map(_size, kept.values())) > _KEPT:
                kept.pop(next(iter(kept)))


def _size(blobs) -> int:
    return sum(len(layer) for layer in blobs.layers if layer)
