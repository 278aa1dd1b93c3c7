"""The look of the web page: the colors and fonts of the reports, light and dark."""

from __future__ import annotations

import gradio as gr

# From the lightest to the darkest shade.
_TEAL = gr.themes.Color(
    *("#f0f8f7", "#e6f3f1", "#c3e2de", "#8fcac3", "#54cfc4", "#0b6e6a"),
    *("#0b6e6a", "#095a57", "#0a4846", "#123b39", "#12302f"),
    name="teal-ink",
)
_SLATE = gr.themes.Color(
    *("#fafbfb", "#f5f7f8", "#e2e6eb", "#cbd2d9", "#98a3b0", "#5d6774"),
    *("#4a535e", "#2b3138", "#1f2429", "#181c20", "#101316"),
    name="slate-ink",
)
# System fonts, so that nothing is downloaded.
_SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial")
_MONO = ("ui-monospace", "SF Mono", "Menlo", "Consolas", "Liberation Mono")
# Setting -> its value in light and in dark mode.
_COLORS = {
    "body_background_fill": ("#ffffff", "#101316"),
    "body_text_color": ("#16191e", "#e7eaee"),
    "body_text_color_subdued": ("#5d6774", "#98a3b0"),
    "background_fill_primary": ("#ffffff", "#181c20"),
    "background_fill_secondary": ("#f5f7f8", "#181c20"),
    "border_color_primary": ("#e2e6eb", "#2b3138"),
    "block_label_text_color": ("#5d6774", "#98a3b0"),
    "block_title_text_color": ("#16191e", "#e7eaee"),
    "button_primary_background_fill": ("#0b6e6a", "#0b6e6a"),
    "button_primary_background_fill_hover": ("#095a57", "#0d827d"),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_secondary_background_fill": ("#ffffff", "#1f2429"),
    "button_secondary_background_fill_hover": ("#f5f7f8", "#2b3138"),
    "button_secondary_border_color": ("#cbd2d9", "#2b3138"),
    "slider_color": ("#0b6e6a", "#54cfc4"),
    "link_text_color": ("#0b6e6a", "#54cfc4"),
}


def theme() -> gr.themes.Base:
    """The Gradio theme in the colors of the reports."""
    return gr.themes.Base(
        primary_hue=_TEAL,
        secondary_hue=_TEAL,
        neutral_hue=_SLATE,
        font=(*_SANS, "sans-serif"),
        font_mono=(*_MONO, "monospace"),
    ).set(
        block_border_width="1px",
        block_shadow="none",
        block_radius="12px",
        block_title_text_weight="600",
        button_border_width="1px",
        button_large_radius="10px",
        button_small_radius="99px",
        **{name: light for name, (light, _) in _COLORS.items()},
        **{f"{name}_dark": dark for name, (_, dark) in _COLORS.items()},
    )


