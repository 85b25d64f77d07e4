// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/resolvedpolicy.h"
#include "core/evaluation/tokenscores.h"
#include "core/evaluation/workprogress.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace ql {
namespace {

constexpr int64_t kPositionBuckets = 16;

/// The original and the quantized model side by side. Where the policy changes nothing yet, one run serves both.
class Comparison
{
public:
    Comparison(Backend& backend, const EvaluationRequest& request, const ResolvedPolicy& policy, ThreadPool& pool,
               const JobControl& job)
        : m_network(*request.network)
        , m_model(*m_network.model())
        , m_sequences(request.sequences.sequences)
        , m_policy(policy)
        , m_pool(pool)
        , m_job(job)
        , m_tokens(request.sequences.tokens())
        , m_stored(m_network.storedWeights())
        , m_quantized(quantizedWeights(backend, m_network.model(), policy.decisions, job))
        , m_hooks(policy, pool)
        , m_progress(job, units())
    {
    }

    Status run(std::vector<TokenScore>& scores)
    {
        QL_TRY(m_hidden, m_network.embed(m_sequences, m_stored, {m_job.stop, {}}));
        if (m_policy.changesEmbedding(m_model)) {
            QL_TRY(m_quantizedHidden, m_network.embed(m_sequences, m_quantized, {m_job.stop, {}}));
        }
        for (int layer = 0; layer < m_network.config().layers; ++layer)
            QL_CHECK(runLayer(layer));
        return runHead(scores);
    }

private:
    bool changesAt(int layer) const
    {
        return m_policy.changesBlock(m_model, layer) || m_policy.changesFlow(m_network, layer);
    }

    /// Tokens times blocks (the head counts as one) times streams.
    uint64_t units() const
    {
        const int layers = m_network.config().layers;
        int first = m_policy.changesEmbedding(m_model) ? 0 : -1;
        for (int layer = 0; layer < layers && first < 0; ++layer)
            first = changesAt(layer) ? layer : -1;
        const int quantizedRuns = first < 0 ? 0 : layers - first;
        return m_tokens * uint64_t(layers + quantizedRuns) + predictedTokens(m_sequences);
    }

    Status runLayer(int layer)
    {
        QL_TRY(Network::WeightsPtr block, m_network.loadBlock(layer, m_stored));
        if (m_quantizedHidden.empty() && changesAt(layer))
            m_quantizedHidden = m_hidden;
        QL_CHECK(m_network.runBlock(layer, *block, m_hidden, m_pool, nullptr, m_progress.step(m_tokens)));
        m_progress.finished(m_tokens);
        if (m_quantizedHidden.empty())
            return {};
        if (m_policy.changesBlock(m_model, layer)) {
            block.reset();
            QL_TRY(block, m_network.loadBlock(layer, m_quantized));
        }
        NetworkHooks* hooks = m_policy.changesFlow(m_network, layer) ? &m_hooks : nullptr;
        QL_CHECK(m_network.runBlock(layer, *block, m_quantizedHidden, m_pool, hooks, m_progress.step(m_tokens)));
        m_progress.finished(m_tokens);
        return {};
    }

    Status runHead(std::vector<TokenScore>& scores)
    {
        QL_TRY(const Network::WeightsPtr head, m_network.loadHead(m_stored));
        Network::WeightsPtr quantizedHead;
        if (m_policy.changesHead(m_model, m_network.config().tiedHead)) {
            QL_TRY(quantizedHead, m_network.loadHead(m_quantized));
        }
        const LogitStream original{head.get(), &m_hidden, nullptr};
        LogitStream quantized = original;
        if (quantizedHead)
            quantized.head = quantizedHead.get();
        if (!m_quantizedHidden.empty())
            quantized.hidden = &m_quantizedHidden;
        if (m_policy.changesFlow(m_network, -1))
            quantized.hooks = &m_hooks;
        scores.reserve(predictedTokens(m_sequences));
        return walkLogits(
            m_network, m_sequences, original, std::span(&quantized, 1),
            [&](size_t, std::span<const TokenScore> chunk) { scores.insert(scores.end(), chunk.begin(), chunk.end()); },
            [&](uint64_t tokens) { m_progress.finished(tokens); }, m_pool, m_job);
    }

    const Network& m_network;
    const Model& m_model;
    const std::vector<TokenIds>& m_sequences;
    const ResolvedPolicy& m_policy;
    ThreadPool& m_pool;
    const JobControl& m_job;
    uint64_t m_tokens;
    WeightReader m_stored, m_quantized;
    PolicyHooks m_hooks;
    WorkProgress m_progress;
    std::vector<RowMatrix> m_hidden, m_quantizedHidden; ///< the second is empty while it equals the first
};

Estimate perplexityOf(const Estimate& loss)
{
    const double perplexity = std::exp(loss.value);
    return {perplexity, perplexity * loss.standardError};
}

struct Means {
    MeanEstimator loss, originalLoss, increase, kl, agreement;

