// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli report: a model under a policy as one web page, JSON or CSV.
#include "app/cli/options.h"
#include "app/cli/sequences.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/calibration/imports.h"
#include "core/io/atomicfile.h"
#include "core/report/report.h"

#include <QDateTime>

#include <ostream>

namespace ql::cli {
namespace {

void describe(Options& options)
{
    options.positional("MODEL", "file or folder")
        .value("scheme", "S", "one scheme for every weight matrix, e.g. int4,group=128,clip=mse")
        .value("policy", "FILE", "a policy file")
        .value("calibration", "FILE", "calibration, importance matrix or activation dump: adds output errors")
        .flag("evaluate", "also perplexity and KL divergence")
        .flag("attribution", "also the divergence that each quantized weight causes alone")
        .value("text", "FILE", "text to evaluate on; the bundled held-out text without it")
        .value("context", "N", "tokens per sequence; 512 or what the model takes, if that is less", "0")
        .value("count", "N", "sequences at most; 0: all of the text", "64")
        .value("grids", "N", "pictures of the weights with the lowest SQNR", "4")
        .value("device", "D", "auto, cpu, opencl or a device id", "auto")
        .value("out", "FILE", "where to write it; .html, .json or .csv");
}

Status evaluateFor(const Options& options, Backend& backend, ThreadPool& pool, Context& context, ReportRequest& request)
{
    if (!options.has("evaluate") && !options.has("attribution"))
        return {};
    EvaluationRequest wanted;
    wanted.policy = request.policy;
    wanted.calibration = request.calibration;
    QL_TRY(wanted.network, Network::create(request.model));
    SequenceSettings settings;
    QL_TRY(settings.length, options.integer("context", 0, int64_t(1) << 32));
    QL_TRY(settings.count, options.integer("count", 0, int64_t(1) << 32));
    settings.path = options.text("text");
    QL_TRY(wanted.sequences, sequencesFor(*wanted.network, std::move(settings), "models/text/heldout.txt"));
    QL_TRY(request.evaluation, evaluate(backend, wanted, pool, progressJob(context, "evaluating", ProgressUnit::Work)));
    if (options.has("attribution")) {
        constexpr uint64_t kStreamBytes = uint64_t(1) << 30;
        QL_TRY(request.attribution, attribute(backend, wanted, kStreamBytes, pool,
                                              progressJob(context, "attributing", ProgressUnit::Work)));
    }
    return {};
}

Result<ReportRequest> requestFrom(const Options& options, Context& context)
{
    ReportRequest request;
    QL_TRY(request.policy, policyFrom(options, context));
    if (request.policy.name.empty())
        request.policy.name = options.has("policy") ? options.text("policy") : request.policy.defaultScheme.text();
    QL_TRY(const int64_t grids, options.integer("grids", 0, 1000));
    request.grids = int(grids);
    QL_TRY(request.model, Model::open(options.argument(0)));
    if (options.has("calibration")) {
        const std::string path = options.text("calibration");
        QL_TRY(request.calibration, importCalibration(path, *request.model, progressJob(context, "reading " + path)));
    }
    request.date = QDateTime::currentDateTimeUtc().toString(Qt::ISODate).toStdString();
    return request;
}

} // namespace

int runReport(const QStringList& arguments, Context& context)
{
    Options options("report");
    describe(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    const std::string path = options.text("out");
    const auto format = reportFormatFromPath(path);
    if (!format)
        return fail(context, {ErrorCode::InvalidArgument,
                              path.empty() ? "say where to write the report, to a file that ends in .html, .json or .csv"
                                           : "\"" + path + "\" ends in neither .html, .json nor .csv",
                              "--out"});
    auto request = requestFrom(options, context);
    if (!request.ok())
        return fail(context, request.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());
    ThreadPool& pool = *backends.threadPool();
    if (const Status evaluated = evaluateFor(options, **device, pool, context, *request); !evaluated.ok())
        return fail(context, evaluated.error());
    const auto report = makeReport(**device, *request, pool, progressJob(context, "measuring"));
    if (!report.ok())
        return fail(context, report.error());
    const std::string text = reportText(*report, *format);
    if (const Status written = writeFileAtomically(path, text); !written.ok())
        return fail(context, written.error());
    context.out << path << ": " << formatBytes(text.size()) << ", " << report->tensors.size() << " tensors, "
                << formatSignificant(report->bitsPerWeight) << " bits/weight\n";
    return 0;
}

} // namespace ql::cli
