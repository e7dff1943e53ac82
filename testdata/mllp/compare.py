"""What the receiver's library read, against the events: one line for each difference, ids only."""

import base64
import collections
import copy

NAMESPACE = "COUNTY"  # chartwire.yaml's, for urn:oid:2.16.840.1.113883.19.5


def expectation(events):
    """The documents each thread must become, in the order of its messages: {thread: {"patient", "messages": [...]}}."""
    threads = {}
    for event in events:
        data = event["data"]
        thread = threads.setdefault(data["thread"]["id"], {"patient": None, "messages": []})
        thread["patient"] = thread["patient"] or data.get("patient")
        if exchange(event):
            thread["messages"].append({**data["message"], "corrections": [], "retraction": None, "failed": False})
    for thread in threads.values():
        thread["messages"].sort(key=lambda m: (m.get("sequence", 0), m["sent_at"], m["id"]))
    for event in events:
        data = event["data"]
        for kind in ("correction", "retraction", "status"):
            said = data.get(kind)
            message = said and find(threads[data["thread"]["id"]], said["message_id"])
            if message and kind == "correction":
                message["corrections"].append(said)
            elif message and kind == "retraction":
                message["retraction"] = said
            elif message and failed(said):
                message["failed"] = True
    return threads


def exchange(event):
    return event["type"] == "message.created" and event["data"]["message"]["direction"] != "internal"


def failed(status):
    return bool(status) and status["state"] == "failed"


def find(thread, message_id):
    return next((m for m in thread["messages"] if m["id"] == message_id), None)


def documents(threads):
    """How many messages must come, and how many of them are exchanges."""
    messages = [m for t in threads.values() for m in t["messages"]]
    return len(messages) + sum(len(m["corrections"]) + bool(m["retraction"]) + m["failed"] for m in messages), len(messages)


def words(text):
    """A message's own words: what follows "Text: n bytes" and an empty line, n bytes of it, and what comes after them."""
    head, _, rest = text.partition("\n\n")
    label = head.rsplit("\n", 1)[-1].split(" ")
    if label[0] != "Text:" or label[2:] != ["bytes"]:
        return None, None
    rest, n = rest.encode(), int(label[1])
    return rest[:n], rest[n:]


def compare(threads, received, traced):
    out = []
    for control, n in collections.Counter(r["msh-10"] for r in received).items():
        if n != 1:
            out.append(f"MSH-10 {control} came {n} times")
    owner = {w["msh10"]: (thread, w) for thread, t in traced.items() for w in t["writes"]}
    for r in received:
        _, write = owner.get(r["msh-10"], (None, None))
        if write is None:
            out.append(f"{r['msh-10']} came and no trace knows it")
        elif write["state"] != "filed" or write["receipt"] != "MDM/" + r["txa-12"]:
            out.append(f"{r['msh-10']} came as {r['txa-12']} and the trace says {write['state']} {write['receipt']}")
    for control in owner.keys() - {r["msh-10"] for r in received}:
        out.append(f"{control} is in the trace and did not come")
    for name, thread in threads.items():
        for kind, state, reason in traced[name]["items"]:
            # That a message did not reach the patient is for a person, whatever the chart says.
            if state not in ("filed", "not_due") and (kind, reason) != ("notice", "not-delivered"):
                out.append(f"{name}: a {kind} is {state}: {reason}")
        mine = [r for r in received if owner.get(r["msh-10"], (None,))[0] == name]
        out += [f"{name}: {d}" for d in compare_thread(thread, mine)]
    return out


def compare_thread(thread, received):
    out = []
    patient, name = thread["patient"], thread["patient"].get("name", {})
    for r in received:
        c = r["msh-10"]
        want_segments = ["MSH", "EVN", "PID", "PV1", "TXA"] + ["OBX"] * len(r["obx-1"])
        if r["segments"] != want_segments or r["obx-1"] != [str(n + 1) for n in range(len(r["obx-1"]))]:
            out.append(f"{c}: the segments are {r['segments']}, set ids {r['obx-1']}")
        if r["msh-9"] != ["MDM", r["msh-9"][1], "MDM_T02"] and r["msh-9"] != ["MDM", r["msh-9"][1], "MDM_" + r["msh-9"][1]]:
            out.append(f"{c}: MSH-9 is {r['msh-9']}")
        if r["msh-18"] != "UNICODE UTF-8":
            out.append(f"{c}: MSH-18 is {r['msh-18']!r}")
        if r["pid-3"] != [patient["identifiers"][0]["value"], NAMESPACE, "MR"]:
            out.append(f"{c}: PID-3 is another patient's")
        given = name.get("given", []) + [""]
        if r["pid-5"] != [name.get("family", ""), given[0], " ".join(given[1:-1])]:
            out.append(f"{c}: PID-5 is another name")
        if r["txa-17"] != "DO" or r["txa-22"]:
            out.append(f"{c}: TXA-17 is {r['txa-17']!r}, TXA-22 {r['txa-22']!r}: nobody signed it")
    first = [r for r in received if r["msh-9"][1] == "T02"]
    later = [r for r in received if r["msh-9"][1] != "T02"]
    if len(first) != len(thread["messages"]):
        return out + [f"{len(first)} MDM^T02 for {len(thread['messages'])} messages"]
    for m, r in zip(thread["messages"], first):
        out += [f"{m['id']}: {d}" for d in same_message(m, m.get("text") or "", r)]
        out += [f"{m['id']}: {d}" for d in chain(m, r["txa-12"], later)]
    return out + [f"{r['msh-10']}: {r['msh-9'][1]} of {r['txa-13']}, which no event asks for" for r in later]


