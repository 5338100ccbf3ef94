"""The page of ``python -m mi204 demo``: a picture, a network and a method in, a map out, in the browser.

``studio`` computes, ``view`` writes what is to be seen, ``page`` alone knows Gradio.
"""
