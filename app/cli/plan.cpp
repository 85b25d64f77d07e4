// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli plan: sizes, fallbacks and warnings of an export that is not written.
#include "app/cli/exportoptions.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/calibration/importance.h"
#include "core/calibration/imports.h"
#include "core/export/exportestimate.h"
#include "core/io/atomicnames.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <ostream>

namespace ql::cli {
namespace {

/// What a plan alone does not tell.
struct Outlook {
    std::string target;
    std::optional<uint64_t> freeBytes; ///< where the system tells
    double seconds = 0; ///< of work, estimated
    std::string device;
};

void printJson(const ExportPlan& plan, const Outlook& outlook, std::ostream& out)
{
    nlohmann::ordered_json json;
    json["format"] = exportFormatName(plan.format);
    json["file_bytes"] = plan.fileBytes;
    json["quantized_bytes"] = plan.quantizedBytes;
    json["bits_per_weight"] = plan.bitsPerWeight;
    json["free_bytes"] = outlook.freeBytes ? nlohmann::ordered_json(*outlook.freeBytes) : nlohmann::ordered_json();
    json["estimated_seconds"] = outlook.seconds;
    json["device"] = outlook.device;
    json["warnings"] = plan.warnings;
    json["tensors"] = nlohmann::ordered_json::array();
    for (const PlanEntry& entry : plan.entries) {
        nlohmann::ordered_json row;
        row["name"] = entry.tensor;
        row["scheme"] = entry.decision.asStored ? "as stored" : entry.decision.scheme.text();
        row["because"] = entry.decision.because;
        if (!entry.decision.fallback.empty())
            row["fallback"] = entry.decision.fallback;
        row["source_bytes"] = entry.sourceBytes;
        row["bytes"] = entry.targetBytes;
        row["bits_per_weight"] = entry.bitsPerWeight;
        row["warnings"] = entry.warnings;
        json["tensors"].push_back(std::move(row));
    }
    out << json.dump(1) << '\n';
}

void printText(const ExportPlan& plan, const Outlook& outlook, std::ostream& out)
{
    Table table({{"name"}, {"scheme"}, {"bits/weight", true}, {"from bytes", true}, {"to bytes", true}, {"because"}});
    for (const PlanEntry& entry : plan.entries) {
        table.add({entry.tensor, entry.decision.asStored ? "as stored" : entry.decision.scheme.text(),
                   formatSignificant(entry.bitsPerWeight), std::to_string(entry.sourceBytes),
                   std::to_string(entry.targetBytes),
                   entry.decision.fallback.empty() ? entry.decision.because : entry.decision.fallback});
    }
    table.print(out);
    out << (plan.folder ? "\nfolder: " : "\nfile: ") << plan.fileBytes << " bytes (" << formatBytes(plan.fileBytes) << "); packed by its schemes: "
        << formatBytes(plan.quantizedBytes) << ", " << formatSignificant(plan.bitsPerWeight) << " bits/weight\n";
    out << "free at " << outlook.target << ": " << (outlook.freeBytes ? formatBytes(*outlook.freeBytes) : "unknown") << "; about "
        << formatDuration(outlook.seconds) << " of work on " << outlook.device
        << " (estimated from a sample; a slow disk adds to it)\n";
    const auto fallbacks = std::count_if(plan.entries.begin(), plan.entries.end(),
                                         [](const PlanEntry& entry) { return !entry.decision.fallback.empty(); });
    if (fallbacks > 0)
        out << "fallbacks: " << fallbacks << " tensors are not as asked (--no-fallback refuses them)\n";
    if (outlook.freeBytes && *outlook.freeBytes <= plan.fileBytes)
        out << "warning: there is not enough room at " << outlook.target << '\n';
    for (const std::string& warning : plan.warnings)
        out << "warning: " << warning << '\n';
    for (const PlanEntry& entry : plan.entries) {
        for (const std::string& warning : entry.warnings)
            out << "warning: " << entry.tensor << ": " << warning << '\n';
    }
}

struct Work {
    std::shared_ptr<const Model> model;
    std::vector<Decision> decisions;
    ExportPlan plan;
};

Result<Work> planFrom(const Options& options, Context& context)
{
    Work work;
    QL_TRY(ExportOptions exported, exportOptionsFrom(options));
    QL_TRY(const Policy policy, policyFrom(options, context));
    QL_TRY(work.model, Model::open(options.argument(0)));
    QL_TRY(work.decisions, policy.resolve(*work.model));
    std::shared_ptr<const Calibration> calibration;
    if (options.has("calibration")) {
        const std::string path = options.text("calibration");
        QL_TRY(calibration, importCalibration(path, *work.model, progressJob(context, "reading " + path)));
    }
    QL_TRY(work.decisions, attachImportance(*work.model, std::move(work.decisions), calibration.get()));
    exported.activations = policy.activations;
    exported.kvCache = policy.kvCache;
    QL_TRY(work.plan, planExport(*work.model, work.decisions, exported));
    if (options.has("no-fallback"))
        QL_CHECK(refuseFallbacks(work.plan));
    return work;
}

} // namespace

int runPlan(const QStringList& arguments, Context& context)
{
    Options options("plan");
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("scheme", "S", "one scheme for every weight matrix").value("policy", "FILE", "a policy file")
        .value("calibration", "FILE", "for imatrix: calibration, importance matrix or activation dump")
        .value("out", "PATH", "where it would be written, for the room there; here without it", ".")
        .value("device", "D", "auto, cpu, opencl or a device id; for the estimate of time", "auto")
        .flag("no-fallback", "fail where a scheme does not fit its tensor or the format");
    describeExport(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto work = planFrom(options, context);
    if (!work.ok())
        return fail(context, work.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());
    const auto seconds = estimateExport(**device, *work->model, work->decisions, work->plan, {context.stop, {}});
    if (!seconds.ok())
        return fail(context, seconds.error());
    const std::string target = options.text("out");
    const Outlook outlook{target, freeBytesAt(target), *seconds, (*device)->info().name};
    options.has("json") ? printJson(work->plan, outlook, context.out) : printText(work->plan, outlook, context.out);
    return 0;
}

} // namespace ql::cli
