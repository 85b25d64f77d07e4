// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli plan: sizes, fallbacks and warnings of an export that is not written.
#include "app/cli/exportoptions.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "core/base/format.h"
#include "core/export/exporter.h"

#include <nlohmann/json.hpp>

#include <ostream>

namespace ql::cli {
namespace {

void printJson(const ExportPlan& plan, std::ostream& out)
{
    nlohmann::ordered_json json;
    json["format"] = exportFormatName(plan.format);
    json["file_bytes"] = plan.fileBytes;
    json["quantized_bytes"] = plan.quantizedBytes;
    json["bits_per_weight"] = plan.bitsPerWeight;
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

void printText(const ExportPlan& plan, std::ostream& out)
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
    for (const std::string& warning : plan.warnings)
        out << "warning: " << warning << '\n';
    for (const PlanEntry& entry : plan.entries) {
        for (const std::string& warning : entry.warnings)
            out << "warning: " << entry.tensor << ": " << warning << '\n';
    }
}

} // namespace

int runPlan(const QStringList& arguments, Context& context)
{
    Options options("plan");
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("scheme", "S", "one scheme for every weight matrix").value("policy", "FILE", "a policy file")
        .flag("no-fallback", "fail where a scheme does not fit its tensor or the format");
    describeExport(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    auto exported = exportOptionsFrom(options);
    if (!exported.ok())
        return fail(context, exported.error());
    const auto policy = policyFrom(options, context);
    if (!policy.ok())
        return fail(context, policy.error());
    const auto model = Model::open(options.argument(0));
    if (!model.ok())
        return fail(context, model.error());
    const auto decisions = policy->resolve(**model);
    if (!decisions.ok())
        return fail(context, decisions.error());
    exported->activations = policy->activations;
    exported->kvCache = policy->kvCache;
    const auto plan = planExport(**model, *decisions, *exported);
    if (!plan.ok())
        return fail(context, plan.error());
    if (const Status refused = options.has("no-fallback") ? refuseFallbacks(*plan) : Status(); !refused.ok())
        return fail(context, refused.error());
    options.has("json") ? printJson(*plan, context.out) : printText(*plan, context.out);
    return 0;
}

} // namespace ql::cli
