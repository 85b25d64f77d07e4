// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli search: the policy with the smallest error within a size.
#include "app/cli/options.h"
#include "app/cli/searchtext.h"
#include "app/cli/sequences.h"
#include "app/resources.h"
#include "core/base/format.h"
#include "core/calibration/imports.h"
#include "core/search/candidates.h"

#include <chrono>
#include <ostream>

namespace ql::cli {
namespace {

void describe(Options& options)
{
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("target-bpw", "X", "bits per weight of the whole model, kept tensors included")
        .value("target-size", "S", "bytes of all tensors: 1.5GB, 1500MB, 1.4GiB")
        .value("measure", "M", "weight, weight-size, output (needs --calibration) or kl (runs the model)", "weight")
        .value("candidates", "S;S;...", "schemes to choose from; every integer format and nf4 without it")
        .value("groups", "N,N,...", "try each candidate with each of these group sizes")
        .value("clips", "C,C,...", "and with each of these clip methods: minmax, mse, percentile:99.9, output ...")
        .value("policy", "FILE", "a policy whose locks and float formats stay")
        .flag("embeddings", "search embeddings and output head too, which otherwise stay as stored")
        .flag("share-groups", "q, k and v share a scheme, gate and up too, even if --policy does not say so")
        .value("calibration", "FILE", "calibration, importance matrix or activation dump")
        .value("text", "FILE", "text for kl; the bundled held-out text without it")
        .value("context", "N", "tokens per sequence for kl; 512 or what the model takes, if that is less", "0")
        .value("count", "N", "sequences for kl at most; 0: all of the text", "16")
        .value("memory", "MIB", "for hidden states of kl", "1024")
        .flag("front", "also the Pareto front")
        .value("out", "FILE", "where to write the policy")
        .value("device", "D", "auto, cpu, opencl or a device id", "auto")
        .flag("read", "read the files instead of mapping them");
}

std::vector<std::string> listOf(const std::string& text)
{
    std::vector<std::string> items;
    for (size_t start = 0; start < text.size();) {
        const size_t end = std::min(text.find(',', start), text.size());
        if (end > start)
            items.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return items;
}

Result<std::vector<Scheme>> candidatesFrom(const Options& options)
{
    std::vector<Scheme> schemes = defaultCandidates();
    if (options.has("candidates")) {
        QL_TRY(schemes, parseCandidates(options.text("candidates")));
    }
    std::vector<int> groups;
    for (const std::string& size : listOf(options.text("groups"))) {
        QL_TRY(const Scheme scheme, Scheme::parse("int8,group=" + size));
        groups.push_back(scheme.groupSize);
    }
    return crossCandidates(schemes, groups, listOf(options.text("clips")));
}

Result<SensitivityRequest> requestFrom(const Options& options, Context& context)
{
    SensitivityRequest request;
    const auto measure = measureFromName(options.text("measure"));
    if (!measure)
        return Error{ErrorCode::InvalidArgument,
                     "unknown measure \"" + options.text("measure") + "\"; known: weight, weight-size, output, kl", "--measure"};
    request.measure = *measure;
    request.embeddings = options.has("embeddings");
    QL_TRY(request.candidates, candidatesFrom(options));
    QL_TRY(const int64_t memory, options.integer("memory", 1, int64_t(1) << 24));
    request.attributionBytes = uint64_t(memory) << 20;
    if (options.has("policy")) {
        QL_TRY(request.policy, loadPolicy(options.text("policy"), context));
    }
    QL_TRY(request.model, Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map));
    if (options.has("calibration")) {
        const std::string path = options.text("calibration");
        QL_TRY(request.calibration, importCalibration(path, *request.model, progressJob(context, "reading " + path)));
    }
    if (request.measure == SearchMeasure::Kl) {
        QL_TRY(request.network, Network::create(request.model));
        SequenceSettings settings;
        QL_TRY(settings.length, options.integer("context", 0, int64_t(1) << 32));
        QL_TRY(settings.count, options.integer("count", 0, int64_t(1) << 32));
        settings.path = options.text("text");
        QL_TRY(request.sequences, sequencesFor(*request.network, std::move(settings), "models/text/heldout.txt"));
    }
    return request;
}

/// Bytes of --target-size, or nothing when --target-bpw is to be turned into bytes.
Result<std::optional<uint64_t>> targetBytes(const Options& options, double& bitsPerWeight)
{
    if (options.has("target-bpw") == options.has("target-size"))
        return Error{ErrorCode::InvalidArgument, "give exactly one of --target-bpw and --target-size", "search"};
    if (options.has("target-size")) {
        QL_TRY(const uint64_t bytes, parseByteSize(options.text("target-size")));
        return std::optional(bytes);
    }
    bool valid = false;
    bitsPerWeight = QString::fromStdString(options.text("target-bpw")).toDouble(&valid);
    if (!valid || !(bitsPerWeight > 0 && bitsPerWeight <= 64))
        return Error{ErrorCode::InvalidArgument,
                     "--target-bpw must be a number of bits above 0 and at most 64, not \"" + options.text("target-bpw") + "\"",
                     "search"};
    return std::optional<uint64_t>();
}

/// What would let a smaller size fit.
std::string wayOut(const SensitivityRequest& request)
{
    uint64_t bytes = 0;
    for (const TensorInfo& tensor : request.model->tensors())
        bytes += tensor.role == TensorRole::Embedding || tensor.role == TensorRole::LmHead ? tensor.bytes : 0;
    return request.embeddings || bytes == 0
               ? std::string()
               : "; " + formatBytes(bytes) + " of it are embeddings and output head, which --embeddings searches too";
}

struct Target {
    std::optional<uint64_t> bytes;
    double bitsPerWeight = 0;
};

Result<SearchFindings> findings(const Options& options, const Target& target, const SensitivityRequest& request,
                                Backends& backends, Backend& backend, Context& context)
{
    const bool runs = request.measure == SearchMeasure::Kl;
    QL_TRY(auto table, measureCosts(backend, request, *backends.threadPool(),
                                    progressJob(context, "measuring", runs ? ProgressUnit::Work : ProgressUnit::Bytes)));
    QL_TRY(BudgetSearch search,
           BudgetSearch::create(request.model, request.policy, std::move(table), options.has("share-groups")));
    uint64_t budget = target.bytes.value_or(0);
    if (!target.bytes) {
        QL_TRY(budget, search.budgetFor(target.bitsPerWeight));
    }
    const auto started = std::chrono::steady_clock::now();
    // Nobody drags a slider here, so there is time to look further.
    auto found = search.problem().solve(budget, {16384, 4'000'000});
    if (!found.ok())
        return Error{found.error().code,
                     found.error().message + ", " + formatSignificant(search.bitsPerWeight(search.problem().smallestBytes()), 4) +
                         " bits per weight" + wayOut(request),
                     request.model->path()};
    const double milliseconds =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    if (options.has("out"))
        QL_CHECK(search.policyOf(*found).save(options.text("out")));
    return SearchFindings{std::move(search), std::move(*found), budget, milliseconds, options.has("front"), options.text("out")};
}

} // namespace

int runSearch(const QStringList& arguments, Context& context)
{
    Options options("search");
    describe(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    Target target;
    const auto bytes = targetBytes(options, target.bitsPerWeight);
    if (!bytes.ok())
        return fail(context, bytes.error());
    target.bytes = *bytes;
    const auto request = requestFrom(options, context);
    if (!request.ok())
        return fail(context, request.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());
    const auto found = findings(options, target, *request, backends, **device, context);
    if (!found.ok())
        return fail(context, found.error());
    if (found->target > found->search.problem().largestBytes())
        context.err << "quantloupe-cli: note: " << formatBytes(found->target - found->found.bytes)
                    << " of the target stay unused: no candidate is better\n";
    if (options.has("json"))
        context.out << searchJson(*found);
    else
        printSearch(*found, context.out);
    return 0;
}

} // namespace ql::cli