def same_message(m, text, r):
    got, rest = words(r["text"])
    if got != text.encode():
        yield f"{r['msh-10']}: the text is not what was sent"
    attachments = m.get("attachments") or []
    if bool(rest) != bool(attachments):
        yield f"{r['msh-10']}: something follows the words"
    sent = [(a["content_type"].rsplit("/", 1)[-1], base64.b64decode(a["data"])) for a in attachments]
    if sent != [(kind, base64.b64decode(raw)) for _, kind, encoding, raw in r["files"] if encoding == "Base64"]:
        yield f"{r['msh-10']}: the files are not what was sent"


def chain(m, document, later):
    """The documents that replace or belong to a message's first; each is taken out of later."""
    base = document.removesuffix("-v1")

    def take(event, parent):
        r = next((r for r in later if r["msh-9"][1] == event and r["txa-13"] == parent), None)
        if r:
            later.remove(r)
        return r

    for c in sorted(m["corrections"], key=lambda c: c["version"]):
        r = take("T10", document)
        if r is None or r["txa-12"] != f"{base}-v{c['version']}":
            yield f"correction {c['version']}: no T10 replaces {document}"
            return
        yield from same_message({}, c["text"], r)
        document = r["txa-12"]
    if m["retraction"]:
        r = take("T10", document)
        if r is None or not r["text"].startswith(f"Retracted: {m['retraction']['reason']}\n"):
            yield f"retraction: no T10 replaces {document} and says so"
    if m["failed"]:
        r = take("T06", document)
        if r is None or "NOT DELIVERED" not in r["text"]:
            yield f"failed delivery: no T06 belongs to {document}"


def alterations(received, traced):
    """What compare must see: (what, received, traced), each with one thing made wrong."""

    def altered(change):
        r, t = copy.deepcopy(received), copy.deepcopy(traced)
        change(r, t)
        return r, t

    def plain(r):
        return next(x for x in r if not x["files"] and words(x["text"])[0] and x["msh-9"][1] == "T02")

    def text(r, _):
        x = plain(r)
        x["text"] = x["text"][:-1] + chr(ord(x["text"][-1]) ^ 1)

    def newline(r, _):
        x = next(x for x in r if "\r\n" in (words(x["text"])[0] or b"").decode())
        x["text"] = x["text"].replace("\r\n", "\n")

    def file(r, _):
        next(x for x in r if x["files"])["files"][0][3] = base64.b64encode(b"other").decode()

    def order(r, _):
        x = plain(r)
        y = next(y for y in r if y is not x and y["pid-3"] == x["pid-3"] and y["msh-9"][1] == "T02")
        i, j = r.index(x), r.index(y)
        r[i], r[j] = r[j], r[i]

    def replaced(r, _):
        next(x for x in r if x["msh-9"][1] == "T10")["txa-13"] += "0"

    def parked(_, t):
        next(iter(t.values()))["writes"][0]["state"] = "parked"

    changes = {
        "text": text,
        "line ends": newline,
        "file": file,
        "patient": lambda r, _: r[0]["pid-3"].__setitem__(0, "MRN0"),
        "name": lambda r, _: r[0]["pid-5"].__setitem__(0, "Doe"),
        "order": order,
        "replaces": replaced,
        "missing": lambda r, _: r.pop(),
        "twice": lambda r, _: r.append(copy.deepcopy(r[0])),
        "signed": lambda r, _: r[0].__setitem__("txa-17", "LA"),
        "not filed": parked,
    }
    return [(what, *altered(change)) for what, change in changes.items()]
