// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// runCli: one call of the command line in this process, with all that it printed.
#pragma once

#include "app/cli/commandline.h"

#include <optional>
#include <sstream>

namespace ql::test {

inline const QString kLoupe = QStringLiteral(QL_RESOURCES "/models/loupe-3m");
inline const QString kLoupeOutliers = QStringLiteral(QL_RESOURCES "/models/loupe-3m-outliers");

struct CliRun {
    int code = 0;
    std::string out, err;
};

/// `input` is what stdin holds, if there is one; `stop` is Ctrl+C; `progress` as on a terminal.
inline CliRun runCli(const QStringList& arguments, const std::optional<std::string>& input = {}, std::stop_token stop = {},
                     bool progress = false)
{
    std::ostringstream out, err;
    std::istringstream in(input.value_or(""));
    cli::Context context{out, err, progress, stop, {}, input ? &in : nullptr};
    const int code = cli::runCommandLine(arguments, context);
    return {code, out.str(), err.str()};
}

} // namespace ql::test
