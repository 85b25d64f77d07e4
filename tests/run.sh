#!/bin/sh
# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# sh tests/run.sh [PRESET...]: installs what is missing (Debian 12), builds and runs every test; preset dev unless named.
set -eu
cd "$(dirname "$0")/.."
. app/packages.sh
install_missing $BUILD_PACKAGES $TEST_PACKAGES
[ $# -gt 0 ] || set -- dev
for preset in "$@"; do
    build_preset "$preset"
    ctest --preset "$preset"
done
