"""The page itself: what stands where, what happens when something is chosen; served on this machine."""

import os
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from mi204 import backbones
from mi204.datasets import pictures
from mi204.datasets.photographs import Photograph
from mi204.demo import view
from mi204.demo.studio import Studio, examples
from mi204.errors import DataError, SettingError, UserError
from mi204.explain import METHODS
from mi204.explain.transformations import TRANSFORMATIONS
from mi204.language import Language, fill, word
from mi204.terminal import show

_LIBRARYS_CHOICE, _PREDICTED = "", -1
_MOST_BYTES = 50_000_000
"""Of a picture's file. Gradio is let more, so that the message is ours, in the page's language."""
_STRENGTHS = 20
"""Steps of the slider."""

_STYLE = """
.mi204-examples .grid-container { grid-template-columns: repeat(4, minmax(0, 1fr)) !important; }
.mi204-row { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.6rem; margin-bottom: 0.6rem; }
.mi204-row figure { margin: 0; }
.mi204-row img { width: 100%; display: block; border-radius: 4px; }
.mi204-row img.mi204-pixels { image-rendering: pixelated; }
.mi204-row figcaption { font-size: 0.85rem; opacity: 0.8; margin-top: 0.25rem; }
.mi204-result p { margin: 0.35rem 0; overflow-wrap: anywhere; }
.mi204-save { display: inline-block; margin-top: 0.5rem; padding: 0.4rem 0.9rem; border-radius: 6px;
    background: var(--button-secondary-background-fill); color: var(--button-secondary-text-color); }
.mi204-error { padding: 0.6rem 0.9rem; border-left: 4px solid #c0392b; background: #fdecea; color: #641e16;
    border-radius: 4px; overflow-wrap: anywhere; }
"""


def serve(host: str, port: int, language: Language) -> None:
    """Show the page at an address of this machine until Ctrl-C; raise SettingError where nothing can be served."""
    # Gradio asks itself whether it can be reached: no proxy knows.
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = ",".join(filter(None, [direct, "127.0.0.1", "localhost", host]))
    page = build(Studio(), examples(), language)
    try:
        _, address, _ = page.launch(
            server_name=host, server_port=port, prevent_thread_lock=True, quiet=True, share=False, footer_links=[],
            run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False, mcp_server=False,
            max_file_size=20 * _MOST_BYTES, show_error=True, css=_STYLE,
            # Gradio's own font comes without the weight of headings.
            theme=gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"]),
            js=f"() => {{ document.documentElement.lang = '{language}'; }}",
        )
    except OSError as error:
        raise SettingError(
            "Expected --host and --port to be an address of this machine that is free, received {host} and {port}: "
            "choose another port.",
            "Adresse libre de cette machine attendue pour --host et --port, {host} et {port} reçu : choisir un autre "
            "port.",
            host=host, port=port,
        ) from error
    show(fill(word("page_started", language), {"address": address}, language))
    while True:
        time.sleep(60)


