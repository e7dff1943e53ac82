#!/bin/sh
# make test-mllp: `chartwire serve` files over MLLP into a receiver nobody here wrote (python-hl7), which tells what it read.
#
#   run.sh [EVENTS.ndjson …]    both modes of acknowledgement; hostile.ndjson, then each file (default: the threads of testdata
#                               whose attachments need no fetching). KEEP=1 keeps the work directory; PYTHON names an interpreter.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ $# -eq 0 ]; then
	set -- "$root"/testdata/threads-contract/*.ndjson
	for file in "$root"/testdata/threads/*.ndjson; do grep -q '"url"' "$file" || set -- "$@" "$file"; done
fi
for file in "$@"; do [ -f "$file" ] || { echo "mllp: no events file $file" >&2; exit 1; }; done

work=$(mktemp -d)
cleanup() {
	status=$?
	if [ "$status" = 0 ] && [ -z "${KEEP:-}" ]; then rm -rf "$work"; else rmdir "$work" 2>/dev/null || echo "mllp: logs are in $work" >&2; fi
}
trap cleanup EXIT
fail() { echo "mllp: $1" >&2; exit 1; }

# --- an interpreter that has the library; Debian's package is for Debian's own
export PYTHONDONTWRITEBYTECODE=1 # nothing is written into the checkout
python=
look() {
	for p in ${PYTHON:-} /usr/bin/python3 python3; do
		if "$p" -c 'import hl7.mllp' >/dev/null 2>&1; then python=$p && return; fi
	done
}
look
if [ -z "$python" ]; then
	{ [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; } ||
		fail "python-hl7 is missing; install it (Debian: python3-hl7; elsewhere pip's hl7 0.4.5, and name its interpreter in PYTHON) and run again."
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-hl7; } >"$work/apt.log" 2>&1 ||
		{ tail -n 15 "$work/apt.log" >&2; fail "apt-get could not install python3-hl7; see above, install it by hand and run again."; }
	look
	[ -n "$python" ] || fail "python3-hl7 is installed and no interpreter finds hl7.mllp; name one in PYTHON."
fi

(cd "$root" && go build -o "$work/chartwire" ./cmd/chartwire) || fail "chartwire does not build."
for mode in original enhanced; do
	mkdir "$work/$mode"
	"$python" "$here/drive.py" "$work/chartwire" "$work/$mode" "$mode" "$here/hostile.ndjson" "$@"
done
echo "mllp: read by python-hl7 $("$python" -c 'import hl7; print(hl7.__version__)'), $("$python" --version)"
