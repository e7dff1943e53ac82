#!/usr/bin/env python3
"""Checks the last line of `chartwire demo --once --json` (DESIGN 6): all of it on the chart, nothing astray.

line.py FILE [notes]   as notes, what staff wrote for each other may be left out (not_due)
"""

import json
import pathlib
import sys

ZEROS = ("duplicates", "out_of_order", "wrong_patient", "unknown", "parked")

try:
    line = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    wrong = [f"{name} is {line[name]}, not 0" for name in ZEROS if line[name] != 0]
    left_out = line["not_due"] if sys.argv[2:] == ["notes"] else 0
    if line["accepted"] != line["on_chart"] + left_out or line["on_chart"] < 1:
        wrong.append(f"accepted is {line['accepted']}, on_chart {line['on_chart']}, not_due {line['not_due']}")
except (ValueError, KeyError, TypeError) as err:
    wrong = [f"not the line of `demo --once --json`: {type(err).__name__}: {err}"]
for sentence in wrong:
    print(f"demo line: {sentence}", file=sys.stderr)
sys.exit(1 if wrong else 0)
