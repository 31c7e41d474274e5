"""The pages, a folder each: controls.py says what a page is and makes its controls, content.py draws it.

The folder is not called `pages`: Streamlit takes one of that name beside the entry script for a list of
pages of its own (an older feature), and tells the first visitor who comes by a link that there is no such
page.
"""
