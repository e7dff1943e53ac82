"""Files events through `chartwire serve` to the receiver, and holds what the receiver's library read against the events.

    drive.py CHARTWIRE WORK MODE EVENTS.ndjson …    MODE is hl7.ack of the configuration: original or enhanced

Exit 0: equal, and each planted fault was seen. 1: not, a line for each difference; the logs are in WORK.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request

import compare

HERE = os.path.dirname(os.path.abspath(__file__))
SECONDS = 120  # for everything to be filed; a thread without sequence numbers waits 10 s for earlier messages


class Failed(Exception):
    pass


def eventually(what, ready):
    """Polls processes that can tell nobody when they are done."""
    late = time.monotonic() + SECONDS
    while time.monotonic() < late:
        got = ready()
        if got is not None:
            return got
        time.sleep(0.1)
    raise Failed(f"{what} within {SECONDS} s")


class Run:
    def __init__(self, chartwire, work, mode):
        self.chartwire, self.work, self.mode, self.processes = chartwire, work, mode, []
        self.key = os.urandom(32)

    def path(self, name):
        return os.path.join(self.work, name)

    def start(self, name, *command):
        with open(self.path(name + ".log"), "wb") as log:
            self.processes.append((name, subprocess.Popen(command, cwd=self.work, stdout=log, stderr=log, stdin=subprocess.DEVNULL)))

    def alive(self):
        for name, process in self.processes:
            if process.poll() is not None:
                raise Failed(f"{name} ended with {process.returncode}; see {self.path(name)}.log")

    def stop(self):
        for name, process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def up(self):
        self.start("receiver", sys.executable, os.path.join(HERE, "receiver.py"), self.work)

        def port():
            self.alive()
            return os.path.exists(self.path("port")) or None

        eventually("the receiver does not listen", port)
        with open(self.path("port")) as f, open(os.path.join(HERE, "chartwire.yaml")) as template, open(self.path("chartwire.yaml"), "w") as out:
            out.write(template.read().replace("PORT", f.read()).replace("MODE", self.mode))
        with open(self.path("texting.secret"), "w") as f:
            f.write("whsec_" + base64.b64encode(self.key).decode() + "\n")
        subprocess.run([self.chartwire, "keys", "init", "--keyset", self.path("keyset.json")], check=True, capture_output=True)
        self.start("serve", self.chartwire, "serve", "--config", "chartwire.yaml")

        def addresses():
            self.alive()
            with open(self.path("serve.log")) as f:
                for line in f:
                    said = json.loads(line) if line.startswith("{") else {}
                    if "public" in said:
                        return said["public"], said["console"].removesuffix("/console/")
            return None

        self.public, self.console = eventually("serve does not serve", addresses)

    def post(self, key, body):
        stamp = str(int(time.time()))
        signature = hmac.new(self.key, f"{key}.{stamp}.".encode() + body, hashlib.sha256).digest()
        headers = {"webhook-id": key, "webhook-timestamp": stamp, "webhook-signature": "v1," + base64.b64encode(signature).decode()}
        request = urllib.request.Request(self.public + "/channels/texting/events", body, {**headers, "content-type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            if answer.status != 202:
                raise Failed(f"event {key} is answered {answer.status}, not 202")

    def states(self):
        """Exchanges by state, from /metrics."""
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.console + "/metrics", timeout=30) as answer:
            found = re.findall(r'^chartwire_exchanges\{.*state="(\w+)".*\} (\d+)', answer.read().decode(), re.M)
        out = {}
        for state, n in found:
            out[state] = out.get(state, 0) + int(n)
        return out

    def received(self):
        with open(self.path("received.ndjson"), encoding="utf-8") as f:
            return [json.loads(line) for line in f if line.endswith("\n")]

    def trace(self, thread):
        said = subprocess.run([self.chartwire, "trace", "--json", thread], cwd=self.work, check=True, capture_output=True).stdout
        items = [i for t in json.loads(said) for i in t["items"]]
        writes = [{"msh10": w["msh10"], "state": w["state"], "receipt": w.get("receipt")} for i in items for w in i.get("writes") or []]
        return {"items": [[i["kind"], i["state"], i.get("reason")] for i in items], "writes": writes}

    def settled(self, threads, exchanges):
        def ready():
            self.alive()
            states = self.states()
            if states.get("filed", 0) < exchanges and not states.get("parked") and not states.get("held"):
                return None
            traced = {t: self.trace(t) for t in threads}
            open_items = [i for t in traced.values() for i in t["items"] if i[1] not in ("filed", "not_due", "parked", "held")]
            return None if open_items else (states, traced)

        return eventually("not everything is filed", ready)


def long_message():
    """A message as long as a channel takes, in a thread of its own: one OBX of 80,000 bytes."""
    return {"type": "message.created", "timestamp": "2026-11-23T10:00:00Z", "data": {
        "thread": {"id": "long"},
        "patient": {"identifiers": [{"system": "urn:oid:2.16.840.1.113883.19.5", "value": "MRN1"}], "name": {"family": "Long"}},
        "message": {"id": "long", "sequence": 1, "direction": "from_patient", "sent_at": "2026-11-23T03:00:00-07:00",
                    "sender": {"role": "patient", "id": "u-1"}, "text": "🙂" * 20_000}}}


def about_earlier(event):
    """Events that make a document of their own once the message is filed, and are part of its first before that."""
    return event["type"] in ("message.corrected", "message.retracted") or compare.failed(event["data"].get("status"))


def load(files):
    events = []
    for name in files:
        with open(name, "rb") as f:
            events += [line.rstrip(b"\n") for line in f]
    return events + [json.dumps(long_message()).encode()]


def run(chartwire, work, mode, files):
    bodies = load(files)
    events = [json.loads(b) for b in bodies]
    threads = compare.expectation(events)
    documents, exchanges = compare.documents(threads)
    this = Run(chartwire, work, mode)
    try:
        this.up()
        sent = 0
        for n, body in enumerate(bodies):
            if about_earlier(events[n]):
                this.settled([], sent)
            this.post(f"evt-{n}", body)
            sent += compare.exchange(events[n])
        states, traced = this.settled(threads, exchanges)
        received = this.received()
    finally:
        this.stop()
    differences = compare.compare(threads, received, traced)
    asked = ["AL", "AL"] if mode == "enhanced" else ["", ""]
    differences += [f"{r['msh-10']}: MSH-15 and MSH-16 are {r['acks']}, want {asked}" for r in received if r["acks"] != asked]
    if len(received) != documents:
        differences.append(f"{len(received)} messages came, want {documents}")
    if states.get("filed") != exchanges or {s for s, n in states.items() if n} - {"filed", "not_due"}:
        differences.append(f"the exchanges are {states}, want {exchanges} filed")
    for d in differences:
        print(f"mllp: {mode}: {d}", file=sys.stderr)
    if differences:
        return 1
    planted = compare.alterations(received, traced)
    for what, *altered in planted:
        if not compare.compare(threads, *altered):
            print(f"mllp: {mode}: the comparison does not see a planted fault: {what}", file=sys.stderr)
            return 1
    size = sum(len(compare.words(r["text"])[0] or b"") for r in received)
    print(f"mllp: {mode}: {len(received)} messages of {len(threads)} threads acknowledged, filed and equal ({size} bytes of text); "
          f"{len(planted)} of {len(planted)} planted faults seen")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        sys.exit(run(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3], sys.argv[4:]))
    except (Failed, OSError, subprocess.CalledProcessError) as e:
        print(f"mllp: {sys.argv[3]}: {e}", file=sys.stderr)
        sys.exit(1)
