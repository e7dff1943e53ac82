#!/bin/sh
# Starts the real EHR of `make test-hapi` (HAPI FHIR JPA server, R4, H2 in memory) on loopback.
#
#   start.sh WORKDIR [PORT]     prints the FHIR base URL; WORKDIR gets pid, port and server.log; stop.sh WORKDIR ends it
#
# Needs a JDK 17+, Maven and curl; as root on a Debian-like machine it installs what is missing. The first run takes
# about 200 MB from Maven Central into ~/.m2; later runs take nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: start.sh WORKDIR [PORT]" >&2; exit 2; }
mkdir -p "$1"
work=$(cd "$1" && pwd)
port=${2:-0}
log=$work/server.log

# fail WHAT LOG: the end of LOG, then what happened and what to do.
fail() {
	[ -s "$2" ] && { echo "--- last lines of $2"; tail -n 25 "$2" | cut -c1-300; echo "---"; } >&2
	echo "hapi: $1" >&2
	exit 1
}

# --- tools
missing=
command -v javac >/dev/null 2>&1 || missing="$missing openjdk-17-jdk-headless"
command -v mvn >/dev/null 2>&1 || missing="$missing maven"
command -v curl >/dev/null 2>&1 || missing="$missing curl"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
		fail "missing:$missing. Install these (a JDK 17 or later, Maven, curl) and run again, or run once as root where apt-get exists." /dev/null
	fi
	# shellcheck disable=SC2086 # a list of packages
	{ apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$work/apt.log" 2>&1 ||
		fail "apt-get could not install$missing; see above, install them by hand and run again." "$work/apt.log"
fi
java_major=$(javac -version 2>&1 | sed -n 's/^javac \([0-9]*\).*/\1/p')
[ "${java_major:-0}" -ge 17 ] || fail "javac is version ${java_major:-unknown}; HAPI 7.4 needs JDK 17 or later on the PATH." /dev/null

# --- build: class path by Maven, one javac; kept until pom.xml or HapiServer.java change
key=$(cat "$here/pom.xml" "$here/HapiServer.java" | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/chartwire/hapi-$key
complete() { [ -s "$cache/classpath" ] && tr ':' '\n' <"$cache/classpath" | while read -r jar; do [ -f "$jar" ] || exit 1; done; }
if ! complete; then
	mkdir -p "$(dirname "$cache")"
	build=$(mktemp -d "$cache.XXXXXX")
	trap 'rm -rf "$build"' EXIT
	mvn -B -ntp -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath \
		-Dmdep.outputFile="$build/classpath" >"$work/maven.log" 2>&1 ||
		fail "Maven could not fetch the server from Maven Central; check the network (or ~/.m2/settings.xml) and run again." "$work/maven.log"
	javac -nowarn -proc:none -cp "$(cat "$build/classpath")" -d "$build/classes" "$here/HapiServer.java" >"$work/javac.log" 2>&1 ||
		fail "HapiServer.java does not compile against the versions in pom.xml." "$work/javac.log"
	rm -rf "$cache"
	mv "$build" "$cache" 2>/dev/null || rm -rf "$build" # another run was first: its copy is the same
	trap - EXIT
fi

# --- start
rm -f "$work/port" "$work/pid"
nohup java -Xmx"${HAPI_HEAP:-1500m}" -XX:TieredStopAtLevel=1 \
	-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
	-cp "$cache/classes:$(cat "$cache/classpath")" HapiServer "$port" "$work" >"$log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$work/pid"
giveup() { "$here/stop.sh" "$work" || true; fail "$1" "$log"; }
trap 'giveup "interrupted while starting."' INT TERM

# --- wait until it answers, at most HAPI_START_SECONDS
deadline=$(($(date +%s) + ${HAPI_START_SECONDS:-180}))
until [ -s "$work/port" ] && curl --noproxy '*' -sf -o /dev/null --max-time 20 "http://127.0.0.1:$(cat "$work/port")/fhir/metadata"; do
	kill -0 "$pid" 2>/dev/null || giveup "the server ended while starting; see above (a taken port, too little memory: HAPI_HEAP=${HAPI_HEAP:-1500m})."
	[ "$(date +%s)" -lt "$deadline" ] || giveup "no answer within ${HAPI_START_SECONDS:-180} s; on a slow machine set HAPI_START_SECONDS higher."
	sleep 0.3
done
base=http://127.0.0.1:$(cat "$work/port")/fhir

# --- US Core 6.1.0, the part our resources claim or with US_CORE all of it, and the LOINC codes they use, so that $validate holds
# them against it
cp "$here/us-core-6.1.0.json" "$here/loinc.json" "$work"
if [ -n "${US_CORE:-}" ]; then
	python3 "$here/uscore.py" "$US_CORE" >"$work/us-core-6.1.0.json" 2>"$work/uscore.log" || giveup "$(cat "$work/uscore.log")"
fi
for bundle in us-core-6.1.0 loinc; do
	curl --noproxy '*' -s -o "$work/$bundle.answer" -w '%{http_code}' --max-time 180 -H 'Content-Type: application/fhir+json' \
		--data-binary @"$work/$bundle.json" "$base" >"$work/$bundle.status" || true
	[ "$(cat "$work/$bundle.status")" = 200 ] ||
		giveup "the server refused $bundle.json (HTTP $(cat "$work/$bundle.status")); its answer is in $work/$bundle.answer."
done

echo "$base"
