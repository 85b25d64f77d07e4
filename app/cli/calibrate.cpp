// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli calibrate: what enters the linear layers, by running the model on a text or from a file made elsewhere.
#include "app/cli/options.h"
#include "app/cli/sequences.h"
#include "app/cli/table.h"
#include "core/base/format.h"
#include "core/calibration/activationstudy.h"
#include "core/calibration/collector.h"
#include "core/calibration/imports.h"
#include "core/io/atomicfile.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cmath>
#include <limits>
#include <ostream>

namespace ql::cli {
namespace {

using Json = nlohmann::ordered_json;
using CalibrationPtr = std::shared_ptr<const Calibration>;
constexpr size_t kShownOutliers = 6;

void describe(Options& options)
{
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("text", "FILE", "text (.txt, .jsonl, .json or .ids); the bundled calibration text without it")
        .value("import", "FILE", "an importance matrix (GGUF or .dat), a dump of activations (safetensors, NPY, NPZ) or a "
                                 "calibration, instead of running the model")
        .value("out", "FILE", "where to save: .safetensors a calibration, .gguf an importance matrix for llama-quantize")
        .value("length", "N", "tokens per sequence; 512 or what the model takes, if that is less", "0")
        .value("count", "N", "sequences at most; 0: all of the text", "64")
        .value("seed", "N", "draws random sequences; 0: from the beginning of the text", "0")
        .flag("gram", "keep all Gram matrices, whatever they take; else only when they fit 1 GiB")
        .flag("no-begin", "sequences begin without the beginning-of-text token")
        .flag("read", "read the files instead of mapping them");
}

/// The target can be written and none of the model's files is lost; asked before the work.
Status checkTarget(const std::string& out, const Model& model)
{
    if (out.empty())
        return {};
    if (!out.ends_with(".safetensors") && !out.ends_with(".gguf"))
        return Error{ErrorCode::InvalidArgument, "--out must end in .safetensors (calibration) or .gguf (importance matrix)", out};
    std::vector<std::string> sources;
    for (const auto& file : model.files())
        sources.push_back(file->name());
    QL_TRY(const AtomicFile probe, AtomicFile::create(out, sources));
    return {};
}

Result<CalibrationPtr> runModel(const Options& options, const std::shared_ptr<const Model>& model, Context& context)
{
    QL_TRY(const auto network, Network::create(model));
    SequenceSettings wanted;
    wanted.path = options.text("text");
    wanted.addBegin = !options.has("no-begin");
    QL_TRY(wanted.length, options.integer("length", 0, int64_t(1) << 32));
    QL_TRY(wanted.count, options.integer("count", 0, int64_t(1) << 32));
    QL_TRY(const int64_t seed, options.integer("seed", 0, std::numeric_limits<int64_t>::max()));
    wanted.seed = uint64_t(seed);
    QL_TRY(const SequenceSet sequences, sequencesFor(*network, std::move(wanted), "models/text/calibration.txt"));
    CalibrationSettings settings;
    settings.seed = std::max<uint64_t>(1, uint64_t(seed));
    if (options.has("gram"))
        settings.gramBytes = std::numeric_limits<uint64_t>::max();
    ThreadPool pool;
    JobControl job = progressJob(context, "calibrating", ProgressUnit::Tokens);
    if (job.progress) {
        // The rate that people know is that of the whole model: the collector counts every token once per block.
        job.progress = [draw = job.progress, tokens = sequences.tokens()](uint64_t done, uint64_t total) {
            const uint64_t blocks = std::max<uint64_t>(1, total / std::max<uint64_t>(1, tokens));
            draw(done / blocks, total / blocks);
        };
    }
    return collectCalibration(*network, sequences, settings, false, pool, job);
}

Result<CalibrationPtr> obtain(const Options& options, Context& context, std::shared_ptr<const Model>& model)
{
    if (options.has("import") && options.has("text"))
        return Error{ErrorCode::InvalidArgument, "give either --text or --import", {}};
    QL_TRY(model, Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map));
    QL_CHECK(checkTarget(options.text("out"), *model));
    if (options.has("import"))
        return importCalibration(options.text("import"), *model, progressJob(context, "reading", ProgressUnit::Work));
    return runModel(options, model, context);
}

Status save(const Calibration& calibration, const Model& model, const std::string& out, Context& context)
{
    if (out.empty())
        return {};
    return out.ends_with(".gguf") ? exportImportanceMatrix(calibration, model, out)
                                  : calibration.save(out, progressJob(context, "saving"));
}

/// Largest magnitude per channel; root mean squares where extremes are not known.
std::vector<float> magnitudesOf(const InputStatistics& input)
{
    std::vector<float> magnitudes;
    for (size_t c = 0; c < input.channelMin.size(); ++c)
        magnitudes.push_back(input.channelAbsMax(int64_t(c)));
    for (size_t c = 0; magnitudes.size() < input.channelMeanSquare.size(); ++c)
        magnitudes.push_back(float(std::sqrt(input.channelMeanSquare[c])));
    return magnitudes;
}

double meanOf(const std::vector<double>& values)
{
    double sum = 0;
    for (const double value : values)
        sum += value;
    return values.empty() ? 0 : sum / double(values.size());
}

Json inputJson(const InputStatistics& input)
{
    Json json{{"tensors", input.tensors},     {"layer", input.layer},
              {"channels", input.channels},   {"tokens", input.tokens},
              {"non_finite", input.nonFinite}, {"mean_square", meanOf(input.channelMeanSquare)}};
    if (input.hasDistribution()) {
        json["min"] = input.min;
        json["max"] = input.max;
        json["average_min"] = input.averageMin;
        json["average_max"] = input.averageMax;
    }
    const std::vector<float> magnitudes = magnitudesOf(input);
    if (!magnitudes.empty()) {
        const auto largest = std::max_element(magnitudes.begin(), magnitudes.end());
        json[input.channelMin.empty() ? "largest_rms" : "absmax"] = *largest;
        json["largest_channel"] = largest - magnitudes.begin();
    }
    json["outlier_channels"] = outlierChannels(magnitudes);
    if (!input.expertTokens.empty())
        json["expert_tokens"] = input.expertTokens;
    json["sample_rows"] = input.sample.rows();
    json["gram"] = input.hasGram();
    return json;
}

Json toJson(const Calibration& calibration, double seconds)
{
    const CalibrationSource& source = calibration.source();
    Json inputs = Json::array();
    for (const InputStatistics& input : calibration.inputs())
        inputs.push_back(inputJson(input));
    return {{"source", {{"kind", source.kind}, {"model", source.modelName}, {"fingerprint", source.modelFingerprint},
                        {"text", source.text}, {"sequences", source.sequences}, {"length", source.length},
                        {"tokens", source.tokens}, {"seed", source.seed}, {"created", source.created}}},
            {"inputs", std::move(inputs)},
            {"seconds", seconds}};
}

void print(const Calibration& calibration, double seconds, std::ostream& out)
{
    const CalibrationSource& source = calibration.source();
    out << source.kind << ", " << (source.text.empty() ? "source not told" : source.text);
    if (source.tokens > 0)
        out << ", " << source.tokens << " tokens in " << source.sequences << " sequences";
    out << ", " << formatSignificant(seconds) << " s";
    if (source.kind == "forward pass")
        out << ", " << formatCount(uint64_t(double(source.tokens) / std::max(seconds, 1e-6))) << " tokens/s";
    out << "\n\n";
    Table table({{"layer", true}, {"enters"}, {"channels", true}, {"tokens", true}, {"min", true}, {"max", true},
                 {"largest channel", true}, {"outlier channels"}});
    for (const InputStatistics& input : calibration.inputs()) {
        const std::vector<float> magnitudes = magnitudesOf(input);
        const auto largest = std::max_element(magnitudes.begin(), magnitudes.end());
        const std::vector<int64_t> outliers = outlierChannels(magnitudes);
        std::string shown;
        for (size_t i = 0; i < std::min(outliers.size(), kShownOutliers); ++i)
            shown += (i ? ", " : "") + std::to_string(outliers[i]);
        if (outliers.size() > kShownOutliers)
            shown += ", " + std::to_string(outliers.size() - kShownOutliers) + " more";
        const size_t others = input.tensors.size() - 1;
        const auto known = [&](double value) { return input.hasDistribution() ? formatSignificant(value) : std::string("-"); };
        table.add({input.layer < 0 ? "-" : std::to_string(input.layer),
                   input.tensors[0] + (others ? " and " + std::to_string(others) + " more" : ""),
                   std::to_string(input.channels), std::to_string(input.tokens), known(input.min), known(input.max),
                   magnitudes.empty() ? "-" : formatSignificant(double(*largest)), shown});
    }
    table.print(out);
    uint64_t nonFinite = 0;
    for (const InputStatistics& input : calibration.inputs())
        nonFinite += input.nonFinite;
    if (nonFinite > 0)
        out << '\n' << nonFinite << (nonFinite == 1 ? " value is" : " values are") << " not finite and left out\n";
}

} // namespace

int runCalibrate(const QStringList& arguments, Context& context)
{
    Options options("calibrate");
    describe(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto started = std::chrono::steady_clock::now();
    std::shared_ptr<const Model> model;
    const auto calibration = obtain(options, context, model);
    if (!calibration.ok())
        return fail(context, calibration.error());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (const Status saved = save(**calibration, *model, options.text("out"), context); !saved.ok())
        return fail(context, saved.error());
    if (options.has("json"))
        context.out << toJson(**calibration, seconds).dump() << '\n';
    else
        print(**calibration, seconds, context.out);
    return 0;
}

} // namespace ql::cli
