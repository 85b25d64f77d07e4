// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A bundled model ready to run on the first sequences of the held-out text.
#pragma once

#include "core/calibration/collector.h"
#include "core/compute/cpubackend.h"
#include "core/evaluation/evaluation.h"

#include <QString>

#include <stdexcept>

namespace ql::test {

template <class T>
T valueOf(Result<T> result)
{
    if (!result.ok())
        throw std::runtime_error(result.error().text());
    return std::move(result).value();
}

struct EvaluationFixture {
    std::shared_ptr<ThreadPool> pool;
    std::shared_ptr<CpuBackend> backend;
    std::shared_ptr<const Network> network;
    std::shared_ptr<const Tokenizer> tokenizer;
    SequenceSet sequences;

    EvaluationFixture(const std::string& name, int64_t count, int64_t length, bool begin = true, unsigned threads = 0)
        : pool(std::make_shared<ThreadPool>(threads)), backend(std::make_shared<CpuBackend>(pool))
    {
        const auto model = valueOf(Model::open(QL_RESOURCES "/models/" + name));
        network = valueOf(Network::create(model));
        tokenizer = valueOf(Tokenizer::of(*model));
        sequences = text("heldout", count, length, begin);
    }

    SequenceSet text(const std::string& name, int64_t count, int64_t length, bool begin = true) const
    {
        SequenceSettings settings;
        settings.path = QL_RESOURCES "/models/text/" + name + ".txt";
        settings.count = count;
        settings.length = length;
        settings.addBegin = begin;
        return valueOf(loadSequences(settings, network->config(), tokenizer.get()));
    }

    EvaluationRequest request(const QString& scheme) const
    {
        EvaluationRequest request;
        request.network = network;
        request.policy.defaultScheme = valueOf(Scheme::parse(scheme.toStdString()));
        request.sequences = sequences;
        return request;
    }

    Result<Shared<Evaluation>> run(const EvaluationRequest& request) const
    {
        return evaluate(*backend, request, *pool, {});
    }
    Evaluation evaluated(const EvaluationRequest& request) const { return *valueOf(run(request)); }

    std::shared_ptr<const Calibration> calibrated() const
    {
        return valueOf(collectCalibration(*network, text("calibration", 8, 128), {}, false, *pool, {}));
    }
};

} // namespace ql::test
