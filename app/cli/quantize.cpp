// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli quantize: error figures per tensor under a scheme or a policy, and the export when asked.
#include "app/cli/exportoptions.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/calibration/importance.h"
#include "core/base/format.h"
#include "core/calibration/imports.h"
#include "core/export/exporter.h"
#include "core/export/exportnote.h"
#include "core/io/atomicfile.h"

#include <algorithm>
#include <chrono>
#include <ostream>

namespace ql::cli {
namespace {

std::vector<Table::Column> columnsFor(bool outputs)
{
    std::vector<Table::Column> columns{{"name"},          {"scheme"},           {"bits/weight", true},
                                       {"SQNR dB", true}, {"rel. error", true}, {"max error", true},
                                       {"cosine", true},  {"bytes", true}};
    if (outputs)
        columns.insert(columns.end(), {{"output dB", true}, {"output rel.", true}, {"basis"}});
    columns.push_back({"note"});
    return columns;
}

void printText(const std::vector<TensorReport>& reports, const std::string& device, double seconds, std::ostream& out)
{
    const bool outputs =
        std::any_of(reports.begin(), reports.end(), [](const auto& report) { return report.output.has_value(); });
    Table table(columnsFor(outputs));
    ErrorMetrics total;
    for (const TensorReport& report : reports) {
        const ErrorMetrics& m = report.metrics;
        std::vector<std::string> row{report.tensor,
                                     report.scheme.text(),
                                     formatSignificant(m.bitsPerWeight),
                                     formatSignificant(m.sqnrDb()),
                                     formatSignificant(m.relativeError()),
                                     formatSignificant(m.maxAbsError),
                                     formatSignificant(m.cosine(), 5),
                                     std::to_string(m.bytes)};
        if (outputs && report.output)
            row.insert(row.end(),
                       {formatSignificant(report.output->sqnrDb()), formatSignificant(report.output->relative()),
                        std::string(basisName(report.output->basis))});
        else if (outputs)
            row.insert(row.end(), 3, std::string());
        row.push_back(report.note);
        table.add(std::move(row));
        total.merge(m);
    }
    table.print(out);
    out << "\ntotal: " << formatBytes(total.bytes) << ", " << formatSignificant(total.bitsPerWeight)
        << " bits/weight, SQNR " << formatSignificant(total.sqnrDb()) << " dB, " << formatSignificant(seconds)
        << " s on " << device << '\n';
}

struct Export {
    ExportOptions options;
    std::string path;
};

/// Nothing when no export is asked for.
Result<std::optional<Export>> exportFrom(const Options& options)
{
    if (!options.has("out") && !options.has("as")) {
        QL_CHECK(refuseExportOptions(options, {"shard-size", "part", "gptq-v2", "replace", "no-fallback"}));
        return std::optional<Export>();
    }
    if (!options.has("out") || !options.has("as"))
        return Error{ErrorCode::InvalidArgument, "--out and --as go together", "quantize"};
    QL_TRY(ExportOptions exported, exportOptionsFrom(options));
    exported.replace = options.has("replace");
    if (exported.replace && !exportsFolder(exported.format))
        return Error{ErrorCode::InvalidArgument, "a file of the name is replaced anyway; this is for folders", "--replace"};
    if (exported.replace && options.has("part"))
        return Error{ErrorCode::InvalidArgument, "parts gather in one folder and never replace it", "--replace"};
    return std::optional(Export{exported, options.text("out")});
}

void describe(Options& options)
{
    options.positional("MODEL", "file or folder")
        .flag("json", "one JSON document on stdout")
        .value("scheme", "S", "one scheme for every weight matrix, e.g. int4,group=128,clip=mse")
        .value("policy", "FILE", "a policy file")
        .value("tensor", "RE", "measure only tensors that match")
        .value("calibration", "FILE",
               "calibration, importance matrix or activation dump: adds output errors, and "
               "decides clip=output")
        .value("device", "D", "auto, cpu, opencl or a device id", "auto")
        .value("out", "PATH", "where to export to")
        .flag("replace", "a checkpoint folder of that name may be replaced")
        .flag("no-fallback", "write nothing where a scheme does not fit its tensor or the format")
        .flag("read", "read the files instead of mapping them")
        .value("csv", "FILE", "also write the figures as CSV");
    describeExport(options);
}

/// What is to be done, read and checked before anything long begins.
struct Work {
    std::optional<Export> exported;
    bool refusesFallbacks = false;
    Policy policy;
    std::shared_ptr<const Model> model;
    std::vector<Decision> decisions;
    std::vector<int> selected;
    std::shared_ptr<const Calibration> calibration; ///< may be null
};

/// What this process writes, where several share the work.
Result<std::vector<int>> ownTensors(const Work& work)
{
    QL_TRY(const ExportPlan plan, planExport(*work.model, work.decisions, work.exported->options));
    std::vector<int> own;
    for (const int tensor : work.selected) {
        if (plan.entries[size_t(tensor)].part == work.exported->options.part)
            own.push_back(tensor);
    }
    return own;
}

Result<Work> workFrom(const Options& options, Context& context)
{
    Work work;
    QL_TRY(work.exported, exportFrom(options));
    work.refusesFallbacks = options.has("no-fallback");
    QL_TRY(work.policy, policyFrom(options, context));
    if (work.exported) {
        work.exported->options.activations = work.policy.activations;
        work.exported->options.kvCache = work.policy.kvCache;
    }
    QL_TRY(work.model, Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map));
    QL_TRY(work.decisions, work.policy.resolve(*work.model));
    QL_TRY(work.selected, selectTensors(*work.model, options.text("tensor")));
    if (work.exported && (work.exported->options.part > 0 || work.exported->options.merge)) {
        QL_TRY(work.selected, ownTensors(work));
    }
    if (options.has("calibration")) {
        const std::string path = options.text("calibration");
        QL_TRY(work.calibration, importCalibration(path, *work.model, progressJob(context, "reading " + path)));
    }
    return work;
}

constexpr size_t kReasonsShown = 8;

/// Says on stderr where the exported file is not quite what was asked for.
void tellDifferences(const ExportPlan& plan, Context& context)
{
    std::vector<std::pair<std::string_view, size_t>> reasons;
    for (const PlanEntry& entry : plan.entries) {
        if (entry.decision.fallback.empty())
            continue;
        const std::string_view reason = entry.decision.fallback;
        const auto known = std::find_if(reasons.begin(), reasons.end(), [&](const auto& row) { return row.first == reason; });
        known == reasons.end() ? reasons.emplace_back(reason, 1) : *known = {reason, known->second + 1};
    }
    for (const std::string& warning : plan.warnings)
        context.err << "quantloupe-cli: warning: " << warning << '\n';
    for (size_t i = 0; i < std::min(reasons.size(), kReasonsShown); ++i)
        context.err << "quantloupe-cli: note: " << reasons[i].second << " tensors: " << reasons[i].first << '\n';
    if (reasons.size() > kReasonsShown)
        context.err << "quantloupe-cli: note: and " << reasons.size() - kReasonsShown << " more reasons, which plan lists\n";
}

/// The decisions as the file carries them out, so that what is measured is what is written.
std::vector<Decision> carriedOut(const ExportPlan& plan)
{
    std::vector<Decision> decisions;
    for (const PlanEntry& entry : plan.entries)
        decisions.push_back(entry.decision);
    return decisions;
}

/// Names what was asked for, where the file differs in the type of its scales only.
void noteChanges(const Work& work, std::vector<TensorReport>& reports)
{
    for (TensorReport& report : reports) {
        const Decision& asked = work.decisions[size_t(work.model->indexOf(report.tensor))];
        if (report.note.empty() && !asked.asStored && asked.scheme != report.scheme)
            report.note = "instead of " + asked.scheme.text() + ": the type of scales that the format stores";
    }
}

Status carryOutExport(const Work& work, const ExportPlan& plan, Backend& backend, Context& context)
{
    const ExportNote note(exportNotesFolder(), work.exported->path, work.exported->options);
    QL_CHECK(exportModel(backend, *work.model, work.decisions, work.exported->options, work.exported->path,
                         progressJob(context, "writing " + work.exported->path)));
    tellDifferences(plan, context);
    if (const ExportOptions& options = work.exported->options; options.part > 0)
        context.err << "quantloupe-cli: note: part " << options.part << " of " << options.parts << " is written; "
                    << (exportsFolder(options.format) ? "whichever ends last puts the checkpoint together\n"
                                                      : "engines open the first and find the others\n");
    return {};
}

/// Fails before anything long begins.
Status checkFallbacks(const Work& work)
{
    if (!work.exported || !work.refusesFallbacks)
        return {};
    QL_TRY(const ExportPlan plan, planExport(*work.model, work.decisions, work.exported->options));
    return refuseFallbacks(plan);
}

Result<std::vector<TensorReport>> carryOut(Work& work, Backend& backend, ThreadPool& pool, Context& context)
{
    const Model& model = *work.model;
    QL_TRY(work.decisions, attachImportance(model, std::move(work.decisions), work.calibration.get(),
                                            work.exported ? nullptr : &work.selected));
    QL_CHECK(checkFallbacks(work));
    QL_TRY(work.decisions, resolveCalibrated(backend, model, std::move(work.decisions), work.calibration.get(), pool,
                                              progressJob(context, "clipping by output error"),
                                              work.exported && work.exported->options.part == 0 ? nullptr : &work.selected));
    ExportPlan plan;
    if (work.exported) {
        QL_TRY(plan, planExport(model, work.decisions, work.exported->options));
    }
    const std::vector<Decision> carried = work.exported ? carriedOut(plan) : work.decisions;
    const JobControl job = progressJob(context, "measuring");
    auto measured = work.exported ? measurePlan(backend, model, plan, work.selected, job)
                                  : measureModel(backend, model, carried, work.selected, {}, job);
    QL_TRY(std::vector<TensorReport> reports, std::move(measured));
    noteChanges(work, reports);
    if (work.calibration)
        QL_CHECK(addOutputErrors(backend, model, carried, work.policy.activations, *work.calibration, pool,
                                 progressJob(context, "measuring outputs"), reports));
    if (work.exported)
        QL_CHECK(carryOutExport(work, plan, backend, context));
    return reports;
}

} // namespace

int runQuantize(const QStringList& arguments, Context& context)
{
    Options options("quantize");
    describe(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    auto work = workFrom(options, context);
    if (!work.ok())
        return fail(context, work.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());

    const auto started = std::chrono::steady_clock::now();
    const auto reports = carryOut(*work, **device, *backends.threadPool(), context);
    if (!reports.ok())
        return fail(context, reports.error());
    if (options.has("csv")) {
        if (const Status written = writeFileAtomically(options.text("csv"), reportsToCsv(*reports)); !written.ok())
            return fail(context, written.error());
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    const std::string name = (*device)->info().name;
    if (work->exported && work->exported->options.merge && !options.has("json"))
        context.out << work->exported->path << ": put together\n";
    else if (options.has("json"))
        context.out << reportsToJson(*reports, name, seconds);
    else
        printText(*reports, name, seconds, context.out);
    return 0;
}

} // namespace ql::cli
