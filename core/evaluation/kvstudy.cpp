// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/cpubackend.h"
#include "core/evaluation/kvcache.h"
#include "core/evaluation/workprogress.h"

#include <chrono>
#include <cmath>
#include <limits>

namespace ql {
namespace {

double decibels(double signal, double error)
{
    return error > 0 ? 10 * std::log10(signal / error) : std::numeric_limits<double>::infinity();
}

struct ErrorSums {
    double reference = 0, error = 0;

    void add(const float* x, const float* changed, int64_t count)
    {
        for (int64_t i = 0; i < count; ++i) {
            const double difference = double(changed[i]) - double(x[i]);
            reference += double(x[i]) * double(x[i]);
            error += difference * difference;
        }
    }
    double relative() const { return error > 0 ? std::sqrt(error / reference) : 0; }
};

/// Everything that is gathered while one block runs; all keys and values of the layer are in memory then.
class LayerWatch : public NetworkHooks
{
public:
    LayerWatch(int layer, std::optional<KvScheme> scheme, int64_t width, uint64_t tokens, ThreadPool& pool)
        : m_pool(pool), m_width(width)
    {
        m_study.layer = layer;
        m_study.scheme = scheme;
        m_study.keyChannelAbsMax.resize(size_t(width));
        m_study.valueChannelAbsMax.resize(size_t(width));
        m_keys.reserve(tokens * size_t(width));
        m_values.reserve(tokens * size_t(width));
    }

    Result<bool> attention(int, const TokenRange&, const AttentionInput& input, RowMatrix& output) override
    {
        keep(input.keys, m_keys, m_study.keyChannelAbsMax);
        keep(input.values, m_values, m_study.valueChannelAbsMax);
        if (!m_study.scheme) {
            countPositions(input.keys.rows());
            return false;
        }
        const CachedView view = quantizeCache(*m_study.scheme, input.shape, input.keys, input.values);
        const int64_t end = view.quantizedEnd.empty() ? 0 : view.quantizedEnd.back();
        if (end > view.first) {
            const int64_t count = (end - view.first) * m_width;
            m_keyError.add(input.keys.row(view.first).data(), view.keys.row(view.first).data(), count);
            m_valueError.add(input.values.row(view.first).data(), view.values.row(view.first).data(), count);
        }
        attend(input, nullptr, output, m_pool);
        attend(input, &view, m_changed, m_pool);
        compareOutputs(output);
        return true;
    }

    Result<KvLayerStudy> finish(Backend& backend, const Model& model, const JobControl& job)
    {
        m_study.keySqnrDb = decibels(m_keyError.reference, m_keyError.error);
        m_study.valueSqnrDb = decibels(m_valueError.reference, m_valueError.error);
        m_study.outputSqnrDb = decibels(m_outputError.reference, m_outputError.error);
        m_study.outputRelativeError = m_outputError.relative();
        for (size_t i = 0; i < m_study.positionError.size(); ++i)
            m_study.positionError[i] /= double(m_positionCount[i]);
        QL_TRY(m_study.keys, distribution(backend, model, "keys", m_keys, job));
        QL_TRY(m_study.values, distribution(backend, model, "values", m_values, job));
        return std::move(m_study);
    }

private:
    void keep(const RowMatrix& x, std::vector<float>& all, std::vector<float>& channelAbsMax)
    {
        all.insert(all.end(), x.data(), x.data() + x.size());
        for (int64_t row = 0; row < x.rows(); ++row) {
            for (int64_t col = 0; col < x.cols(); ++col)
                channelAbsMax[size_t(col)] = std::max(channelAbsMax[size_t(col)], std::abs(x(row, col)));
        }
    }

    void countPositions(int64_t rows)
    {
        if (m_study.positionError.size() < size_t(rows)) {
            m_study.positionError.resize(size_t(rows));
            m_positionCount.resize(size_t(rows));
        }
        for (int64_t row = 0; row < rows; ++row)
            ++m_positionCount[size_t(row)];
    }

    void compareOutputs(const RowMatrix& output)
    {
        countPositions(output.rows());
        for (int64_t row = 0; row < output.rows(); ++row) {
            ErrorSums token;
            token.add(output.row(row).data(), m_changed.row(row).data(), output.cols());
            m_study.positionError[size_t(row)] += token.relative();
            m_outputError.reference += token.reference;
            m_outputError.error += token.error;
        }
    }

    Result<Shared<Distribution>> distribution(Backend& backend, const Model& model, const std::string& what,
                                              std::vector<float>& all, const JobControl& job) const
    {
        const std::string name = what + " of layer " + std::to_string(m_study.layer);
        const auto rows = int64_t(all.size()) / m_width;
        const TensorView view = TensorView::fromFloats(std::move(all), rows, m_width, name);
        QL_TRY(const Shared<Distribution> found, analyseDistribution(backend, view, {job.stop, {}}));
        auto named = std::make_shared<Distribution>(*found);
        named->provenance.modelFingerprint = model.fingerprint();
        named->provenance.tensor = name;
        return Shared<Distribution>(std::move(named));
    }

    ThreadPool& m_pool;
    int64_t m_width;
    KvLayerStudy m_study;
    std::vector<float> m_keys, m_values;
    ErrorSums m_keyError, m_valueError, m_outputError;
    std::vector<uint64_t> m_positionCount;
    RowMatrix m_changed;
};

} // namespace

Result<Shared<KvStudy>> studyKvCache(const Network& network, std::span<const TokenIds> sequences,
                                     const std::function<std::optional<KvScheme>(int layer)>& schemeOf, ThreadPool& pool,
                                     const JobControl& job)
{
    const auto started = std::chrono::steady_clock::now();
    const NetworkConfig& config = network.config();
    const Model& model = *network.model();
    if (!config.causal)
        return Error{ErrorCode::Unsupported, "\"" + config.architecture + "\" is an encoder and has no KV cache",
                     model.path()};
    auto study = std::make_shared<KvStudy>();
    for (const TokenIds& ids : sequences)
        study->tokens += ids.size();
    if (study->tokens == 0)
        return Error{ErrorCode::EmptyText, "there are no tokens to run", model.path()};

    WorkProgress progress(job, study->tokens * uint64_t(config.layers));
    CpuBackend backend(std::shared_ptr<ThreadPool>(std::shared_ptr<void>(), &pool));
    const WeightReader weights = network.storedWeights();
    QL_TRY(std::vector<RowMatrix> hidden, network.embed(sequences, weights, {job.stop, {}}));
    for (int layer = 0; layer < config.layers; ++layer) {
        QL_TRY(const Network::WeightsPtr block, network.loadBlock(layer, weights));
        LayerWatch watch(layer, schemeOf(layer), int64_t(config.kvHeads) * config.headDim, study->tokens, pool);
        QL_CHECK(network.runBlock(layer, *block, hidden, pool, &watch, progress.step(study->tokens)));
        QL_TRY(KvLayerStudy finished, watch.finish(backend, model, job));
        study->bitsPerElement += finished.scheme ? finished.scheme->bitsPerElement(config.headDim) : 16;
        study->layers.push_back(std::move(finished));
        progress.finished(study->tokens);
    }
    study->bitsPerElement /= config.layers;
    study->provenance.modelFingerprint = model.fingerprint();
    study->provenance.device = backend.info().name;
    study->provenance.sampled = study->tokens;
    study->provenance.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return Shared<KvStudy>(std::move(study));
}

} // namespace ql
