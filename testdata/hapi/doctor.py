"""doctor.py BASE CHARTWIRE DIR: chartwire doctor on a HAPI server prints a true matrix, and a probe proves what reading cannot.

It makes a test patient, examines, probes, and looks itself at what the probe left on the chart. Exits 1 with what is not so.
"""

import json
import pathlib
import subprocess
import sys
import urllib.request

base, chartwire, folder = sys.argv[1].rstrip("/"), sys.argv[2], pathlib.Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)


def fhir(method, path, resource=None):
    body = None if resource is None else json.dumps(resource).encode()
    request = urllib.request.Request(f"{base}/{path}", body, {"Content-Type": "application/fhir+json", "Cache-Control": "no-cache"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def run(*args, code=0):
    done = subprocess.run([chartwire, *args], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != code:
        sys.exit(f"chartwire {' '.join(args)} exits {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
    return done.stdout


def rows():
    report = json.loads(run("doctor", "--json"))[0]
    return {f"{c['resource']} {c['interaction']}": (c["declared"], c["granted"], c["proven"]) for c in report["capabilities"]}


def expect(have, **want):
    for name, answers in want.items():
        name = name.replace("_", " ").replace("search type", "search-type")
        if have.get(name) != tuple(answers.split()):
            sys.exit(f"doctor says of {name}: {have.get(name)}, not {answers}")


fhir("PUT", "Organization/probe-clinic", {"resourceType": "Organization", "id": "probe-clinic", "name": "Probe"})
fhir("PUT", "Patient/probe-patient", {"resourceType": "Patient", "id": "probe-patient", "active": True, "name": [{"family": "Zztest"}]})
(folder / "chartwire.yaml").write_text(f"""
server: {{public_url: "https://connector.clinic.example"}}
identity: {{base: "https://connector.clinic.example/sid"}}
store: {{url: "sqlite:chartwire.db"}}
seal: {{keyset_file: keyset.json}}
ehrs:
  - {{name: hapi, type: fhir, base_url: "{base}", timezone: America/Chicago, organization: Organization/probe-clinic,
     probe: {{patient: Patient/probe-patient}}, limits: {{search_lag: 20s}}}}
""")
run("keys", "init", "--keyset", "keyset.json")
expect(rows(), Patient_search_type="yes yes yes", Communication_create="yes yes unknown", Encounter_search_type="yes yes yes")
run("parked", "list")  # makes the store
probe = json.loads(run("doctor", "--ehr", "hapi", "--probe", "--yes", "hapi", "--json"))
expect(rows(), Patient_read="yes yes yes", Communication_create="yes yes yes", Communication_update="yes yes yes",
       DocumentReference_create="yes yes yes", Provenance_create="yes yes yes", Bundle_transaction="yes yes yes", Binary_create="yes yes unknown")
for entry in probe["entries"]:
    found = fhir("GET", entry["reference"])
    if found["status"] != "entered-in-error" or found["subject"]["reference"] != "Patient/probe-patient":
        sys.exit(f"the probe left {entry['reference']} as {found['status']} on {found['subject']}")
if len(probe["entries"]) != 2:
    sys.exit(f"the probe wrote {len(probe['entries'])} entries, not 2")
print("doctor: a true matrix, and a probe that left 2 entries marked as entered in error")
