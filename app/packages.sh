# SPDX-FileCopyrightText: Quantloupe contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Sourced by app/run.sh and tests/run.sh: the Debian 12 packages that Quantloupe needs, and how to get and use them.

BUILD_PACKAGES="g++ cmake ninja-build qt6-base-dev qt6-svg-dev libqcustomplot-dev libeigen3-dev nlohmann-json3-dev
    zlib1g-dev libyaml-cpp-dev ocl-icd-opencl-dev opencl-headers pocl-opencl-icd fonts-dejavu-core"
TEST_PACKAGES="libbenchmark-dev"

# install_missing PACKAGE...: installs those that are not there yet, as root or through sudo.
install_missing() {
    mkdir -p build
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "Installing:$missing"
    sudo=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo > /dev/null || { echo "Not root and no sudo: please install$missing" >&2; exit 1; }
        sudo=sudo
    fi
    $sudo env DEBIAN_FRONTEND=noninteractive sh -ec "apt-get update -qq
        apt-get install -y -qq --no-install-recommends $missing" > build/install.log 2>&1 ||
        { tail -n 20 build/install.log >&2; exit 1; }
}

# build_preset PRESET [OPTION...]: configures (quietly unless it fails) and builds. Sources are compiled eight at a time
# and common headers once, which makes a first build less than half as long.
build_preset() {
    cmake --preset "$1" -DCMAKE_UNITY_BUILD=ON -DCMAKE_DISABLE_PRECOMPILE_HEADERS=OFF > build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
    cmake --build --preset "$@"
}
