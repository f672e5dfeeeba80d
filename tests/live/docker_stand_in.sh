#!/bin/sh
# Answers the docker commands of the collector for registries that are plain processes, and does what they say.
# A container is a directory of $CONTAINERS: `command` to run, `address` to ask for health, `inspect` for its JSON, and
# `pid` while it runs. As with docker, a container lives on when the client that started it is killed.
set -u
runs() { [ -s "$1/pid" ] && [ -e "/proc/$(cat "$1/pid")/exe" ]; }
fail() { echo "Error response from daemon: $2" >&2; exit "$1"; }
known() { [ -d "$CONTAINERS/$1" ] || fail 1 "No such container: $1"; }
launch() { # container, command…: in a session of its own, like a container
    container=$1
    shift
    # shellcheck disable=SC2016
    setsid sh -c 'echo $$ >"$1/pid"; shift; exec "$@"' launch "$container" "$@" >>"$container/log" 2>&1 </dev/null &
}
signal() { # container, signal
    runs "$1" && kill "-$2" "$(cat "$1/pid")"
    while runs "$1"; do sleep 0.02; done
}

verb=$1
shift
case $verb in
container) # inspect NAME
    known "$2"
    c=$CONTAINERS/$2 running=false health=unhealthy
    if runs "$c"; then
        running=true
        busybox wget -q -O /dev/null "http://$(cat "$c/address")/" 2>/dev/null && health=healthy
    fi
    sed "s/@RUNNING@/$running/; s/@HEALTH@/$health/" "$c/inspect"
    ;;
stop)
    known "$1"
    signal "$CONTAINERS/$1" TERM
    ;;
start) # NAME, or --attach NAME: then wait for its end, and end like it
    attached=
    [ "$1" = --attach ] && attached=1 && shift
    known "$1"
    c=$CONTAINERS/$1
    # shellcheck disable=SC2046
    runs "$c" || launch "$c" $(cat "$c/command")
    if [ "$attached" ]; then
        wait "$!"
        code=$?
        cat "$c/log"
        exit "$code"
    fi
    while ! runs "$c"; do sleep 0.02; done
    ;;
rm) # --force NAME
    known "$2"
    signal "$CONTAINERS/$2" KILL
    rm -r "${CONTAINERS:?}/$2"
    ;;
create) # --name NAME --network none [--env NAME]… --volumes-from NAME IMAGE garbage-collect CONFIG
    c=$CONTAINERS/$2
    mkdir "$c" 2>/dev/null || fail 1 "Conflict. The container name \"/$2\" is already in use"
    given=
    while [ "$1" != garbage-collect ]; do
        [ "$1" = --env ] && given="$given $2=$(printenv "$2")"
        shift
    done
    echo "env -i PATH=$PATH $given docker-registry garbage-collect $2" >"$c/command"
    ;;
exec) # NGINX nginx -s reload
    known "$1"
    echo "$*" >>"$CONTAINERS/$1/log"
    ;;
*) fail 125 "not known here: $verb" ;;
esac
