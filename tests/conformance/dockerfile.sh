#!/usr/bin/env bash
# Does what the Dockerfile says without Docker, and runs the image as compose.yaml does. By hand, as
# root, where debootstrap is installed:
#
#     tests/conformance/dockerfile.sh FOLDER [PROGRAM]
#
# Every stage is a fresh Debian made by debootstrap in FOLDER (4 GB, not removed), the context is a
# clean clone of what is committed, and the very commands of the Dockerfile run in it. Then the program
# runs as the image's user, without capabilities, on a read-only root file system. Its frame lines must
# be those of PROGRAM, one built elsewhere (target/release/vision-pipe). An instruction that is not
# known here is an error.
#
# On two cores that others used too (hence the hour) it printed:
#
# dockerfile: build: 147 s for RUN apt-get update -q && apt-get install -qy --no-install-recomm
# dockerfile: build: 18 s for RUN curl -fsSL --proto '=https' https://sh.rustup.rs | sh -s --
# dockerfile: build: context of 23 MB
# dockerfile: build: 3419 s for RUN cargo build --release --locked && strip target/release/visio
# dockerfile: last: 41 s for RUN apt-get update -q && apt-get install -qy --no-install-recomm
# dockerfile: ldd finds 143 libraries
# dockerfile: read-only for user 10001
# dockerfile: the image: 548 MB; Debian alone: 162 MB
# dockerfile: 100 frame lines, the same as outside
# dockerfile: annotated: 665242 bytes, outside 665242
# dockerfile: owner of what was written: 10001:10001
#
# For a machine behind a proxy: EXTRA_ROOT, a folder copied into each fresh root; EXTRA_ENV, words
# like NAME=VALUE for the commands; EXTRA_SED, a sed script for commands before they run.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mkdir -p "$1" && cd "$1" && pwd)
program=${2:-$project/target/release/vision-pipe}
read -ra extra_env <<<"${EXTRA_ENV:-}"

stage='' root='' workdir='' user='' entrypoint='' volume=
environment=()

say() { echo "dockerfile: $*"; }
fail() { say "$*" >&2; exit 1; }

# Runs a command in the stage, with mounts that end with it.
inside() {
    unshare --mount --pid --fork --mount-proc="$root/proc" \
        chroot "$root" env -i HOME=/root "${environment[@]}" "${extra_env[@]}" sh -ec "cd '$workdir'; $1"
}

from() { # IMAGE [AS NAME]
    local suite
    suite=$(sed -n 's/^debian:\(.*\)-slim$/\1/p' <<<"$1")
    [ -n "$suite" ] || fail "no root for the image $1"
    stage=${3:-last} root=$folder/${3:-last} workdir=/ user=0:0 volume=
    environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
    [ -d "$folder/base-$suite" ] || debootstrap --variant=minbase "$suite" "$folder/base-$suite" >"$folder/debootstrap.log"
    cp -a "$folder/base-$suite" "$root"
    [ -z "${EXTRA_ROOT:-}" ] || cp -a "$EXTRA_ROOT/." "$root"
    say "$stage: $suite, $(du -sm "$root" | cut -f1) MB"
}

