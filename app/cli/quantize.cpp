// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli quantize: error figures per tensor under a scheme or a policy, and the export when asked.
#include "app/backends.h"
#include "app/cli/options.h"
#include "app/cli/table.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/export/exporter.h"
#include "core/io/atomicfile.h"

#include <chrono>
#include <ostream>

namespace ql::cli {
namespace {

void printText(const std::vector<TensorReport>& reports, const std::string& device, double seconds, std::ostream& out)
{
    Table table({{"name"}, {"scheme"}, {"bits/weight", true}, {"SQNR dB", true}, {"rel. error", true},
                 {"max error", true}, {"cosine", true}, {"bytes", true}, {"note"}});
    ErrorMetrics total;
    for (const TensorReport& report : reports) {
        const ErrorMetrics& m = report.metrics;
        table.add({report.tensor, report.scheme.text(), formatSignificant(m.bitsPerWeight),
                   formatSignificant(m.sqnrDb()), formatSignificant(m.relativeError()), formatSignificant(m.maxAbsError),
                   formatSignificant(m.cosine(), 5), std::to_string(m.bytes), report.note});
        total.merge(m);
    }
    table.print(out);
    out << "\ntotal: " << formatBytes(total.bytes) << ", " << formatSignificant(total.bitsPerWeight)
        << " bits/weight, SQNR " << formatSignificant(total.sqnrDb()) << " dB, " << formatSignificant(seconds)
        << " s on " << device << '\n';
}

struct Export {
    ExportFormat format;
    std::string path;
};

/// Nothing when no export is asked for.
Result<std::optional<Export>> exportFrom(const Options& options)
{
    if (!options.has("out") && !options.has("as"))
        return std::optional<Export>();
    if (!options.has("out") || !options.has("as"))
        return Error{ErrorCode::InvalidArgument, "--out and --as go together", "quantize"};
    const auto format = exportFormatFromName(options.text("as"));
    if (!format)
        return Error{ErrorCode::InvalidArgument,
                     "unknown export format \"" + options.text("as") + "\"; known: dequantized, codes", "--as"};
    return std::optional(Export{*format, options.text("out")});
}

} // namespace

int runQuantize(const QStringList& arguments, Context& context)
{
    Options options("quantize");
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("scheme", "S", "one scheme for every weight matrix, e.g. int4,group=128,clip=mse")
        .value("policy", "FILE", "a policy file").value("tensor", "RE", "measure only tensors that match")
        .value("device", "D", "auto, cpu, opencl or a device id", "auto").value("out", "PATH", "where to export to")
        .value("as", "FORMAT", "dequantized or codes").flag("read", "read the files instead of mapping them")
        .value("csv", "FILE", "also write the figures as CSV");
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto wanted = exportFrom(options);
    if (!wanted.ok())
        return fail(context, wanted.error());
    const auto policy = policyFrom(options, context);
    if (!policy.ok())
        return fail(context, policy.error());
    const auto model = Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map);
    if (!model.ok())
        return fail(context, model.error());
    const auto decisions = policy->resolve(**model);
    if (!decisions.ok())
        return fail(context, decisions.error());
    const auto selected = selectTensors(**model, options.text("tensor"));
    if (!selected.ok())
        return fail(context, selected.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = backends.choose(options.text("device"));
    if (!device.ok())
        return fail(context, device.error());
    if (!device->note.empty())
        context.err << "quantloupe-cli: note: " << device->note << '\n';

    const auto started = std::chrono::steady_clock::now();
    const auto reports =
        measureModel(*device->backend, **model, *decisions, *selected, {}, progressJob(context, "measuring"));
    if (!reports.ok())
        return fail(context, reports.error());
    if (*wanted) {
        const Status written = exportModel(*device->backend, **model, *decisions, (*wanted)->format, (*wanted)->path,
                                           progressJob(context, "writing " + (*wanted)->path));
        if (!written.ok())
            return fail(context, written.error());
    }
    if (options.has("csv")) {
        if (const Status written = writeFileAtomically(options.text("csv"), reportsToCsv(*reports)); !written.ok())
            return fail(context, written.error());
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    const std::string name = device->backend->info().name;
    if (options.has("json"))
        context.out << reportsToJson(*reports, name, seconds);
    else
        printText(*reports, name, seconds, context.out);
    return 0;
}

} // namespace ql::cli
