"""Make the pictures of the documentation from a real viewer.

Needs a screen; without one, use a virtual screen::

    xvfb-run -a -s "-screen 0 1280x800x24" python tools/make_screenshots.py

Each picture shows the widget as it is after a run on a sample image.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import napari
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QPushButton

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = (1280, 720)


@dataclass(frozen=True)
class Shot:
    """What a picture shows."""

    name: str
    sample: str
    n_segments: int
    theme: str = "dark"
    more_settings: bool = False
    extent: str = "plane"


SHOTS = [
    Shot("superpixels", "histology_rgb", 400),
    Shot("superpixels-light", "em_tem_axons", 500, "light", more_settings=True),
    Shot("superpixels-planes", "em_fibsem_3d", 60, extent="planes"),
]


def main() -> None:
    """Write the pictures into a folder."""
    parser = argparse.ArgumentParser(description="Make the documentation's pictures.")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--model", default="default")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        path = arguments.output / f"{shot.name}.png"
        take(shot, path, arguments.model)
        print(path)
    take_painting(arguments.output / "painter.png", arguments.model)
    take_objects(arguments.output / "objects.png", arguments.model)
    take_comparison(arguments.output / "compare.png", arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NAPARI_PAF_MODELS"] = folder  # without models of one's own
        take_training(arguments.output / "training.png")


def take(shot: Shot, path: Path, model: str) -> None:
    """Open a viewer, run the widget on a sample, and save what is seen."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.theme = shot.theme
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-paf", shot.sample)
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    if shot.more_settings:
        for button in widget.findChildren(QPushButton):
            if "More settings" in button.text():
                button.click()
    widget.extent.value = shot.extent
    widget.n_segments.value = shot.n_segments
    widget.model.value = model
    widget.run()
    wait_for_end(widget)
    message = widget.message
    if shot.sample not in viewer.layers or len(viewer.layers) < 3:
        raise SystemExit(f"{shot.name}: {message}")
    viewer.reset_view()
    let_it_draw()
    imageio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False))
    viewer.close()
    let_it_draw()


def take_painting(path: Path, model: str) -> None:
    """Paint some objects with superpixels, and save what is seen then."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-paf", "histology_rgb")
    image = viewer.layers["histology_rgb"]
    for layer in list(viewer.layers):
        if layer is not image:
            viewer.layers.remove(layer)
    _, superpixels = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    superpixels.model.value = model
    superpixels.n_segments.value = 300
    superpixels.run()
    wait_for_end(superpixels)
    viewer.window.remove_dock_widget(superpixels)
    _, painter = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Superpixel painter"
    )
    painter.on.setChecked(True)
    nuclei = [(149, 192), (57, 188), (60, 137), (101, 248), (129, 97), (200, 113)]
    nuclei += [(198, 139), (143, 59), (151, 244), (71, 81)]
    for label, centre in enumerate(nuclei, start=1):
        painter.label.value = label
        painter.paint(image.data_to_world(centre))
    viewer.reset_view()
    let_it_draw()
    imageio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False))
    print(path)
    painter.on.setChecked(False)
    viewer.close()
    let_it_draw()


def take_objects(path: Path, model: str) -> None:
    """Merge superpixels into objects, and save what is seen then."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-paf", "em_tem_axons")
    _, superpixels = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    superpixels.model.value = model
    superpixels.n_segments.value = 800
    superpixels.run()
    wait_for_end(superpixels)
    viewer.window.remove_dock_widget(superpixels)
    _, widget = viewer.window.add_plugin_dock_widget("napari-paf", "Objects")
    widget.min_size.value = 60
    widget.run()
    wait_for_end(widget)
    viewer.layers["em_tem_axons superpixels"].visible = False
    viewer.reset_view()
    let_it_draw()
    imageio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False))
    print(path)
    viewer.close()
    let_it_draw()


def take_training(path: Path) -> None:
    """Train on a sample for some steps, and save what is seen then."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-paf", "nuclei_fluorescence")
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Train affinity model"
    )
    widget.unit.value = "steps"
    widget.duration.value = 100
    widget.n_segments.value = 100
    widget.run()
    # It validates every 10 steps.
    wait_until(lambda: widget.plot.curves and len(widget.plot.curves[0].x) > 5)
    viewer.reset_view()
    let_it_draw()
    imageio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False))
    print(path)
    widget.cancel()
    wait_for_end(widget)
    viewer.close()
    let_it_draw()


def take_comparison(path: Path, model: str) -> None:
    """Measure superpixels and their hierarchy, and save what is seen then."""
    viewer = napari.Viewer(title="napari", show=True)
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-paf", "nuclei_fluorescence")
    _, superpixels = viewer.window.add_plugin_dock_widget("napari-paf", "Superpixels")
    for name in ("gradient", model):
        superpixels.model.value = name
        superpixels.n_segments.value = 200
        superpixels.keep_previous.value = True
        superpixels.run()
        wait_for_end(superpixels)
        viewer.layers[-1].name = f"{name} model"
    viewer.window.remove_dock_widget(superpixels)
    viewer.layers["gradient model"].visible = False
    _, widget = viewer.window.add_plugin_dock_widget(
        "napari-paf", "Compare with ground truth"
    )
    for start in (widget.run, widget.run_curve):
        start()
        wait_for_end(widget)
    if not widget.curves:
        raise SystemExit(f"compare: {widget.message}")
    viewer.reset_view()
    let_it_draw()
    imageio.imwrite(path, viewer.screenshot(canvas_only=False, flash=False))
    print(path)
    viewer.close()
    let_it_draw()


def wait_for_end(widget: Any) -> None:
    """Wait until the run has ended."""
    wait_until(lambda: widget.worker is None)


def wait_until(condition: Callable[[], object]) -> None:
    """Let the window live until something is true."""
    loop = QEventLoop()
    timer = QTimer()
    timer.setInterval(50)
    timer.timeout.connect(lambda: condition() and loop.quit())
    timer.start()
    loop.exec()
    timer.stop()


def let_it_draw() -> None:
    """Let the window process what is due, for half a second."""
    loop = QEventLoop()
    QTimer.singleShot(500, loop.quit)
    loop.exec()


if __name__ == "__main__":
    main()