    void add(const TokenScore& token)
    {
        loss.add(token.sequence, token.loss);
        originalLoss.add(token.sequence, token.originalLoss);
        increase.add(token.sequence, token.loss - token.originalLoss);
        kl.add(token.sequence, token.kl);
        agreement.add(token.sequence, token.agrees ? 1 : 0);
    }
};

std::vector<Evaluation::Position> bucketsOf(const std::vector<TokenScore>& scores)
{
    int64_t positions = 0;
    for (const TokenScore& token : scores)
        positions = std::max(positions, token.position + 1);
    const int64_t buckets = std::min(positions, kPositionBuckets);
    std::vector<Means> means(static_cast<size_t>(buckets));
    for (const TokenScore& token : scores)
        means[size_t(token.position * buckets / positions)].add(token);
    std::vector<Evaluation::Position> out;
    for (int64_t i = 0; i < buckets; ++i) {
        const Means& bucket = means[size_t(i)];
        // The smallest position p with p * buckets / positions == i.
        const auto first = [&](int64_t index) { return (index * positions + buckets - 1) / buckets; };
        out.push_back({first(i), first(i + 1) - 1, bucket.loss.estimate(), bucket.originalLoss.estimate(),
                       bucket.kl.estimate(), bucket.agreement.estimate()});
    }
    return out;
}

void summarize(const std::vector<TokenScore>& scores, Evaluation& evaluation)
{
    Means means;
    std::vector<double> divergences;
    double squares = 0;
    for (const TokenScore& token : scores) {
        means.add(token);
        divergences.push_back(token.kl);
        squares += token.squaredError;
    }
    std::sort(divergences.begin(), divergences.end());
    evaluation.tokens = scores.size();
    evaluation.loss = means.loss.estimate();
    evaluation.originalLoss = means.originalLoss.estimate();
    evaluation.lossIncrease = means.increase.estimate();
    evaluation.perplexity = perplexityOf(evaluation.loss);
    evaluation.originalPerplexity = perplexityOf(evaluation.originalLoss);
    evaluation.kl = means.kl.estimate();
    evaluation.klMedian = percentileOf(divergences, 50);
    evaluation.klP90 = percentileOf(divergences, 90);
    evaluation.klP99 = percentileOf(divergences, 99);
    evaluation.klMax = divergences.back();
    evaluation.top1Agreement = means.agreement.estimate();
    evaluation.logitRmse = std::sqrt(squares / double(scores.size()));
    evaluation.positions = bucketsOf(scores);
}

} // namespace

Status checkEvaluation(const EvaluationRequest& request)
{
    const NetworkConfig& config = request.network->config();
    const std::string& path = request.network->model()->path();
    if (!config.causal || !config.hasHead)
        return Error{ErrorCode::Unsupported,
                     "\"" + config.architecture + "\" is an encoder: it predicts no next token, so it has no perplexity",
                     path};
    if (predictedTokens(request.sequences.sequences) == 0)
        return Error{ErrorCode::EmptyText, "no sequence has two tokens, so there is nothing to predict",
                     request.sequences.source};
    return {};
}

Result<Shared<Evaluation>> evaluate(Backend& backend, const EvaluationRequest& request, ThreadPool& pool,
                                    const JobControl& job)
{
    const auto started = std::chrono::steady_clock::now();
    QL_CHECK(checkEvaluation(request));
    QL_TRY(const ResolvedPolicy policy, resolvePolicy(backend, request, pool, job));
    std::vector<TokenScore> scores;
    QL_CHECK(Comparison(backend, request, policy, pool, job).run(scores));

    auto evaluation = std::make_shared<Evaluation>();
    summarize(scores, *evaluation);
    evaluation->policyName = request.policy.name;
    evaluation->modelFingerprint = request.network->model()->fingerprint();
    evaluation->text = request.sequences.source;
    evaluation->device = backend.info().name;
    evaluation->notes = policy.notes;
    evaluation->sequences = request.sequences.sequences.size();
    for (const TokenIds& ids : request.sequences.sequences)
        evaluation->context = std::max(evaluation->context, int64_t(ids.size()));
    evaluation->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    evaluation->tokensPerSecond = double(request.sequences.tokens()) / std::max(evaluation->seconds, 1e-9);
    return Shared<Evaluation>(std::move(evaluation));
}

} // namespace ql
