// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli bench: the speed figures of this machine, each as a ratio to its read bandwidth.
#include "app/backends.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/compute/benchmark.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace ql::cli {

int runBench(const QStringList& arguments, Context& context)
{
    Options options("bench");
    options.flag("json", "one JSON document on stdout")
        .value("values", "N", "values of the test tensor", "67108864")
        .value("device", "D", "auto, opencl, cpu or a device id", "auto");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto values = options.integer("values", 1 << 16, int64_t(1) << 32);
    if (!values.ok())
        return fail(context, values.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = backends.choose(options.text("device"));
    if (!device.ok())
        return fail(context, device.error());
    Backend* openCl = device->backend->info().openCl ? device->backend.get() : nullptr;
    const auto figures = measureFigures(*backends.cpu(), openCl, size_t(*values), progressJob(context, "measuring"));
    if (!figures.ok())
        return fail(context, figures.error());

    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    Table table({{"figure"}, {"value", true}, {"unit"}, {"ratio", true}, {"goal", true}, {""}});
    for (const BenchFigure& figure : *figures) {
        const bool judged = figure.goal > 0;
        json.push_back({{"name", figure.name}, {"value", figure.value}, {"unit", figure.unit}, {"ratio", figure.ratio},
                        {"goal", judged ? nlohmann::ordered_json(figure.goal) : nlohmann::ordered_json()}});
        table.add({figure.name, formatSignificant(figure.value), figure.unit,
                   figure.ratio > 0 ? formatSignificant(figure.ratio) : "", judged ? formatSignificant(figure.goal) : "",
                   !judged ? "" : figure.ratio >= figure.goal ? "reached" : "missed"});
    }
    if (options.has("json"))
        context.out << nlohmann::ordered_json{{"device", device->backend->info().name}, {"figures", json}}.dump(1) << '\n';
    else
        table.print(context.out);
    return 0;
}

} // namespace ql::cli
