"""The pages are asked through the application in this process, as REST is."""

from tests.collector.api.conftest import api

__all__ = ["api"]
