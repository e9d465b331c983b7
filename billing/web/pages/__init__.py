"""HTML pages: handlers with their templates; styles and scripts under `static/`."""