copy() { # [--from=STAGE] SOURCE TARGET
    local from=''
    case $1 in --from=*) from=${1#--from=}; shift ;; esac
    [ $# = 2 ] || fail "COPY with $# words"
    if [ -n "$from" ]; then
        cp -a "$folder/$from$1" "$root$2"
    else
        [ "$1 $2" = ". ." ] || fail "COPY $*"
        git clone -q "file://$project" "$folder/context"
        # All lines of ours are plain names.
        (cd "$folder/context" && xargs rm -rf <.dockerignore)
        cp -a "$folder/context/." "$root$workdir"
        say "$stage: context of $(du -sm "$folder/context" | cut -f1) MB"
    fi
}

env_of() { # NAME=VALUE, where the value names what is set
    environment+=("${1%%=*}=$(env -i "${environment[@]}" /bin/sh -c "echo \"${1#*=}\"")")
}

run() {
    local start=$SECONDS command
    command=$(sed -e "${EXTRA_SED:-}" <<<"$1")
    [ "$command" = "$1" ] || say "$stage: changed by EXTRA_SED: $command"
    inside "$command" </dev/null >>"$folder/$stage.log" 2>&1 || { tail -n 30 "$folder/$stage.log"; fail "$stage: RUN $1"; }
    say "$stage: $((SECONDS - start)) s for RUN $(cut -c1-60 <<<"$1")"
}

words() { tr -d '[]",' <<<"$*"; }

for old in build last context; do rm -rf "${folder:?}/$old" "$folder/$old.log"; done
while read -r instruction rest; do
    read -ra parts <<<"$rest"
    case $instruction in
        FROM) from "${parts[@]}" ;;
        RUN) run "$rest" ;;
        COPY) copy "${parts[@]}" ;;
        ENV) env_of "$rest" ;;
        WORKDIR) workdir=$rest; mkdir -p "$root$workdir" ;;
        USER) user=$rest ;;
        VOLUME) volume=$rest ;;
        ENTRYPOINT) entrypoint=$(words "$rest") ;;
        CMD) ;;
        *) fail "unknown instruction $instruction" ;;
    esac
done < <(sed -e '/^ *#/d' -e '/^ *$/d' -e ':join' -e '/\\$/{N;s/ *\\\n */ /;bjoin}' "$project/Dockerfile")

# As compose.yaml runs it: read-only but for the volume, no capability, the samples beside it.
mkdir -p "$root/videos" "$folder/volume"
chown "$user" "$folder/volume"
image() {
    unshare --mount --pid --fork --mount-proc="$root/proc" sh -ec '
        root=$1 folder=$2 samples=$3 volume=$4 user=$5; shift 5
        mount --rbind "$root" "$root"
        mount -o remount,bind,ro "$root"
        mount --bind "$folder/volume" "$root$volume"
        mount --bind -o ro "$samples" "$root/videos"
        exec chroot "$root" env -i HOME="$volume" PATH=/usr/local/bin:/usr/bin:/bin \
            setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs \
            --bounding-set=-all --inh-caps=-all sh -ec "cd \"$volume\"; exec \"\$@\"" sh "$@"
    ' sh "$root" "$folder" "$project/samples" "$volume" "$user" "$@"
}

missing=$(image sh -c 'ldd $(command -v '"$entrypoint"')' | grep 'not found' || true)
[ -z "$missing" ] || fail "libraries are missing: $missing"
say "ldd finds $(image sh -c 'ldd $(command -v '"$entrypoint"')' | grep -c '=> /') libraries"
image sh -c 'id -u; ! touch /usr/x /tmp/x /x 2>/dev/null' | sed 's/^/dockerfile: read-only for user /'
# The base images of Docker throw packages away once they are installed, and documents.
size() { du -sm --exclude=var/cache/apt --exclude=usr/share/doc --exclude=usr/share/man "$1" | cut -f1; }
say "the image: $(size "$root") MB; Debian alone: $(size "$folder"/base-*) MB"
say "$(image "$entrypoint" --version)"

video=pedestrians.mp4
frames() { grep '"type":"frame"' "$1" | sha256sum; }
image "$entrypoint" run "/videos/$video" --quiet --engine tract --workers 2 --ndjson out.ndjson -o out.mp4
"$program" run "$project/samples/$video" --quiet --engine tract --workers 2 --ndjson "$folder/outside.ndjson" -o "$folder/outside.mp4"
[ "$(frames "$folder/volume/out.ndjson")" = "$(frames "$folder/outside.ndjson")" ] || fail "other frame lines than $program"
say "$(grep -c '"type":"frame"' "$folder/volume/out.ndjson") frame lines, the same as outside"
say "annotated: $(stat -c %s "$folder/volume/out.mp4") bytes, outside $(stat -c %s "$folder/outside.mp4")"
say "owner of what was written: $(stat -c %u:%g "$folder/volume/out.mp4")"
