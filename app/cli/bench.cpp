// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli bench: the speed figures of this machine, each as a ratio to its read bandwidth.
#include "app/backends.h"
#include "app/cli/options.h"
#include "app/resources.h"
#include "core/calibration/calibrationbench.h"
#include "core/compute/benchmark.h"
#include "core/nn/networkbench.h"
#include "core/search/searchbench.h"

#include <ostream>

namespace ql::cli {
namespace {

/// The forward pass and calibration, on the bundled model and on a block of realistic width.
Result<std::vector<BenchFigure>> networkFigures(int repeats, const JobControl& job)
{
    QL_TRY(const std::string path, resourcePath("models/loupe-3m"));
    QL_TRY(const auto model, Model::open(path));
    ThreadPool pool;
    QL_TRY(auto figures, measureNetworkFigures(model, repeats, pool, job));
    QL_TRY(const auto calibration, measureCalibrationFigures(model, repeats, pool, job));
    figures.insert(figures.end(), calibration.begin(), calibration.end());
    return figures;
}

} // namespace

int runBench(const QStringList& arguments, Context& context)
{
    Options options("bench");
    options.flag("json", "one JSON document on stdout")
        .value("values", "N", "values of the test tensor, in units of 1048576", "64")
        .value("repeats", "N", "rounds; the median counts", "5")
        .value("device", "D", "auto, opencl, cpu or a device id", "auto");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto values = options.integer("values", 1, 4096);
    const auto repeats = options.integer("repeats", 1, 1000);
    if (!values.ok() || !repeats.ok())
        return fail(context, values.ok() ? repeats.error() : values.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = backends.choose(options.text("device"));
    if (!device.ok())
        return fail(context, device.error());
    Backend* openCl = device->backend->info().openCl ? device->backend.get() : nullptr;
    auto figures =
        measureFigures(*backends.cpu(), openCl, *values << 20, int(*repeats), progressJob(context, "measuring"));
    if (!figures.ok())
        return fail(context, figures.error());
    const auto network = networkFigures(int(*repeats), progressJob(context, "measuring"));
    if (!network.ok())
        return fail(context, network.error());
    figures->insert(figures->end(), network->begin(), network->end());
    const auto search = measureSearchFigures(progressJob(context, "measuring"));
    if (!search.ok())
        return fail(context, search.error());
    figures->insert(figures->end(), search->begin(), search->end());
    context.out << (options.has("json") ? figuresAsJson(*figures) : figuresAsText(*figures));
    return 0;
}

} // namespace ql::cli
