#!/bin/sh
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# sh app/run.sh [MODEL]: installs what is missing (Debian 12), builds the release, opens the window on MODEL or on the
# bundled model. Without a display the same job runs in batch and leaves its results in build/demo.
set -eu
cd "$(dirname "$0")/.."
if [ $# -gt 0 ] && [ "${1#/}" = "$1" ]; then # relative to where the caller stood
    set -- "${OLDPWD:-.}/$1"
fi
. app/packages.sh
install_missing $BUILD_PACKAGES
build_preset release

export QUANTLOUPE_RESOURCES="$PWD/resources"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
    exec build/release/bin/quantloupe "${1:-resources/models/loupe-3m}"
fi
echo "No display (DISPLAY and WAYLAND_DISPLAY are unset): doing the same job in batch, results in $PWD/build/demo"
exec build/release/bin/quantloupe-cli demo ${1:+"$1"} --out build/demo
