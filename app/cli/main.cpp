// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli: streams, Ctrl+C and the probe child; everything else is in the verbs.
#include "app/cli/commandline.h"
#include "app/cli/interrupt.h"
#include "app/resources.h"
#include "core/export/exportnote.h"

#ifdef QUANTLOUPE_OPENCL
#include "kernels/devices.h"
#endif

#include <QCoreApplication>

#include <csignal>
#include <iostream>
#include <unistd.h>

int main(int argc, char** argv)
{
    // A file that reaches the size limit is an error of writing, not the end of the program.
    std::signal(SIGXFSZ, SIG_IGN);
#ifdef QUANTLOUPE_OPENCL
    if (argc == 2 && std::string_view(argv[1]) == "--probe-opencl")
        return ql::printProbe();
#endif
    const ql::cli::InterruptWatch interrupt;
    QCoreApplication application(argc, argv);
    QCoreApplication::setApplicationName(QStringLiteral("quantloupe"));
    ql::sweepKilledExports(ql::exportNotesFolder());
    std::cout.imbue(std::locale::classic());
    ql::cli::Context context{std::cout, std::cerr, isatty(STDERR_FILENO) != 0, interrupt.token(),
                             QCoreApplication::applicationFilePath(), &std::cin};
    return ql::cli::runCommandLine(application.arguments().mid(1), context);
}
