#!/bin/sh
# Stands for Go where a test is about what the builder does with it: says its version, "builds" scripts, takes its time.
#   FAKE_GO_VERSION  what it says it is            FAKE_GO_LOG    gets one line for each build
#   FAKE_GO_FAILS    the program that won't build  FAKE_GO_SLEEP  seconds that a build takes
#   FAKE_GO_MODULE   where every module lies       FAKE_GO_GATE   the file that a build waits for
#   FAKE_GO_ENV      why it can't say where        FAKE_GO_TELLS  gets what a build is told of systems and processors
case "$1" in
version) echo "go version ${FAKE_GO_VERSION:-go1.26.8} linux/amd64" ;;
env)
	if [ -n "${FAKE_GO_ENV:-}" ]; then
		echo "$FAKE_GO_ENV" >&2
		exit 1
	fi
	echo "${FAKE_GO_MODULE:-/nonexistent}"
	;;
mod) printf '{"Dir": "%s"}\n' "$FAKE_GO_MODULE" ;;
build)
	while [ "$1" != -o ]; do shift; done
	name=$(basename "$2")
	echo "$name $$" >>"$FAKE_GO_LOG"
	[ -z "${FAKE_GO_TELLS:-}" ] || echo "GOOS=$GOOS GOARCH=$GOARCH GOAMD64=$GOAMD64" >"$FAKE_GO_TELLS"
	mkdir -p "$GOCACHE" && echo compiled >"$GOCACHE/$name"
	echo "go: downloading example.test/dependency v1.0.0" >&2
	[ -z "${FAKE_GO_SLEEP:-}" ] || sleep "$FAKE_GO_SLEEP"
	while [ -n "${FAKE_GO_GATE:-}" ] && [ ! -e "$FAKE_GO_GATE" ]; do sleep 0.1; done
	if [ "$name" = "${FAKE_GO_FAILS:-}" ]; then
		echo "./main.go:5:2: undefined: absent" >&2
		exit 1
	fi
	if [ -d embed ]; then cat embed/* >"$2"; else printf '#!/bin/sh\necho %s\n' "$name" >"$2"; fi
	chmod +x "$2"
	;;
esac
