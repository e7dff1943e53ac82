"""Lets the server validate every resource that carries one of our identifiers, and the Provenance of each."""

from fhirclient.models.communication import Communication
from fhirclient.models.communicationrequest import CommunicationRequest
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.provenance import Provenance
from fhirclient.models.relatedperson import RelatedPerson
from fhirclient.models.task import Task

from chart import identifiers, reference, relative


def ours(chart, base):
    """Every resource we wrote: by identifier system, and Provenance (which has none) by target."""
    found = []
    for model in (Communication, CommunicationRequest, DocumentReference, RelatedPerson, Task):
        found += [r for r in chart.search(model) if any(s.startswith(base + "/") for s, _ in identifiers(r))]
    refs = {reference(r) for r in found}
    for p in chart.search(Provenance):
        if any(relative(t.get("reference", ""), chart.server.base_uri) in refs for t in p["target"]):
            found.append(p)
    return found


def validate(chart, resources):
    """Differences (errors), and what was counted by type and warning."""
    differences, counted = [], {"by_type": {}, "warnings": 0}
    for resource in resources:
        kind = resource["resourceType"]
        counted["by_type"][kind] = counted["by_type"].get(kind, 0) + 1
        for issue in chart.validate(resource):
            said = issue.get("diagnostics") or issue.get("details", {}).get("text", "")
            if issue["severity"] not in ("error", "fatal"):
                counted["warnings"] += issue["severity"] == "warning"
            else:
                where = (issue.get("location") or issue.get("expression") or [kind])[0]
                differences.append(f"invalid: {reference(resource)} at {where}: {without_words(said, resource)}")
    return differences, counted


def without_words(said, resource):
    """A validator's sentence with every free text of the resource taken out of it."""
    for text in sorted(set(free_text(resource)), key=len, reverse=True):
        said = said.replace(text, "[text]")
    return said


def free_text(node, free=False):
    """Strings of a resource that a person wrote or that name a person."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from free_text(child, free or name in ("payload", "note", "topic", "display", "name", "text", "title", "telecom"))
    elif isinstance(node, list):
        for child in node:
            yield from free_text(child, free)
    elif free and isinstance(node, str) and len(node) > 3:
        yield node
