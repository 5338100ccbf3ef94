"""The page of ``python -m mi204 demo``: a picture, a network and a method in, a map out, in the browser.

``studio`` computes, ``view`` writes what is to be seen, ``page`` alone knows Gradio.
"""

import os
import tempfile

from mi204 import backend, packages, terminal
from mi204.language import Language


def serve(host: str, port: int, language: Language) -> None:
    """Show the page at an address of this machine until Ctrl-C.

    Raises SettingError where Gradio is not installed, or nothing can be served there.
    """
    packages.require("gradio")
    with tempfile.TemporaryDirectory(prefix="mi204-demo-") as folder:
        # Uploads and thumbnails go with the page; Gradio takes this folder when it is imported.
        os.environ["GRADIO_TEMP_DIR"] = folder
        with terminal.ended_by_ctrl_c(language):
            backend.prepare()
            from mi204.demo import page  # imports Keras and Gradio
        page.serve(host, port, language)
