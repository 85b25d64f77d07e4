// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli: streams, Ctrl+C and the probe child; everything else is in the verbs.
#include "app/cli/commandline.h"

#ifdef QUANTLOUPE_OPENCL
#include "kernels/devices.h"
#endif

#include <QCoreApplication>

#include <csignal>
#include <iostream>
#include <pthread.h>
#include <thread>
#include <unistd.h>

namespace {

/// Turns SIGINT and SIGTERM into a stop request, so that an export ends cleanly. The signals are blocked before any
/// other thread starts; this one waits for them.
std::jthread watchForInterrupt(std::stop_source& stop)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    return std::jthread([signals, &stop](std::stop_token ended) {
        while (!ended.stop_requested()) {
            const timespec poll{0, 20'000'000};
            if (sigtimedwait(&signals, nullptr, &poll) > 0)
                stop.request_stop();
        }
    });
}

} // namespace

int main(int argc, char** argv)
{
#ifdef QUANTLOUPE_OPENCL
    if (argc == 2 && std::string_view(argv[1]) == "--probe-opencl")
        return ql::printProbe();
#endif
    std::stop_source stop;
    const std::jthread interrupt = watchForInterrupt(stop);
    QCoreApplication application(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("quantloupe"));
    std::cout.imbue(std::locale::classic());
    ql::cli::Context context{std::cout, std::cerr, isatty(STDERR_FILENO) != 0, stop.get_token(),
                             QCoreApplication::applicationFilePath()};
    return ql::cli::runCommandLine(application.arguments().mid(1), context);
}
