// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The child of the device probe as the tests start it; its argument chooses which broken driver it plays.
#include "kernels/devices.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

int main(int argc, char** argv)
{
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "crash") {
        std::signal(SIGSEGV, SIG_DFL); // a sanitizer would turn the crash into an exit
        std::raise(SIGSEGV);
    }
    if (mode == "hang")
        pause();
    if (mode == "hang-after-answer") {
        std::fclose(stdout);
        pause();
    }
    if (mode == "garbage")
        return std::puts("MESA-LOADER: failed to open swrast") < 0;
    if (mode == "half")
        return std::puts(R"({"devices": [{"id": "opencl:0:0"}]})") < 0;
    if (mode == "flood") {
        for (int i = 0; i < 100000; ++i)
            std::puts("the same warning over and over");
        return 0;
    }
    if (mode == "error")
        return std::puts(R"({"error": "clGetDeviceIDs failed: CL_OUT_OF_HOST_MEMORY"})") < 0;
    if (mode == "exit")
        return 7;
    return ql::printProbe();
}
