"""Limits on what browsers send to the editor of missing parts.

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


def limited(editor: gr.ImageEditor) -> gr.ImageEditor:
    """Makes an editor's value layers alone, and few of them; returns the editor."""
    # It is no subclass, because Gradio would write a stub beside its source.
    preprocess, accept = editor.preprocess, editor.accept_blobs
    kept, lock = editor.blob_storage, threading.Lock()

    def take(payload: EditorData | None) -> dict | None:
        if payload is not None:
            payload.background = payload.composite = None
            payload.layers = (payload.layers or [])[:_LAYERS]
        with lock:
            return preprocess(payload)

    @server
    def keep(data: AcceptBlobs) -> None:
        part = data.data
        if part["type"] != "layer" or len(data.files[0][1]) > _LARGEST:
            return
        if not 0 <= int(part["index"]) < _LAYERS:
            return
        with lock:
            accept(data)
            # Those of visitors who left are the oldest.
            while len(kept) > 1 and sum(map(_size, kept.values())) > _KEPT:
                kept.pop(next(iter(kept)))

    editor.preprocess, editor.accept_blobs = take, keep
    return editor


def _size(blobs) -> int:
    return sum(len(layer) for layer in blobs.layers if layer)
