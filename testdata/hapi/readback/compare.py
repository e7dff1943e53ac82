"""Compares what a chart holds with what was sent. Every finding names ids only, never words of a message."""

import hashlib
import re
from datetime import datetime

from fhirclient.models.communication import Communication
from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.patient import Patient

from chart import identifiers, reference, relative, token

EMPTY = hashlib.sha256(b"").hexdigest()


class Names:
    """The identifier systems and values of one expectation (DESIGN 5, Identity)."""

    def __init__(self, expect):
        root = f"{expect['base']}/{expect['channel']}"
        self.thread, self.message = f"{root}/thread", f"{root}/message"

    @staticmethod
    def value(thread, message):
        """thread/message, and thread/message/rN for the corrections (N from 2)."""
        revision = int(message.get("revision") or 1)
        return f"{thread['id']}/{message['id']}" + (f"/r{revision}" if revision > 1 else "")


def compare(expect, chart):
    """Differences between the expectation and the chart, and what was counted: (list of str, dict)."""
    names = Names(expect)
    as_notes = expect["as"] != "communication"
    kind, other = (DocumentReference, Communication) if as_notes else (Communication, DocumentReference)
    charted = {}
    for found in chart.search(kind):
        for system, value in identifiers(found):
            if system == names.message and not value.endswith("/not-delivered"):
                charted.setdefault(value, []).append(found)
    differences, counted = [], {"threads": 0, "messages": 0, "retracted": 0, "attachments": 0}
    expected = set()
    for thread in expect["threads"]:
        counted["threads"] += 1
        if as_notes:  # what staff wrote for each other stays off the chart
            thread["messages"] = [m for m in thread["messages"] if not m.get("internal")]
        expected |= {names.value(thread, m) for m in thread["messages"]}
        differences += compare_thread(thread, names, charted, chart, counted, as_notes)
    for value in sorted(set(charted) - expected):
        differences.append(f"unexpected: {value} is on the chart ({reference(charted[value][0])}) and was never sent")
    for found in chart.search(other):
        for system, value in identifiers(found):
            if system == names.message and value in charted:
                differences.append(f"second entry: {value} is also filed as {reference(found)}")
    return differences, counted


def compare_thread(thread, names, charted, chart, counted, as_notes):
    """Differences of one thread: its header, its patient, each message, and their order."""
    tid = thread["id"]
    key = thread["patient_identifier"]
    patients = chart.search(Patient, identifier=token(key["system"], key["value"]))
    if len(patients) != 1:
        return [f"patient: {len(patients)} patients have the identifier of thread {tid}"]
    subject = reference(patients[0])
    out, parts = [], {}
    headers = chart.search(Communication, identifier=token(names.thread, tid))
    if len(headers) != (0 if as_notes else 1):
        return [f"header: {len(headers)} header Communications for thread {tid}"]
    for header in headers:
        if header.get("payload") or header.get("partOf"):
            out.append(f"header: {reference(header)} of thread {tid} has a payload or a partOf")
        if subject_of(header, chart) != subject:
            out.append(f"wrong patient: header of thread {tid}, {reference(header)}")
        parts |= {reference(c): c for c in chart.search(Communication, part_of=reference(header))}
    created = []
    for message in thread["messages"]:
        counted["messages"] += 1
        value = names.value(thread, message)
        found = charted.get(value, [])
        in_thread = [parts.pop(reference(f), None) for f in found]
        if len(found) != 1:
            out.append(f"{'missing' if not found else 'duplicate'}: {value} is on the chart {len(found)} times")
            continue
        entry = found[0]
        if in_thread[0] is None and not as_notes:
            out.append(f"thread: {value} ({reference(entry)}) is not part of the header of thread {tid}")
        if subject_of(entry, chart) != subject:
            out.append(f"wrong patient: {value} ({reference(entry)})")
        first = chart.first_version(entry)
        judge = compare_note if as_notes else compare_message
        out += judge(message, value, entry, first, chart, counted)
        if not message.get("late"):
            created.append((value, instant(first)))
    out += [f"unexpected: {ref} is part of thread {tid} and was never sent" for ref in sorted(parts)]
    for (before, at), (after, then) in zip(created, created[1:]):
        if not at < then:
            out.append(f"order: {after} was not created after {before}")
    return out


def compare_message(message, value, entry, first, chart, counted):
    """Differences of one message: status, words, attachments. A retracted one is judged by the words it was created with."""
    out = []
    retracted = bool(message.get("retracted"))
    counted["retracted"] += retracted
    if (entry.get("status") == "entered-in-error") != retracted:
        out.append(f"status: {value} is {entry.get('status')}, " + ("but was retracted" if retracted else "but stands"))
    payload = (first if retracted else entry).get("payload", [])
    strings = [p["contentString"] for p in payload if "contentString" in p]
    files = [p["contentAttachment"] for p in payload if "contentAttachment" in p]
    wanted = message.get("text_sha256") or EMPTY
    text = None
    if strings:
        text = strings[0].encode()
    elif wanted != EMPTY:
        plain = [f for f in files if f.get("contentType", "").split(";")[0].strip() == "text/plain"]
        if plain:
            files.remove(plain[0])
            text = chart.attachment_bytes(plain[0])
    if hashlib.sha256(text or b"").hexdigest() != wanted:
        out.append(f"words: {value} ({reference(entry)}) does not hold the bytes sent")
    sums = []
    for file in files:
        data = chart.attachment_bytes(file)
        sums.append(hashlib.sha256(data).hexdigest() if data is not None else "unreadable")
    counted["attachments"] += len(sums)
    if sums != list(message.get("attachments") or []):
        out.append(f"attachments: {value} ({reference(entry)}) has {len(sums)}, not the {len(message.get('attachments') or [])} sent, byte for byte")
    return out


def compare_note(message, value, entry, first, chart, counted):
    """Differences of one message that is a note: its words are counted in its text, its files are named there by hash."""
    retracted = bool(message.get("retracted"))
    counted["retracted"] += retracted
    out = []
    if (entry.get("status") == "entered-in-error") != retracted:
        out.append(f"status: {value} is {entry.get('status')}, " + ("but was retracted" if retracted else "but stands"))
    shown = first if retracted else entry
    texts = [c["attachment"] for c in shown["content"] if c["attachment"].get("contentType", "").startswith("text/plain")]
    note = chart.attachment_bytes(texts[0]) if texts else None
    said = words_of(note or b"")
    if said is None or hashlib.sha256(said).hexdigest() != (message.get("text_sha256") or EMPTY):
        out.append(f"words: {value} ({reference(entry)}) does not hold the bytes sent")
    wanted = list(message.get("attachments") or [])
    counted["attachments"] += len(wanted)
    if [s for s in wanted if s.encode() not in (note or b"")]:
        out.append(f"attachments: {value} ({reference(entry)}) does not name each of the {len(wanted)} sent by its hash")
    return out


WORDS = re.compile(rb"(?:\A|\nMessage 1 of 1 \[[0-9a-f]+\]\n)(?:[^\n]+\n)*?Text: (\d+) bytes\n\n")


def words_of(note):
    """The words of a note, or of a transcript of one message: as many bytes as its last header line says, behind an empty line."""
    counted = WORDS.search(note)
    if not counted or len(note) < counted.end() + int(counted[1]):
        return None
    return note[counted.end() : counted.end() + int(counted[1])]


def subject_of(resource, chart):
    return relative(resource.get("subject", {}).get("reference", ""), chart.server.base_uri)


def instant(resource):
    return datetime.fromisoformat(resource["meta"]["lastUpdated"].replace("Z", "+00:00"))
