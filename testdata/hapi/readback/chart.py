"""Reads a FHIR R4 server with fhirclient (SMART Health IT), a client that shares no code with Chartwire.

Every page is also parsed into fhirclient's strict models, so an element of the wrong type or name is an error here.
"""

import base64
import re
import urllib.parse

from fhirclient import client
from fhirclient.models.bundle import Bundle


class Unreadable(Exception):
    """The server, or what it answered, could not be read; nothing can be said about the chart."""


class Chart:
    """What one server holds. base_url is its FHIR base."""

    def __init__(self, base_url):
        self.server = client.FHIRClient(settings={"app_id": "chartwire-readback", "api_base": base_url}).server
        self.server.session.headers["Cache-Control"] = "no-cache"  # HAPI answers repeated searches from a cache otherwise
        self.server.session.trust_env = False  # loopback: never through a proxy

    def search(self, model, **params):
        """All resources of one type that match, as the server's own JSON, over all pages."""
        query = {name.replace("_of", "-of"): value for name, value in params.items()}
        path = model.where({**query, "_count": "100"}).construct()
        found = []
        while path:
            raw = self.server.request_json(path)
            try:
                bundle = Bundle(raw)
            except Exception as err:
                raise Unreadable(f"fhirclient refuses what {path.split('?')[0]} answered: {err}") from err
            entries = raw.get("entry", [])
            found += [e["resource"] for e in entries if e.get("search", {}).get("mode", "match") == "match"]
            path = self._next(bundle)
        return found

    def _next(self, bundle):
        links = [link.url for link in bundle.link or [] if link.relation == "next"]
        if not links:
            return None
        if not links[0].startswith(self.server.base_uri.rstrip("/")):
            raise Unreadable("a next link leaves the server's base URL")
        return links[0]

    def first_version(self, resource):
        """Version 1 of a resource: what was created, when (meta.lastUpdated)."""
        return self.server.request_json(f"{reference(resource)}/_history/1")

    def attachment_bytes(self, attachment):
        """The bytes of an Attachment: inline data, or the Binary its url names; None where it has neither."""
        if attachment.get("data") is not None:
            return base64.b64decode(attachment["data"], validate=True)
        url = relative(attachment.get("url", ""), self.server.base_uri)
        if not re.fullmatch(r"Binary/[A-Za-z0-9.-]{1,64}(/_history/[0-9]+)?", url):
            return None
        return base64.b64decode(self.server.request_json(url).get("data", ""), validate=True)

    def validate(self, resource):
        """The issues of the server's $validate for this resource, read or not."""
        path = f"{resource['resourceType']}/$validate"
        url = urllib.parse.urljoin(self.server.base_uri, path)
        headers = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
        answer = self.server.session.post(url, headers=headers, json=resource)
        try:
            return answer.json()["issue"]  # HAPI answers 200 or 400/412/422, always with an OperationOutcome
        except (ValueError, KeyError, TypeError) as err:
            raise Unreadable(f"{path} answered HTTP {answer.status_code} and no OperationOutcome") from err


def reference(resource):
    """Type/id of a resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def relative(url, base):
    """A reference without the server's base and without a version."""
    return url.removeprefix(base).split("/_history/")[0] if url else ""


def identifiers(resource):
    """(system, value) of each identifier; identifier is 0..* or, on a few types, 0..1."""
    found = resource.get("identifier", [])
    found = found if isinstance(found, list) else [found]
    return [(i.get("system", ""), i.get("value", "")) for i in found]


def token(system, value):
    """A token search value; \\ , $ and | in the parts are escaped (R4 search, 3.1.1.4.0.1)."""
    return "|".join(re.sub(r"([\\,$|])", r"\\\1", part) for part in (system, value))
