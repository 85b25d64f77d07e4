// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// quantloupe-cli evaluate: what a policy for weights, activations and the cache does to the model's predictions.
#include "app/cli/evaluationtext.h"
#include "app/cli/options.h"
#include "app/cli/sequences.h"
#include "app/resources.h"
#include "core/calibration/imports.h"
#include "core/evaluation/evaluation.h"
#include "core/evaluation/kvcache.h"

#include <ostream>

namespace ql::cli {
namespace {

void describe(Options& options)
{
    options.positional("MODEL", "file or folder").flag("json", "one JSON document on stdout")
        .value("policy", "FILE", "a policy file").value("scheme", "S", "one scheme for every weight matrix")
        .value("activations", "A", "scheme of every linear input, e.g. int8,token")
        .value("kv", "K", "scheme of keys and values, e.g. int8 or int4,keys=channel")
        .value("calibration", "FILE", "calibration, importance matrix or activation dump; static activations need one")
        .value("text", "FILE", "text (.txt, .jsonl, .json or .ids); the bundled held-out text without it")
        .value("context", "N", "tokens per sequence; 512 or what the model takes, if that is less", "0")
        .value("count", "N", "sequences at most; 0: all of the text", "64")
        .flag("no-begin", "sequences begin without the beginning-of-text token")
        .flag("attribution", "also the divergence that each quantized weight causes alone")
        .value("memory", "MIB", "for hidden states of attribution", "1024")
        .value("device", "D", "auto, cpu, opencl or a device id; quantizes weights", "auto")
        .flag("read", "read the files instead of mapping them");
}

/// Weights as stored where neither a policy nor a scheme is given.
Result<Policy> wantedPolicy(const Options& options, Context& context)
{
    Policy policy;
    if (options.has("policy") || options.has("scheme")) {
        QL_TRY(policy, policyFrom(options, context));
    } else {
        policy.defaultScheme = Scheme::defaultsFor(Format::F32);
    }
    if (policy.name.empty())
        policy.name = options.has("policy") ? options.text("policy")
                      : options.has("scheme") ? policy.defaultScheme.text() : "as stored";
    if (options.has("activations")) {
        QL_TRY(policy.activations.defaultScheme, ActivationScheme::parse(options.text("activations")));
        policy.name += ", activations " + policy.activations.defaultScheme->text();
    }
    if (options.has("kv")) {
        QL_TRY(policy.kvCache.defaultScheme, KvScheme::parse(options.text("kv")));
        policy.name += ", cache " + policy.kvCache.defaultScheme->text();
    }
    return policy;
}

Result<SequenceSet> wantedSequences(const Options& options, const Network& network)
{
    SequenceSettings settings;
    QL_TRY(settings.length, options.integer("context", 0, int64_t(1) << 32));
    QL_TRY(settings.count, options.integer("count", 0, int64_t(1) << 32));
    settings.addBegin = !options.has("no-begin");
    settings.path = options.text("text");
    return sequencesFor(network, std::move(settings), "models/text/heldout.txt");
}

Result<EvaluationRequest> requestFrom(const Options& options, Context& context)
{
    EvaluationRequest request;
    QL_TRY(request.policy, wantedPolicy(options, context));
    QL_TRY(const auto model, Model::open(options.argument(0), options.has("read") ? FileAccess::Read : FileAccess::Map));
    QL_TRY(request.network, Network::create(model));
    QL_TRY(request.sequences, wantedSequences(options, *request.network));
    if (options.has("calibration")) {
        const std::string path = options.text("calibration");
        QL_TRY(request.calibration, importCalibration(path, *model, progressJob(context, "reading " + path)));
    }
    return request;
}

Result<EvaluationFindings> findings(const Options& options, const EvaluationRequest& request, Backends& backends,
                                    Backend& backend, Context& context)
{
    EvaluationFindings found;
    ThreadPool& pool = *backends.threadPool();
    QL_TRY(const int64_t memory, options.integer("memory", 1, int64_t(1) << 24));
    QL_TRY(found.evaluation, evaluate(backend, request, pool, progressJob(context, "evaluating", ProgressUnit::Work)));
    if (!request.policy.kvCache.empty()) {
        const auto schemeOf = [&](int layer) { return request.policy.kvCache.forLayer(layer); };
        QL_TRY(found.cache, studyKvCache(*request.network, request.sequences.sequences, schemeOf, pool,
                                         progressJob(context, "studying the cache", ProgressUnit::Work)));
    }
    if (options.has("attribution")) {
        QL_TRY(found.attribution, attribute(backend, request, uint64_t(memory) << 20, pool,
                                            progressJob(context, "attributing", ProgressUnit::Work)));
    }
    return found;
}

} // namespace

int runEvaluate(const QStringList& arguments, Context& context)
{
    Options options("evaluate");
    describe(options);
    if (const auto code = begin(options, arguments, context))
        return *code;
    const auto request = requestFrom(options, context);
    if (!request.ok())
        return fail(context, request.error());
    Backends backends(context.program.toStdString(), kernelCacheFolder());
    const auto device = chooseDevice(backends, options, context);
    if (!device.ok())
        return fail(context, device.error());
    const auto found = findings(options, *request, backends, **device, context);
    if (!found.ok())
        return fail(context, found.error());
    for (const std::string& note : found->evaluation->notes)
        context.err << "quantloupe-cli: note: " << note << '\n';
    if (options.has("json"))
        context.out << evaluationJson(*found);
    else
        printEvaluation(*found, context.out);
    return 0;
}

} // namespace ql::cli
