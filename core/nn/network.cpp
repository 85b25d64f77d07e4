// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/network.h"

#include "core/nn/blockrun.h"
#include "core/nn/densekernels.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <new>
#include <numeric>

namespace ql {
namespace {

Error outOfMemory(const Model& model)
{
    return {ErrorCode::OutOfMemory, "not enough memory for a part of the network", model.path()};
}

/// Runs `work`, whose allocations may fail.
template <class Work>
auto guarded(const Model& model, const Work& work) -> decltype(work())
{
    try {
        return work();
    } catch (const std::bad_alloc&) {
        return outOfMemory(model);
    }
}

/// The rows of a table that are asked for, as f32.
class TableRows
{
public:
    static Result<TableRows> read(const LinearPlan& table, std::vector<int64_t> rows, const WeightReader& reader)
    {
        TableRows result;
        std::sort(rows.begin(), rows.end());
        rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
        result.m_values.resize(int64_t(rows.size()), table.cols);
        const auto* stored = reader.target<StoredWeights>();
        RowMatrix all;
        if (!stored && !rows.empty()) {
            all.resize(table.rows, table.cols);
            QL_CHECK(reader(table.tensor, {all.data(), size_t(all.size())}));
        }
        for (size_t i = 0; i < rows.size(); ++i) {
            const std::span out(result.m_values.data() + int64_t(i) * table.cols, size_t(table.cols));
            if (stored)
                QL_CHECK((*stored)(table.tensor, rows[i], out));
            else
                std::copy_n(all.data() + rows[i] * table.cols, table.cols, out.begin());
            result.m_index.emplace(rows[i], int64_t(i));
        }
        return result;
    }
    auto row(int64_t entry) const { return m_values.row(m_index.at(entry)); } ///< one of those that were asked for

private:
    RowMatrix m_values;
    std::map<int64_t, int64_t> m_index;
};

class PlannedNetwork final : public Network
{
public:
    PlannedNetwork(std::shared_ptr<const Model> model, NetworkConfig config, NetworkPlan plan)
        : m_model(std::move(model)), m_config(std::move(config)), m_plan(std::move(plan))
    {
    }

    const std::shared_ptr<const Model>& model() const override { return m_model; }
    const NetworkConfig& config() const override { return m_config; }
    const std::vector<LinearSite>& sites() const override { return m_plan.sites; }
    const std::vector<LinearInput>& inputs() const override { return m_plan.inputs; }

    Result<WeightsPtr> loadBlock(int layer, const WeightReader& reader) const override;
    Status reload(Weights& block, int site, const WeightReader& reader) const override;
    Result<std::vector<RowMatrix>> embed(std::span<const TokenIds> sequences, const WeightReader& reader,
                                         const JobControl& job) const override;
    Status runBlock(int layer, const Weights& block, std::vector<RowMatrix>& hidden, ThreadPool& pool,
                    NetworkHooks* hooks, const JobControl& job) const override;
    Result<WeightsPtr> loadHead(const WeightReader& reader) const override;
    Status logits(const Weights& head, const TokenRange& tokens, const RowMatrix& hidden, RowMatrix& out,
                  ThreadPool& pool, NetworkHooks* hooks) const override;

private:
    Error invalid(std::string message) const { return {ErrorCode::InvalidArgument, std::move(message), m_model->path()}; }
    Status checkIds(std::span<const TokenIds> sequences) const;
    struct Embedding {
        TableRows tokens, positions, types;
        Linear projection;
        NormWeights norm;
    };
    Result<Embedding> loadEmbedding(std::span<const TokenIds> sequences, const WeightReader& reader) const;
    RowMatrix embedOne(const TokenIds& ids, const Embedding& embedding, ThreadPool& pool) const;