def build(studio: Studio, known: list[Photograph], language: Language) -> gr.Blocks:
    """Lay the page out, with these photographs as examples, the first of them shown at the start."""

    def text(key: str, **values: Any) -> str:
        return fill(word(key, language), values, language)

    def result(photograph, network, method, layer, target, transformation, strength) -> str:
        layer, target = layer or None, None if target == _PREDICTED else target
        backbone, seen = studio.backbone(network), studio.see(photograph, network, method, layer, target)
        followed = studio.follow(seen, network, layer, transformation, strength) if strength else None
        rows = view.pictures(seen, followed, language)
        said = view.sentences(backbone, photograph, seen, followed, language)
        name = f"{network}_{method}_{Path(photograph.name).stem}.png"
        return view.html(rows, said, view.png(rows, said), name, word("page_save", language))

    def again(*chosen) -> dict:
        return {problem: gr.HTML(visible=False), shown: result(*chosen)}

    def afresh(photograph, network, method, transformation, strength) -> dict:
        """Show another picture or network: what was chosen of the former's layers and classes means nothing here."""
        seen = studio.see(photograph, network, method)
        layers = [(text("page_layer_chosen"), _LIBRARYS_CHOICE), *((path, path) for path in studio.layers(network))]
        classes = [
            (text("page_class_predicted"), _PREDICTED), *view.class_choices(studio.backbone(network), seen, language)
        ]
        return {
            **again(photograph, network, method, _LIBRARYS_CHOICE, _PREDICTED, transformation, strength),
            layer: gr.Dropdown(choices=layers, value=_LIBRARYS_CHOICE),
            target: gr.Dropdown(choices=classes, value=_PREDICTED),
        }

    def uploaded(path, *chosen) -> dict:
        file = Path(path)
        try:
            size = file.stat().st_size
            if size > _MOST_BYTES:
                raise DataError(
                    "Expected a file of at most {most:,} bytes, received {size:,} in {name}: make the picture smaller.",
                    "Fichier d'au plus {most:,} octets attendu, {size:,} reçu dans {name} : réduire l'image.",
                    most=_MOST_BYTES, size=size, name=file.name,
                )
            content = file.read_bytes()
        finally:
            file.unlink()  # nobody's picture stays on the disk
        read = pictures.read(content, file.name, longest_side=pictures.LONGEST_SIDE)
        photograph = Photograph(file.name, read.image, remarks=read.remarks)
        return {picture: photograph, **afresh(photograph, *chosen)}

    def picked(event: gr.SelectData, *chosen) -> dict:
        return {picture: known[event.index], **afresh(known[event.index], *chosen)}

    def transformed(photograph, network, method, layer, target, transformation) -> dict:
        scale = _slider(transformation)
        return {
            strength: gr.Slider(**scale),
            **again(photograph, network, method, layer, target, transformation, scale["value"]),
        }

    def _slider(transformation: str) -> dict[str, Any]:
        chosen = TRANSFORMATIONS[transformation]
        unit = "flip" if transformation == "flip" else chosen.unit
        step = 1 if transformation == "flip" else round((chosen.high - chosen.low) / _STRENGTHS, 6)
        return {
            "minimum": chosen.low, "maximum": chosen.high, "value": chosen.high, "step": step,
            "label": text("page_strength", unit=text(f"page_unit_{unit}")),
        }

    with gr.Blocks(title=text("page_title"), analytics_enabled=False, fill_width=True) as page:
        picture = gr.State(known[0])
        gr.Markdown(f"# {text('page_title')}\n{text('page_intro')}")
        with gr.Row():
            with gr.Column(scale=1, min_width=300):
                upload = gr.UploadButton(text("page_upload"), variant="primary")
                gr.Markdown(text("page_examples" if known[0].credit else "page_examples_drawn"))
                gallery = gr.Gallery(
                    [each.image for each in known], columns=4, height=236, object_fit="cover", format="jpeg",
                    allow_preview=False, interactive=False, buttons=[], show_label=False, elem_classes="mi204-examples",
                )
                network = gr.Dropdown(
                    [(_network_name(each, language), each) for each in backbones.NAMES], value=backbones.SHIPPED,
                    label=text("page_network"), filterable=False,
                )
                method = gr.Dropdown(
                    [(each.label, name) for name, each in METHODS.items()], value="gradcam",
                    label=text("page_method"), filterable=False,
                )
                layer = gr.Dropdown([(text("page_layer_chosen"), _LIBRARYS_CHOICE)], label=text("page_layer"))
                target = gr.Dropdown(
                    [(text("page_class_predicted"), _PREDICTED)], label=text("page_class"), num_choices_shown=None
                )
                transformation = gr.Dropdown(
                    [(text(f"page_with_{name}"), name) for name in TRANSFORMATIONS], value="rotation",
                    label=text("page_transformation"), filterable=False,
                )
                strength = gr.Slider(**{**_slider("rotation"), "value": 0}, buttons=[])
            with gr.Column(scale=2, min_width=320):
                problem = gr.HTML(visible=False)
                shown = gr.HTML()

        def on(event: Callable, function: Callable[..., dict], inputs: list, outputs: list, *, blank: bool) -> None:
            """Have a function answer an event, one at a time for all visitors.

            A user's error becomes a message; ``blank`` takes the last result away then.
            """

            @wraps(function)
            def guarded(*arguments):
                try:
                    return function(*arguments)
                except UserError as error:
                    said = {problem: gr.HTML(view.message(error, language), visible=True)}
                    return {**said, shown: ""} if blank else said

            event(
                guarded, inputs, [problem, shown, *outputs], concurrency_limit=1, concurrency_id="network",
                trigger_mode="always_last", show_progress_on=[shown], api_visibility="private",
            )

        look, follow, offered = [network, method], [transformation, strength], [layer, target]
        everything = [picture, *look, *offered, *follow]
        on(page.load, afresh, [picture, *look, *follow], offered, blank=True)
        # A list's ``input`` comes again when it is left, and would take the slider back.
        on(network.select, afresh, [picture, *look, *follow], offered, blank=True)
        on(upload.upload, uploaded, [upload, *look, *follow], [picture, *offered], blank=False)
        on(gallery.select, picked, [*look, *follow], [picture, *offered], blank=True)
        for each in (method, layer, target):
            on(each.select, again, everything, [], blank=True)
        on(transformation.select, transformed, everything[:-1], [strength], blank=True)
        on(strength.change, again, everything, [], blank=True)
    return page


def _network_name(name: str, language: Language) -> str:
    key = "page_network_cifar10" if name == backbones.SHIPPED else "page_network_imagenet"
    return fill(word(key, language), {"name": name}, language)
