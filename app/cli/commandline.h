// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The command line: quantloupe-cli VERB ... One file per verb; no GUI library is linked. Every verb is a function on
// given streams, so tests run it in their own process.
#pragma once

#include "core/base/result.h"

#include <QString>
#include <QStringList>

#include <iosfwd>
#include <span>
#include <stop_token>

namespace ql::cli {

struct Context {
    std::ostream& out;
    std::ostream& err;
    bool showProgress = false; ///< stderr is a terminal
    std::stop_token stop;      ///< Ctrl+C
    QString program;           ///< this executable, for the device probe
    std::istream* in = nullptr; ///< stdin
};

struct Verb {
    const char* name;
    const char* arguments; ///< as in the help: "MODEL [--json]"
    const char* summary;
    int (*run)(const QStringList& arguments, Context& context);
};
std::span<const Verb> verbs();

/// Runs `arguments` (program name left out). Exit codes: 0 done, 1 other, 2 bad input, 3 could not write, 4 device.
int runCommandLine(const QStringList& arguments, Context& context);

/// Prints one line to stderr and returns the exit code of its kind.
int fail(Context& context, const Error& error);

int runInspect(const QStringList& arguments, Context& context);
int runStats(const QStringList& arguments, Context& context);
int runQuantize(const QStringList& arguments, Context& context);
int runDiff(const QStringList& arguments, Context& context);
int runPlan(const QStringList& arguments, Context& context);
int runPolicy(const QStringList& arguments, Context& context);
int runEvaluate(const QStringList& arguments, Context& context);
int runCalibrate(const QStringList& arguments, Context& context);
int runReport(const QStringList& arguments, Context& context);
int runSearch(const QStringList& arguments, Context& context);
int runDevices(const QStringList& arguments, Context& context);
int runBench(const QStringList& arguments, Context& context);
int runTokenize(const QStringList& arguments, Context& context);
int runDemo(const QStringList& arguments, Context& context);

} // namespace ql::cli
