#!/usr/bin/env python3
"""Reads a chart back with a client nobody here wrote, and compares it with what was sent.

  readback.py BASE_URL EXPECT.json                 compare, then $validate every resource of ours
  readback.py BASE_URL EXPECT.json --alter KIND    the same with one thing made wrong on purpose: must exit 1

Exit 0: no difference. 1: differences, one line each, ids only. 2: the chart or the expectation could not be read,
or there was nothing to alter. EXPECT.json is what `chartwire demo --expect FILE` writes:
{"base","channel","as","threads":[{"id","patient_identifier":{"system","value"},
 "messages":[{"id","revision","text_sha256","retracted","attachments":[sha256],"late"}]}]}, messages in the order filed.
"""

import argparse
import json
import pathlib
import sys

import requests
from fhirclient.server import FHIRNotFoundException, FHIRPermissionDeniedException, FHIRUnauthorizedException

from chart import Chart, Unreadable
from compare import compare
from validate import ours, validate

WRONG_HASH = "0" * 64


def messages(expect, want=lambda m: True):
    return [m for t in expect["threads"] for m in t["messages"] if want(m)]


def alter_text(expect):
    messages(expect, lambda m: m.get("text_sha256"))[0]["text_sha256"] = WRONG_HASH


def alter_attachment(expect):
    messages(expect, lambda m: m.get("attachments"))[0]["attachments"][0] = WRONG_HASH


def alter_order(expect):
    thread = [t for t in expect["threads"] if sum(not m.get("late") for m in t["messages"]) > 1][0]
    thread["messages"].reverse()


def alter_missing(expect):
    expect["threads"][0]["messages"].append({"id": "never-sent", "revision": 1, "text_sha256": WRONG_HASH})


def alter_unexpected(expect):
    expect["threads"][0]["messages"].pop()


def alter_retracted(expect):
    message = messages(expect)[0]
    message["retracted"] = not message.get("retracted")


def alter_patient(expect):
    expect["threads"][0]["patient_identifier"]["value"] += "-other"


ALTER = {name.removeprefix("alter_"): f for name, f in list(globals().items()) if name.startswith("alter_")}


def run(arguments):
    expect = json.loads(pathlib.Path(arguments.expect).read_text(encoding="utf-8"))
    if not messages(expect):
        raise Unreadable("the expectation names no message; nothing would be compared")
    if arguments.alter in ALTER:
        try:
            ALTER[arguments.alter](expect)
        except IndexError:
            raise Unreadable(f"nothing in this expectation can be altered as {arguments.alter!r}") from None
    chart = Chart(arguments.base_url)
    differences, counted = compare(expect, chart)
    resources = ours(chart, expect["base"])
    if arguments.alter == "validate":
        if not resources:
            raise Unreadable("the chart holds nothing of ours to make invalid")
        resources = [{k: v for k, v in resources[0].items() if k != "status"}]
    elif arguments.alter:
        resources = []
    invalid, checked = validate(chart, resources)
    return differences + invalid, counted, checked


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("expect")
    parser.add_argument("--alter", choices=[*ALTER, "validate"])
    arguments = parser.parse_args()
    try:
        differences, counted, checked = run(arguments)
    except (Unreadable, OSError, ValueError, KeyError, requests.RequestException, FHIRNotFoundException,
            FHIRPermissionDeniedException, FHIRUnauthorizedException) as err:
        print(f"readback could not read: {type(err).__name__}: {err}", file=sys.stderr)
        return 2
    for line in differences:
        print(line)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(checked["by_type"].items()))
    print(f"readback {'ok' if not differences else 'DIFFERS (%d)' % len(differences)}: {counted['threads']} threads, "
          f"{counted['messages']} messages, {counted['retracted']} retracted, {counted['attachments']} attachments; "
          f"validated {kinds or 'nothing'}: {checked['warnings']} warnings")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
