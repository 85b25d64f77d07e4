#!/bin/sh
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/run.sh [PRESET[:LABEL]...]: installs what is missing (Debian 12), builds and runs every test, or those with
# a label; preset dev unless named.
set -eu
cd "$(dirname "$0")/.."
. app/packages.sh
install_missing $BUILD_PACKAGES $TEST_PACKAGES
[ $# -gt 0 ] || set -- dev
for wanted in "$@"; do
    preset=${wanted%%:*}
    case $wanted in
    *:*)
        build_preset "$preset" --target "${wanted#*:}"
        ctest --preset "$preset" --parallel "$(nproc)" -L "${wanted#*:}"
        ;;
    *)
        build_preset "$preset"
        ctest --preset "$preset" --parallel "$(nproc)"
        ;;
    esac
done
