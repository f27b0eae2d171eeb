"""`make openapi`: writes the document of the API."""

from scheduler.web.api.app import document
from scheduler.web.api.document import PLACE, as_text

PLACE.write_text(as_text(document()), encoding="utf-8")
