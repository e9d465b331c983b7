"""The running service for flows over HTTP."""

from tests.web.conftest import site

__all__ = ["site"]
