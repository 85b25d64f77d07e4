// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli demo: the whole job without a window - look at every layer, compare codes on one of them, decide a
// policy from the measured errors, export - and everything that a person would look at left in a folder.
#include "app/cli/options.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/compute/analysis.h"
#include "core/export/exporter.h"
#include "core/export/svgfigure.h"
#include "core/io/atomicfile.h"
#include "core/quant/schemetable.h"
#include "core/report/reportfigures.h"

#include <algorithm>
#include <cmath>
#include <chrono>
#include <filesystem>
#include <ostream>

namespace ql::cli {
namespace {

constexpr size_t kWeakShare = 10; ///< one layer in so many, the weakest by SQNR, gets 8 bits

struct Demo {
    Context& context;
    Backend& backend;
    std::shared_ptr<const Model> model;
    std::string folder;

    Status save(const std::string& name, const std::string& text, const std::string& what) const
    {
        QL_CHECK(writeFileAtomically(folder + "/" + name, text));
        context.out << "  " << folder << '/' << name << "  " << what << '\n';
        return {};
    }
};

/// Histogram of w / scale with the code grid on it.
Status drawGrid(const Demo& demo, int tensor, const Scheme& scheme, const std::string& file)
{
    QL_TRY(const TensorView view, demo.model->view(tensor));
    QL_TRY(const auto result, analyseQuantization(demo.backend, view, scheme, nullptr, {demo.context.stop, {}}));
    const std::string svg =
        gridFigure(*result, demo.model->tensors()[size_t(tensor)].name, demo.model->displayName() + ", " + scheme.text());
    return demo.save(file, svg, "weights in units of the scale, with the " +
                                               std::string(traits(scheme.format).label) + " grid");
}

Status drawClipSweep(const Demo& demo, int tensor, const Scheme& scheme)
{
    QL_TRY(const TensorView view, demo.model->view(tensor));
    QL_TRY(const auto study, analyseClipping(demo.backend, view, scheme, {demo.context.stop, {}}));
    std::vector<std::pair<double, double>> curve;
    const double best = study->sweep.mse[study->sweep.best];
    for (size_t i = 0; i < study->sweep.ratios.size(); ++i)
        curve.emplace_back(study->sweep.ratios[i], study->sweep.mse[i] / best);
    SvgFigure figure("Clip sweep of " + demo.model->tensors()[size_t(tensor)].name,
                     {"clip limit / range of the group", 0.2, 1.02},
                     {"MSE / lowest MSE", 0.9, std::min(6.0, 1.1 * curve.front().second + 1)},
                     demo.model->displayName() + ", " + scheme.text());
    figure.addLine(curve, SvgFigure::kCurve);
    for (const ClipMark& mark : study->marks) {
        const auto methods = clipMethods();
        const auto info = std::find_if(methods.begin(), methods.end(), [&](const auto& m) { return m.method == mark.method; });
        figure.addPoint(mark.ratio, mark.mse / best, std::string(info->label), SvgFigure::kMark);
    }
    return demo.save("clip-sweep.svg", figure.toSvg(), "error against the clip limit, with the four methods");
}

Status drawFormats(const Demo& demo, int tensor)
{
    QL_TRY(const TensorView view, demo.model->view(tensor));
    QL_TRY(const auto study, analyseFormats(demo.backend, view, {demo.context.stop, {}}));
    double highest = 10;
    for (const FormatPoint& point : study->points)
        highest = std::max(highest, std::isfinite(point.sqnrDb) ? point.sqnrDb : 0);
    SvgFigure figure("Formats on " + demo.model->tensors()[size_t(tensor)].name, {"bits per weight", 2, 9},
                     {"SQNR (dB)", 0, highest * 1.05}, demo.model->displayName());
    for (const FormatPoint& point : study->points) {
        if (std::isfinite(point.sqnrDb) && point.bitsPerWeight < 9)
            figure.addPoint(point.bitsPerWeight, point.sqnrDb, point.scheme.text(), SvgFigure::kCurve);
    }
    return demo.save("formats.svg", figure.toSvg(), "every format: SQNR against bits per weight");
}

Status drawLayers(const Demo& demo, const std::vector<TensorReport>& reports)
{
    double highest = 1;
    for (const TensorReport& report : reports)
        highest = std::max(highest, report.metrics.sqnrDb());
    SvgFigure figure("SQNR of every quantized layer", {"SQNR (dB)", 0, highest * 1.05},
                     {"", 0, double(reports.size())}, demo.model->displayName() + ", " + reports[0].scheme.text());
    std::vector<std::pair<std::string, double>> bars;
    for (const TensorReport& report : reports)
        bars.emplace_back(report.tensor, report.metrics.sqnrDb());
    figure.addCategories(bars, SvgFigure::kCurve);
    return demo.save("layers.svg", figure.toSvg(), "SQNR of every quantized layer");
}

/// INT4 everywhere, INT8 for the layers with the lowest SQNR.
Policy decide(const Demo& demo, const Scheme& base, std::vector<TensorReport> reports)
{
    Policy policy;
    policy.name = "demo: INT4, the weakest layers in INT8";
    policy.modelFingerprint = demo.model->fingerprint();
    policy.defaultScheme = base;
    std::sort(reports.begin(), reports.end(),
              [](const auto& a, const auto& b) { return a.metrics.sqnrDb() < b.metrics.sqnrDb(); });
    const double median = reports[reports.size() / 2].metrics.sqnrDb();
    reports.resize((reports.size() + kWeakShare - 1) / kWeakShare);
    for (const TensorReport& report : reports)
        policy.tensors[report.tensor] = {Scheme::defaultsFor(Format::Int8), false,
                                         "SQNR " + formatSignificant(report.metrics.sqnrDb()) +
                                             " dB at 4 bits, median " + formatSignificant(median) + " dB"};
    return policy;
}

Status run(const Demo& demo, const std::string& device)
{
    const auto started = std::chrono::steady_clock::now();
    QL_TRY(const Scheme int4, Scheme::parse("int4,group=128,clip=mse"));
    Policy uniform;
    uniform.defaultScheme = int4;
    QL_TRY(const auto first, uniform.resolve(*demo.model));
    std::vector<int> quantized;
    for (size_t i = 0; i < first.size(); ++i) {
        if (!first[i].asStored)
            quantized.push_back(int(i));
    }
    if (quantized.empty())
        return Error{ErrorCode::EmptySelection, "the model has no weight matrix to quantize", demo.model->path()};
    const JobControl job = progressJob(demo.context, "measuring");
    QL_TRY(const auto reports, measureModel(demo.backend, *demo.model, first, quantized, {}, job));
    const auto weakest = std::min_element(reports.begin(), reports.end(), [](const auto& a, const auto& b) {
        return a.metrics.sqnrDb() < b.metrics.sqnrDb();
    });
    const int subject = demo.model->indexOf(weakest->tensor);

    QL_CHECK(drawLayers(demo, reports));
    QL_CHECK(drawGrid(demo, subject, int4, "weights-int4.svg"));
    QL_CHECK(drawGrid(demo, subject, Scheme::defaultsFor(Format::NF4), "weights-nf4.svg"));
    QL_CHECK(drawClipSweep(demo, subject, int4));
    QL_CHECK(drawFormats(demo, subject));

    const Policy policy = decide(demo, int4, reports);
    QL_CHECK(demo.save("policy.json", policy.toJson(),
                       "INT4, with " + std::to_string(policy.tensors.size()) + " weakest layers in INT8"));
    QL_TRY(const auto decisions, policy.resolve(*demo.model));
    QL_TRY(const auto final, measureModel(demo.backend, *demo.model, decisions, quantized, {}, job));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    QL_CHECK(demo.save("metrics.csv", reportsToCsv(final), "error figures of every layer"));
    QL_CHECK(demo.save("metrics.json", reportsToJson(final, device, seconds), "the same as JSON"));
    for (const ExportFormat format : {ExportFormat::Codes, ExportFormat::Dequantized}) {
        const std::string path = demo.folder + "/" + std::string(exportFormatName(format)) + ".safetensors";
        QL_CHECK(exportModel(demo.backend, *demo.model, decisions, format, path, progressJob(demo.context, path)));
        demo.context.out << "  " << path << "  exported and verified\n";
    }
    ErrorMetrics total;
    for (const TensorReport& report : final)
        total.merge(report.metrics);
    demo.context.out << "Quantized layers: " << formatSignificant(total.bitsPerWeight) << " bits/weight, SQNR "
                     << formatSignificant(total.sqnrDb()) << " dB, " << formatSignificant(seconds) << " s on " << device
                     << '\n';
    return {};
}

} // namespace

int runDemo(const QStringList& arguments, Context& context)
{
    Options options("demo");
    options.positional("MODEL", "file or folder; the bundled model when left out", false)
        .value("out", "FOLDER", "where the results go", "quantloupe-demo")
        .value("device", "D", "auto, cpu, opencl or a device id", "auto");
    if (const auto code = begin(options, arguments, context))
        return *code;
    std::string path = options.argument(0);
    if (path.empty()) {
        const auto bundled = resourcePath("models/loupe-3m");
        if (!bundled.ok())
            return fail(context, bundled.error());
        path = *bundled;
    }
    const auto model = Model::open(path);
    if (!model.ok())
        return fail(context, model.error());
    const std::string folder = options.text("out");
    std::error_code failure;
    std::filesystem::create_directories(folder, failure);
    if (failure)
        return fail(context, {ErrorCode::CannotWrite, "cannot make the folder: " + failure.message(), folder});
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());

    context.out << (*model)->displayName() << ": " << formatCount((*model)->parameters()) << " parameters, "
                << formatBytes((*model)->bytes()) << "; results in " << folder << '\n';
    const Status done = run({context, **device, *model, folder}, (*device)->info().name);
    return done.ok() ? 0 : fail(context, done.error());
}

} // namespace ql::cli
