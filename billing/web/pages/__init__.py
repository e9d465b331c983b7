"""Pages for people: handlers beside their templates, styles and scripts under `static/`."""