    std::shared_ptr<const Model> m_model;
    NetworkConfig m_config;
    NetworkPlan m_plan;
};

Result<Network::WeightsPtr> PlannedNetwork::loadBlock(int layer, const WeightReader& reader) const
{
    if (layer < 0 || layer >= m_config.layers)
        return invalid("there is no block " + std::to_string(layer));
    return guarded(*m_model, [&]() -> Result<WeightsPtr> {
        auto weights = std::make_unique<BlockWeights>();
        weights->layer = layer;
        QL_CHECK(loadBlockWeights(m_plan.blocks[size_t(layer)], m_config.normOffsetOne, reader, *weights));
        return WeightsPtr(std::move(weights));
    });
}

Status PlannedNetwork::reload(Weights& block, int site, const WeightReader& reader) const
{
    const LinearSite wanted = site >= 0 && size_t(site) < m_plan.sites.size() ? m_plan.sites[size_t(site)] : LinearSite();
    std::vector<Linear*> linears;
    if (auto* weights = dynamic_cast<BlockWeights*>(&block)) {
        if (wanted.expert >= 0 && wanted.layer == weights->layer) {
            weights->replaced[wanted.tensor] = reader;
            return {};
        }
        for (Linear& linear : weights->attentionIn)
            linears.push_back(&linear);
        for (Linear& linear : weights->mlpIn)
            linears.push_back(&linear);
        linears.push_back(&weights->attentionOut);
        for (Linear* linear : {&weights->mlpOut, &weights->router, &weights->sharedGate})
            linears.push_back(linear);
    } else if (auto* head = dynamic_cast<HeadWeights*>(&block)) {
        linears.push_back(&head->head);
    }
    for (Linear* linear : linears) {
        if (linear->plan.present() && linear->plan.site == site)
            return loadLinear(LinearPlan(linear->plan), reader, *linear);
    }
    return invalid("linear " + std::to_string(site) + " does not belong to these weights");
}

Status PlannedNetwork::checkIds(std::span<const TokenIds> sequences) const
{
    for (const TokenIds& ids : sequences) {
        for (const int32_t id : ids) {
            if (id < 0 || id >= m_config.vocabulary)
                return invalid("token id " + std::to_string(id) + " lies outside the vocabulary of " +
                               std::to_string(m_config.vocabulary));
        }
        const int64_t room = m_plan.positions.rows - m_config.positionOffset;
        if (m_config.learnedPositions && int64_t(ids.size()) > room)
            return Error{ErrorCode::ContextTooLong,
                         "a sequence of " + std::to_string(ids.size()) + " tokens is longer than the model's " +
                             std::to_string(std::max<int64_t>(0, room)) + " positions",
                         m_model->path()};
    }
    return {};
}

Result<PlannedNetwork::Embedding> PlannedNetwork::loadEmbedding(std::span<const TokenIds> sequences,
                                                                const WeightReader& reader) const
{
    std::vector<int64_t> entries;
    int64_t longest = 0;
    for (const TokenIds& ids : sequences) {
        entries.insert(entries.end(), ids.begin(), ids.end());
        longest = std::max(longest, int64_t(ids.size()));
    }
    Embedding e;
    QL_TRY(e.tokens, TableRows::read(m_plan.embedding, std::move(entries), reader));
    if (m_config.learnedPositions) {
        std::vector<int64_t> used(static_cast<size_t>(longest));
        std::iota(used.begin(), used.end(), m_config.positionOffset);
        QL_TRY(e.positions, TableRows::read(m_plan.positions, std::move(used), reader));
    }
    if (m_config.tokenTypes) {
        QL_TRY(e.types, TableRows::read(m_plan.types, {0}, reader));
    }
    QL_CHECK(loadLinear(m_plan.projectIn, reader, e.projection));
    QL_CHECK(loadNorm(m_plan.embeddingNorm, false, reader, e.norm));
    return e;
}

RowMatrix PlannedNetwork::embedOne(const TokenIds& ids, const Embedding& e, ThreadPool& pool) const
{
    const auto count = int64_t(ids.size());
    RowMatrix x(count, m_config.embeddingSize);
    for (int64_t t = 0; t < count; ++t)
        x.row(t) = e.tokens.row(ids[size_t(t)]) * float(m_config.embeddingScale);
    if (e.projection.plan.present()) {
        const RowMatrix narrow = std::move(x);
        multiplyTransposed(narrow, e.projection.map(), x, pool);
    }
    for (int64_t t = 0; t < count && m_config.learnedPositions; ++t)
        x.row(t) += e.positions.row(t + m_config.positionOffset);
    if (m_config.tokenTypes)
        x.rowwise() += e.types.row(0);
    if (e.norm.present())
        normaliseRows(m_config, e.norm, x.data(), x.data(), count, pool);
    return x;
}

Result<std::vector<RowMatrix>> PlannedNetwork::embed(std::span<const TokenIds> sequences, const WeightReader& reader,
                                                     const JobControl& job) const
{
    return guarded(*m_model, [&]() -> Result<std::vector<RowMatrix>> {
        QL_CHECK(checkIds(sequences));
        QL_TRY(const Embedding embedding, loadEmbedding(sequences, reader));
        ThreadPool alone(1);
        std::vector<RowMatrix> hidden;
        for (const TokenIds& ids : sequences) {
            if (job.cancelled())
                return cancelledError();
            hidden.push_back(embedOne(ids, embedding, alone));
        }
        return hidden;
    });
}

Status PlannedNetwork::runBlock(int layer, const Weights& block, std::vector<RowMatrix>& hidden, ThreadPool& pool,
                                NetworkHooks* hooks, const JobControl& job) const
{
    const auto* weights = dynamic_cast<const BlockWeights*>(&block);
    if (layer < 0 || layer >= m_config.layers || !weights)
        return invalid("these are not the weights of block " + std::to_string(layer));
    for (const RowMatrix& x : hidden) {
        if (x.rows() > 0 && x.cols() != m_config.hidden)
            return invalid("hidden states of width " + std::to_string(x.cols()) + " do not fit a model of width " +
                           std::to_string(m_config.hidden));
    }
    return guarded(*m_model, [&]() -> Status {
        BlockRun run(m_config, m_plan.blocks[size_t(layer)], *weights, layer, pool, hooks, job);
        return run.run(hidden);
    });
}

Result<Network::WeightsPtr> PlannedNetwork::loadHead(const WeightReader& reader) const
{
    return guarded(*m_model, [&]() -> Result<WeightsPtr> {
        auto weights = std::make_unique<HeadWeights>();
        QL_CHECK(loadNorm(m_plan.finalNorm, m_config.normOffsetOne, reader, weights->finalNorm));
        QL_CHECK(loadLinear(m_plan.projectOut, reader, weights->projectOut));
        QL_CHECK(loadLinear(m_plan.head, reader, weights->head));
        return WeightsPtr(std::move(weights));
    });
}

Status PlannedNetwork::logits(const Weights& head, const TokenRange& tokens, const RowMatrix& hidden, RowMatrix& out,
                              ThreadPool& pool, NetworkHooks* hooks) const
{
    const auto* weights = dynamic_cast<const HeadWeights*>(&head);
    if (!m_config.hasHead)
        return Error{ErrorCode::Unsupported, "an encoder has no output head, and so no logits", m_model->path()};
    if (!weights || hidden.cols() != m_config.hidden)
        return invalid("these hidden states or weights do not belong to the output head");
    return guarded(*m_model, [&]() -> Status {
        RowMatrix x(hidden.rows(), hidden.cols());
        if (weights->finalNorm.present())
            normaliseRows(m_config, weights->finalNorm, hidden.data(), x.data(), hidden.rows(), pool);
        else
            x = hidden;
        if (weights->projectOut.plan.present()) {
            const RowMatrix wide = std::move(x);
            multiplyTransposed(wide, weights->projectOut.map(), x, pool);
        }
        if (hooks)
            QL_CHECK(hooks->linearInput(m_plan.headInput, tokens, x));
        multiplyTransposed(x, weights->head.map(), out, pool);
        addBias(weights->head.bias, out, pool);
        if (m_config.logitSoftcap > 0)
            denseKernels().softcap(float(m_config.logitSoftcap), out.data(), out.size());
        return {};
    });
}

} // namespace

Result<std::shared_ptr<const Network>> Network::create(std::shared_ptr<const Model> model)
{
    QL_TRY(NetworkConfig config, NetworkConfig::of(*model));
    QL_TRY(NetworkPlan plan, NetworkPlan::create(*model, config));
    return std::shared_ptr<const Network>(
        std::make_shared<PlannedNetwork>(std::move(model), std::move(config), std::move(plan)));
}

int Network::siteOfTensor(int tensor) const
{
    const auto at = std::find_if(sites().begin(), sites().end(),
                                 [tensor](const LinearSite& site) { return site.tensor == tensor; });
    return at == sites().end() ? -1 : int(at - sites().begin());
}

WeightReader Network::storedWeights(ThreadPool* pool, std::stop_token stop) const
{
    return StoredWeights(model(), pool, std::move(stop));
}

Result<RowMatrix> forward(const Network& network, const TokenIds& ids, ThreadPool& pool, NetworkHooks* hooks,
                          const JobControl& job)
{
    const WeightReader reader = network.storedWeights(&pool, job.stop);
    const auto layers = uint64_t(network.config().layers);
    QL_TRY(std::vector<RowMatrix> hidden, network.embed({&ids, 1}, reader, job));
    for (int layer = 0; layer < network.config().layers; ++layer) {
        QL_TRY(const Network::WeightsPtr block, network.loadBlock(layer, reader));
        QL_CHECK(network.runBlock(layer, *block, hidden, pool, hooks, job));
        job.report(uint64_t(layer) + 1, layers);
    }
    if (!network.config().hasHead)
        return std::move(hidden[0]);
    QL_TRY(const Network::WeightsPtr head, network.loadHead(reader));
    RowMatrix logits;
    QL_CHECK(network.logits(*head, {0, 0, hidden[0].rows()}, hidden[0], logits, pool, hooks));
    return logits;
}

} // namespace ql
