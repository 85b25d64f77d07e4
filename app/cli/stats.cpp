// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli stats: statistics and histograms of the weights.
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "core/base/format.h"
#include "core/compute/cpubackend.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace ql::cli {
namespace {

nlohmann::ordered_json toJson(const std::string& name, const TensorStats& stats, const Histogram& histogram)
{
    nlohmann::ordered_json json;
    json["name"] = name;
    json["count"] = stats.count;
    json["min"] = stats.min;
    json["max"] = stats.max;
    json["absmax"] = stats.absMax();
    json["mean"] = stats.mean;
    json["std"] = stats.standardDeviation();
    json["skewness"] = stats.skewness();
    json["kurtosis"] = stats.kurtosis();
    json["zeros"] = stats.zeros;
    json["nans"] = stats.nans;
    json["infs"] = stats.infs;
    if (stats.firstNonFinite >= 0)
        json["first_non_finite"] = stats.firstNonFinite;
    json["histogram"] = {{"lo", histogram.lo}, {"hi", histogram.hi}, {"counts", histogram.counts}};
    return json;
}

} // namespace

int runStats(const QStringList& arguments, Context& context)
{
    Options options("stats");
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("tensor", "RE", "only tensors whose name matches this regular expression")
        .value("bins", "N", "histogram bins", "64").flag("read", "read the files instead of mapping them");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto bins = options.integer("bins", 1, 1 << 20);
    if (!bins.ok())
        return fail(context, bins.error());
    const auto model = Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map);
    if (!model.ok())
        return fail(context, model.error());
    const auto selected = selectTensors(**model, options.text("tensor"));
    if (!selected.ok())
        return fail(context, selected.error());

    CpuBackend backend(std::make_shared<ThreadPool>());
    nlohmann::ordered_json json = nlohmann::ordered_json::array();
    Table table({{"name"}, {"count", true}, {"min", true}, {"max", true}, {"mean", true}, {"std", true},
                 {"kurtosis", true}, {"zeros", true}, {"NaN", true}, {"Inf", true}});
    for (const int index : *selected) {
        const TensorInfo& info = (*model)->tensors()[size_t(index)];
        if (!dtypeInfo(info.dtype).decodable) {
            context.err << "quantloupe-cli: warning: " << info.name << ": " << dtypeInfo(info.dtype).name
                        << " cannot be decoded, left out\n";
            continue;
        }
        const auto view = (*model)->view(index);
        if (!view.ok())
            return fail(context, view.error());
        const JobControl job = progressJob(context, info.name);
        const auto stats = backend.statistics(*view, job);
        if (!stats.ok())
            return fail(context, stats.error());
        const auto histogram = backend.histogram(*view, float(stats->min), float(stats->max), int(*bins), job);
        if (!histogram.ok())
            return fail(context, histogram.error());
        json.push_back(toJson(info.name, *stats, *histogram));
        table.add({info.name, std::to_string(stats->count), formatSignificant(stats->min), formatSignificant(stats->max),
                   formatSignificant(stats->mean), formatSignificant(stats->standardDeviation()),
                   formatSignificant(stats->kurtosis()), std::to_string(stats->zeros), std::to_string(stats->nans),
                   std::to_string(stats->infs)});
    }
    if (options.has("json"))
        context.out << nlohmann::ordered_json{{"tensors", std::move(json)}}.dump() << '\n';
    else
        table.print(context.out);
    return 0;
}

} // namespace ql::cli
