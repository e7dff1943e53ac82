#!/bin/sh
# Ends the server that start.sh WORKDIR started: by the pid it wrote, and only if that is still our server.
set -eu
[ $# -eq 1 ] || { echo "usage: stop.sh WORKDIR" >&2; exit 2; }
[ -s "$1/pid" ] || exit 0
pid=$(cat "$1/pid")
command_line() { if [ -r "/proc/$pid/cmdline" ]; then tr '\0' ' ' <"/proc/$pid/cmdline"; else ps -o args= -p "$pid"; fi; }
ours() { kill -0 "$pid" 2>/dev/null && command_line 2>/dev/null | grep -q ' HapiServer '; }
if ours; then
	kill "$pid" 2>/dev/null || true
	n=0
	while ours && [ $n -lt 50 ]; do n=$((n + 1)); sleep 0.2; done
	if ours; then kill -KILL "$pid" 2>/dev/null || true; fi
fi
rm -f "$1/pid"
