#!/usr/bin/env bash
# The attacks once more as an ordinary user, where the sandbox rests on user namespaces: for a root to run.
# An interpreter or a checkout in a folder that is root's alone is shown at its own place in a private view
# of the file system, so that nothing is copied and nothing of the real one changes.
#   tests/attacks/as_user.sh [pytest's options]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=$PWD/.venv/bin/python
user=(setpriv --reuid 12345 --regid 12345 --clear-groups)
if [[ $EUID -ne 0 ]]; then
    exec "$python" -m pytest tests/attacks "$@"
fi
if [[ ${PRIVATE_VIEW:-} != yes ]]; then
    PRIVATE_VIEW=yes exec unshare --mount --propagation private "$0" "$@"
fi

show() { # a folder, where an ordinary user can get to it
    local folder=$1 above="" part kept
    IFS=/ read -ra parts <<<"${folder#/}"
    for part in "${parts[@]}"; do
        above+=/$part
        "${user[@]}" test -x "$above" || break
    done
    "${user[@]}" test -x "$above" && return
    kept=$(mktemp -d)
    mount --bind "$folder" "$kept"
    mount -t tmpfs -o mode=0755 tmpfs "$above"
    mkdir -p "$folder"
    mount --bind "$kept" "$folder"
}

base=$("$python" -c 'import sys; print(sys.base_prefix)')
show "$base"
show "$PWD"
home=$(mktemp -d)
chmod 0700 "$home"
chown 12345:12345 "$home"
trap 'rm -rf "$home"' EXIT
"${user[@]}" --no-new-privs env --ignore-environment \
    PATH="$PATH" HOME="$home" TMPDIR="$home" LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 \
    "$python" -m pytest -p no:cacheprovider tests/attacks "$@"