CSS = """
.gradio-container { font-variant-numeric: tabular-nums; }
.gradio-container .fillable { max-width: 1120px !important; }
.drop [data-testid=upload-text] { font-size: 14.5px; line-height: 1.45;
  padding-top: 20px; }
.drop [data-testid=upload-icon] { display: none; }
.html-container { padding: 0 !important; }
.faces { border: none !important; background: none !important; }
.faces .grid-wrap { overflow: visible !important; padding: 0 !important; }
.faces .grid-wrap, .pictures .grid-wrap { min-height: 0 !important;
  max-height: none !important; }
.faces .grid-container { display: flex !important; gap: 10px; padding: 2px !important; }
.faces .gallery-item { flex: 0 1 60px; min-width: 0; }
.faces .thumbnail-item { width: 100%; height: auto; aspect-ratio: 1; }
/* Above the canvas, which would hide it. */
.painter { border-color: transparent !important; }
.painter::after { content: ""; position: absolute; inset: -1px; border-radius: 12px;
  border: 1px solid var(--border-color-primary); pointer-events: none;
  z-index: var(--layer-3); }
/* There is one color, and a button "Clear" of our own. */
.painter [aria-label=Color], .painter [aria-label="Clear canvas"] { display: none; }
.pair .icon-wrap { color: #fff !important; }
.dark .pair .icon-wrap { color: #101316 !important; }
.dark { --color-accent: #54cfc4 !important; }
.pictures .thumbnail-item { border-radius: 8px !important; }
/* Below the picture, whose chin it would hide. */
.pictures .thumbnail-item { display: flex !important; flex-direction: column;
  height: auto !important; aspect-ratio: auto !important; }
.pictures .thumbnail-item img { flex: none; height: auto !important; }
.pictures .caption-label { position: static !important; max-width: none !important;
  width: 100%; border: none !important; border-radius: 0 !important;
  text-align: center; white-space: normal !important; overflow-wrap: anywhere; }
.results { position: sticky; top: 12px; align-self: flex-start; }
.regions { gap: 6px !important; }
.regions button { flex: 0 0 auto !important; min-width: 0 !important;
  padding: 4px 13px !important; }
.top h1 { font-size: 30px; line-height: 1.15; letter-spacing: -.02em;
  margin: 18px 0 4px; }
.top p { margin: 0 0 4px; color: var(--body-text-color-subdued);
  font-size: 15.5px; line-height: 1.5; }
.safety { margin: 12px 0 2px; padding: 11px 15px; border-radius: 10px; font-size: 14px;
  line-height: 1.5; background: var(--primary-100); color: #123b39; }
.dark .safety { background: var(--primary-950); color: #cfe9e6; }
.empty { display: grid; place-items: center; min-height: 300px; padding: 24px;
  border: 1.5px dashed var(--border-color-primary); border-radius: 12px;
  color: var(--body-text-color-subdued); text-align: center; font-size: 14.5px; }
.missing { padding: 26px 28px; border-radius: 12px; max-width: 84ch;
  background: var(--background-fill-secondary); font-size: 15px; line-height: 1.55; }
.missing h3 { margin: 0 0 6px; font-size: 17px; }
.missing pre { overflow-x: auto; padding: 12px 14px; border-radius: 8px;
  margin: 12px 0 0; font: 13px/1.6 var(--font-mono);
  background: var(--background-fill-primary);
  border: 1px solid var(--border-color-primary); }
.remark { margin: 0 !important; font-size: 14px; line-height: 1.5;
  color: var(--body-text-color-subdued); }
.remark b { color: var(--body-text-color); }
/* A shadow at the side where a table goes on. */
.numbers { overflow-x: auto; padding-bottom: 12px;
  background: linear-gradient(90deg, var(--body-background-fill) 30%, transparent) left,
    linear-gradient(270deg, var(--body-background-fill) 30%, transparent) right,
    linear-gradient(90deg, rgb(0 0 0 / .18), transparent) left,
    linear-gradient(270deg, rgb(0 0 0 / .18), transparent) right;
  background-size: 36px 100%, 36px 100%, 12px 100%, 12px 100%;
  background-repeat: no-repeat; background-attachment: local, local, scroll, scroll; }
.numbers table { border-collapse: collapse; width: 100%; margin: 0;
  font-size: 14px; line-height: 1.35; }
.numbers table, .numbers tr { border: none !important; }
.numbers th, .numbers td { padding: 8px 7px !important; text-align: right;
  white-space: nowrap; font-weight: 400; border: none !important;
  border-bottom: 1px solid var(--border-color-primary) !important; }
.numbers th:first-child, .numbers td.note { text-align: left; white-space: normal; }
.numbers thead th { font-size: 12.5px; font-weight: 600;
  color: var(--body-text-color-subdued); }
.numbers tbody th { font-weight: 550; min-width: 118px; }
.numbers tr.ours > * { background: var(--primary-100); }
.dark .numbers tr.ours > * { background: var(--primary-950); }
.numbers td.note { color: var(--body-text-color-subdued); }
.numbers b { font-weight: 700; color: #0b6e6a; }
.dark .numbers b { color: #54cfc4; }
/* Errors are shown as messages. */
[data-testid=status-tracker] > .error, [data-testid=status-tracker] > .clear-status {
  display: none; }
/* Names end before the arrow; those that do not fit are whole in the opened menu. */
input[role=combobox] { text-overflow: ellipsis; padding-right: 16px !important; }
footer { display: none !important; }
@media (max-width: 640px) {
  .gradio-container .fillable { padding: 8px 16px !important; }
  .tab-container button { padding: 0 10px !important; }
  .empty { min-height: 120px; }
  input[role=combobox] { font-size: 12.5px !important; padding-left: 0 !important; }
  .pictures .grid-container {
    grid-template-columns: minmax(0, 1fr) minmax(0, 1fr) !important; }
  .pictures .thumbnail-item { min-width: 0; }
  .numbers table { font-size: 13px; }
  .numbers th, .numbers td { padding: 7px 4px !important; }
  .numbers thead th { white-space: normal; }
  .numbers tbody th { min-width: 0; overflow-wrap: anywhere; }
}
"""
