"""``python -m napari_paf`` is the command ``napari-paf``."""

from napari_paf.cli import app

app(prog_name="napari-paf")
