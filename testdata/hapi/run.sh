#!/bin/sh
# make test-hapi: `chartwire demo` files into a HAPI FHIR server, and a client nobody here wrote reads the chart back.
#
#   run.sh [EVENTS.ndjson …]    the bundled threads, then each events file (default: ../threads/*.ndjson), each on a
#                               server of its own. KEEP=1 keeps the work directory; DEMO_SECONDS limits one demo (200).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ $# -eq 0 ]; then
	set -- "$here"/../threads/*.ndjson
	[ -f "$1" ] || { echo "hapi: no events file in testdata/threads; name one: run.sh FILE" >&2; exit 1; }
fi
for file in "$@"; do [ -f "$file" ] || { echo "hapi: no events file $file" >&2; exit 1; }; done

work=$(mktemp -d)
notes=
server=
cleanup() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$server" ] || "$here/stop.sh" "$server" || true
	if [ "$status" = 0 ] && [ -z "${KEEP:-}" ]; then rm -rf "$work"; else echo "hapi: logs are in $work" >&2; fi
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() { echo "hapi: $1" >&2; exit 1; }

# --- the independent client, in a virtual environment of its own, kept until requirements.txt changes
venv=${XDG_CACHE_HOME:-$HOME/.cache}/chartwire/readback-$(sha256sum "$here/readback/requirements.txt" | cut -c1-16)
python=$venv/bin/python
export PYTHONDONTWRITEBYTECODE=1 # nothing is written into the checkout
if ! "$python" -c 'import fhirclient' >/dev/null 2>&1; then
	if ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
		{ [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; } ||
			fail "python3 with venv is missing; install python3 and python3-venv (3.10 or later) and run again."
		{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv; } \
			>"$work/apt.log" 2>&1 || { tail -n 15 "$work/apt.log" >&2; fail "apt-get could not install python3 and python3-venv."; }
	fi
	rm -rf "$venv"
	{ python3 -m venv "$venv" && "$python" -m pip install --no-deps --require-hashes -r "$here/readback/requirements.txt"; } \
		>"$work/pip.log" 2>&1 || { rm -rf "$venv"; tail -n 15 "$work/pip.log" >&2; fail "pip could not install fhirclient (readback/requirements.txt, Python 3.10 or later)."; }
fi

(cd "$root" && go build -o "$work/chartwire" ./cmd/chartwire) || fail "chartwire does not build."

# one NAME [demo arguments …]: a fresh server, the demo, the read-back; leaves $base and $expect, the server running
one() {
	name=$1
	shift
	server=$work/$name
	base=$("$here/start.sh" "$server")
	expect=$server/expect.json
	began=$(date +%s)
	# its own directory: the demo keeps its store beside itself
	(cd "$server" && exec timeout "${DEMO_SECONDS:-200}" "$work/chartwire" demo --once --json --ehr-url "$base" --expect "$expect" "$@") \
		>"$server/demo.json" 2>"$server/demo.log" ||
		{ code=$?; tail -n 30 "$server/demo.log" "$server/demo.json" >&2; fail "$name: demo ended with exit code $code (124: more than ${DEMO_SECONDS:-200} s)."; }
	tail -n 1 "$server/demo.json" >"$server/line.json"
	"$python" "$here/readback/line.py" "$server/line.json" ${notes:+notes} || fail "$name: the demo's own line is not clean."
	(cd "$here/readback" && "$python" readback.py "$base" "$expect") || fail "$name: the chart is not what was sent."
	echo "hapi: $name ok in $(($(date +%s) - began)) s: $(cat "$server/line.json")"
}

# --- the bundled threads, and the read-back seen failing on each thing it looks at
# planted NAME KIND …: the read-back must see each
planted() {
	name=$1
	shift
	for kind in "$@"; do
		code=0
		(cd "$here/readback" && "$python" readback.py "$base" "$expect" --alter "$kind") >"$server/alter-$kind.log" 2>&1 || code=$?
		[ "$code" = 1 ] || { cat "$server/alter-$kind.log" >&2; fail "$name: readback --alter $kind exits $code, not 1: it would not see that fault."; }
	done
	echo "hapi: $name: readback sees $# of $# planted faults"
}

# doctored NAME: what doctor says of this server, before and after a probe. It comes after the read-backs: a probe leaves entries.
doctored() {
	"$python" "$here/doctor.py" "$base" "$work/chartwire" "$server/doctor" || fail "$1: doctor does not say what is true."
}

one bundled
planted bundled text attachment order missing unexpected retracted patient validate
doctored bundled
"$here/stop.sh" "$server"
notes=yes
one note --as note
planted note text attachment missing retracted validate
"$here/stop.sh" "$server"
one document --as document
planted document text retracted
"$here/stop.sh" "$server"
notes=

# --- files of events
number=0
for file in "$@"; do
	number=$((number + 1))
	one "events-$number-$(basename "$file" .ndjson)" --events "$(cd "$(dirname "$file")" && pwd)/$(basename "$file")"
	"$here/stop.sh" "$server"
done
echo "hapi: all ok"
