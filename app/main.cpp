// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe: the window. Options, the probe child, and composition.
#include "app/mainwindow.h"
#include "app/policyviews.h"
#include "app/resources.h"
#include "core/export/exportnote.h"

#ifdef QUANTLOUPE_OPENCL
#include "kernels/devices.h"
#endif

#include <QApplication>
#include <QCommandLineParser>
#include <QFileInfo>
#include <QScreen>
#include <QThreadPool>

#include <csignal>

int main(int argc, char** argv)
{
    // A file that reaches the size limit is an error of writing, not the end of the program.
    std::signal(SIGXFSZ, SIG_IGN);
#ifdef QUANTLOUPE_OPENCL
    if (argc == 2 && std::string_view(argv[1]) == "--probe-opencl")
        return ql::printProbe();
#endif
    QApplication application(argc, argv);
    QApplication::setApplicationName(QStringLiteral("quantloupe"));
    QApplication::setApplicationDisplayName(QStringLiteral("Quantloupe"));
    QApplication::setApplicationVersion(QStringLiteral(QUANTLOUPE_VERSION));

    QCommandLineParser parser;
    parser.setApplicationDescription(QApplication::tr("See what quantization does to a language model"));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addOption({QStringLiteral("fresh"), QApplication::tr("do not reopen the model of the last run")});
    parser.addPositionalArgument(QStringLiteral("MODEL"), QApplication::tr("safetensors, GGUF, NPY or NPZ file, or a folder"));
    parser.process(application);

    // In the background, since a folder may lie on a disk that does not answer.
    QThreadPool::globalInstance()->start([] { ql::sweepKilledExports(ql::exportNotesFolder()); });
    auto backends = std::make_shared<ql::Backends>(QApplication::applicationFilePath().toStdString(), ql::kernelCacheFolder());
    auto settings = std::make_unique<ql::Settings>();
    QString model = parser.positionalArguments().value(0);
    if (model.isEmpty() && !parser.isSet(QStringLiteral("fresh")) && QFileInfo::exists(settings->lastModel()))
        model = settings->lastModel();
    ql::MainWindow window(std::move(backends), std::move(settings));
    window.resize(window.size().boundedTo(window.screen()->availableSize())); // a scaled screen may be smaller than planned
    window.show();
    if (!model.isEmpty())
        window.openPath(QFileInfo(model).absoluteFilePath());
    window.policyViews()->offerLeftover();
    return QApplication::exec();
}
