"""uscore.py PACKAGE: the profiles, value sets and code systems of a FHIR NPM package (us-core-6.1.0.tgz), as a transaction on stdout.

What a server searches by and declares (SearchParameter, CapabilityStatement) is left out: $validate does not look at it.
Exit 1, with a sentence, where the file is no such package.
"""

import json
import sys
import tarfile

KINDS = ("CodeSystem", "ValueSet", "StructureDefinition")


def resources(package):
    with tarfile.open(package) as tar:
        for member in tar:
            if member.isfile() and member.name.startswith("package/") and member.name.count("/") == 1 and member.name.endswith(".json"):
                r = json.load(tar.extractfile(member))
                if r.get("resourceType") in KINDS:
                    yield r


def main(package):
    try:
        found = sorted(resources(package), key=lambda r: (KINDS.index(r["resourceType"]), r["id"]))
    except (OSError, tarfile.TarError, ValueError, KeyError) as e:
        sys.exit(f"uscore: {package} cannot be read as a FHIR package ({e}); give the .tgz of hl7.fhir.us.core")
    if not any(r["resourceType"] == "StructureDefinition" for r in found):
        sys.exit(f"uscore: {package} holds no StructureDefinition; give the .tgz of hl7.fhir.us.core")
    entries = [{"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}} for r in found]
    json.dump({"resourceType": "Bundle", "type": "transaction", "entry": entries}, sys.stdout)
    print(f"uscore: {len(entries)} profiles, value sets and code systems", file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
