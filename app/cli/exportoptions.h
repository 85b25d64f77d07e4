// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What quantize and plan take about the target of an export.
#pragma once

#include "app/cli/options.h"
#include "core/export/exporter.h"

#include <initializer_list>

namespace ql::cli {

/// --as, --shard-size, --part, --gptq-v2.
void describeExport(Options& options);
/// InvalidArgument naming the option that one of `names` is, where nothing is exported.
Status refuseExportOptions(const Options& options, std::initializer_list<const char*> names);
/// InvalidArgument naming the option, also where it means nothing to the format.
Result<ExportOptions> exportOptionsFrom(const Options& options);

} // namespace ql::cli
