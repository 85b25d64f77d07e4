// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli bench: the speed figures of this machine, each as a ratio to its read bandwidth.
#include "app/cli/options.h"
#include "app/resources.h"
#include "core/calibration/calibrationbench.h"
#include "core/compute/benchmark.h"
#include "core/nn/networkbench.h"
#include "core/search/searchbench.h"

#include <algorithm>
#include <array>
#include <ostream>

namespace ql::cli {
namespace {

constexpr std::array<std::string_view, 7> kParts{"", "streams", "halves", "ggml", "opencl", "network", "search"};

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
        .value("part", "P", "only streams, halves, ggml, opencl, network or search")
        .value("device", "D", "auto, opencl, cpu or a device id", "auto");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto values = options.integer("values", 1, 4096);
    const auto repeats = options.integer("repeats", 1, 1000);
    if (!values.ok() || !repeats.ok())
        return fail(context, values.ok() ? repeats.error() : values.error());
    const std::string part = options.text("part");
    if (std::find(kParts.begin(), kParts.end(), part) == kParts.end())
        return fail(context, Error{ErrorCode::InvalidArgument, "--part: there is no part " + part + " of the table", {}});
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());
    Backend* openCl = (*device)->info().openCl ? device->get() : nullptr;
    const JobControl job = progressJob(context, "measuring");
    std::vector<BenchFigure> figures;
    const auto measure = [&]() -> Status {
        const auto add = [&](const std::vector<BenchFigure>& more) {
            figures.insert(figures.end(), more.begin(), more.end());
        };
        if (part != "network" && part != "search") {
            QL_TRY(const auto more, measureFigures(*backends.cpu(), openCl, *values << 20, int(*repeats), job, part));
            add(more);
        }
        if (part.empty() || part == "network") {
            QL_TRY(const auto more, networkFigures(int(*repeats), job));
            add(more);
        }
        if (part.empty() || part == "search") {
            QL_TRY(const auto more, measureSearchFigures(job));
            add(more);
        }
        return {};
    };
    if (const Status done = measure(); !done)
        return fail(context, done.error());
    context.out << (options.has("json") ? figuresAsJson(figures) : figuresAsText(figures));
    return 0;
}

} // namespace ql::cli
