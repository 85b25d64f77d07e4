// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/evaluation/resolvedpolicy.h"
#include "core/evaluation/tokenscores.h"
#include "core/evaluation/workprogress.h"

#include <algorithm>
#include <chrono>
#include <tuple>

namespace ql {
namespace {

/// One weight that is replaced. Stage: -1 the embedding, then the blocks, then the head.
struct Swap {
    int tensor = -1;
    int site = -1;
    int stage = 0;
};

/// The hidden states of a model with one weight replaced.
struct SwapStream {
    Swap swap;
    std::vector<RowMatrix> hidden; ///< empty while they are the original's
    MeanEstimator kl;
};

/// Swaps in the order of the network, as many at a time as memory allows. The original's hidden states where the next
/// pass begins are kept, so that no pass runs what lies before its first swap.
class Attributor
{
public:
    Attributor(const EvaluationRequest& request, const ResolvedPolicy& policy, WeightReader quantized, ThreadPool& pool,
               const JobControl& job)
        : m_network(*request.network)
        , m_sequences(request.sequences.sequences)
        , m_pool(pool)
        , m_job(job)
        , m_layers(m_network.config().layers)
        , m_tokens(request.sequences.tokens())
        , m_predicted(predictedTokens(m_sequences))
        , m_stored(m_network.storedWeights())
        , m_quantized(std::move(quantized))
        , m_swaps(swapsOf(policy))
    {
    }

    const std::vector<Swap>& swaps() const { return m_swaps; }

    /// KL of every swap, and last that of a weight replaced by itself.
    Result<std::vector<Estimate>> run(uint64_t bytes)
    {
        const uint64_t streamBytes = std::max<uint64_t>(1, m_tokens * uint64_t(m_network.config().hidden) * sizeof(float));
        const size_t together = size_t(std::max<uint64_t>(1, bytes / streamBytes));
        WorkProgress progress(m_job, units(together));
        m_progress = &progress;
        QL_TRY(m_checkpoint, m_network.embed(m_sequences, m_stored, {m_job.stop, {}}));
        std::vector<Estimate> found;
        Estimate selfCheck;
        for (size_t first = 0; first < m_swaps.size(); first += together) {
            std::vector<SwapStream> streams;
            for (size_t i = first; i < std::min(first + together, m_swaps.size()); ++i)
                streams.push_back({m_swaps[i], {}, {}});
            if (first == 0)
                streams.push_back(selfCheckStream());
            m_nextLayer = first + together < m_swaps.size() ? blockOf(m_swaps[first + together]) : -1;
            QL_CHECK(runPass(streams, first == 0 ? 0 : blockOf(m_swaps[first])));
            if (first == 0) {
                selfCheck = streams.back().kl.estimate();
                streams.pop_back();
            }
            for (const SwapStream& stream : streams)
                found.push_back(stream.kl.estimate());
        }
        found.push_back(selfCheck);
        return found;
    }

private:
    std::vector<Swap> swapsOf(const ResolvedPolicy& policy) const
    {
        const std::vector<TensorInfo>& tensors = m_network.model()->tensors();
        std::vector<Swap> swaps;
        for (size_t i = 0; i < tensors.size(); ++i) {
            if (!policy.changed[i])
                continue;
            const int stage = tensors[i].layer >= 0 ? tensors[i].layer : entersEmbedding(tensors[i]) ? -1 : m_layers;
            swaps.push_back({int(i), m_network.siteOfTensor(int(i)), stage});
        }
        std::sort(swaps.begin(), swaps.end(), [](const Swap& a, const Swap& b) {
            return std::tie(a.stage, a.site, a.tensor) < std::tie(b.stage, b.site, b.tensor);
        });
        return swaps;
    }

    /// The first linear of the block in which the first swap lies, replaced by what it is.
    SwapStream selfCheckStream() const
    {
        const int layer = std::min(blockOf(m_swaps.front()), m_layers - 1);
        const std::vector<LinearSite>& sites = m_network.sites();
        const auto site = std::find_if(sites.begin(), sites.end(), [&](const LinearSite& s) { return s.layer == layer; });
        return {{-1, int(site - sites.begin()), layer}, {}, {}};
    }

    int blockOf(const Swap& swap) const { return std::max(0, swap.stage); }

    /// The weights of the original with one of them replaced (none for the self-check).
    WeightReader readerOf(const Swap& swap) const
    {
        return [this, tensor = swap.tensor](int wanted, int64_t firstRow, std::span<float> out) {
            return (wanted == tensor ? m_quantized : m_stored).rows(wanted, firstRow, out);
        };
    }

    bool swapsHead(const Swap& swap) const
    {
        return swap.tensor >= 0 &&
               entersHead(m_network.model()->tensors()[size_t(swap.tensor)], m_network.config().tiedHead);
    }

    uint64_t units(size_t together) const
    {
        uint64_t blocks = 0;
        for (size_t first = 0; first < m_swaps.size(); first += together)
            blocks += uint64_t(m_layers - (first == 0 ? 0 : blockOf(m_swaps[first])));
        for (const Swap& swap : m_swaps)
            blocks += uint64_t(m_layers - blockOf(swap));
        if (!m_swaps.empty())
            blocks += uint64_t(m_layers - selfCheckStream().swap.stage);
        return blocks * m_tokens + (m_swaps.size() + 1) * m_predicted;
    }

    Status runPass(std::vector<SwapStream>& streams, int firstLayer)
    {
        std::vector<RowMatrix> hidden = m_checkpoint;
        for (SwapStream& stream : streams) {
            if (stream.swap.stage < 0) {
                QL_TRY(stream.hidden, m_network.embed(m_sequences, readerOf(stream.swap), {m_job.stop, {}}));
            }
        }
        for (int layer = firstLayer; layer < m_layers; ++layer) {
            if (layer == m_nextLayer)
                m_checkpoint = hidden;
            QL_TRY(const Network::WeightsPtr block, m_network.loadBlock(layer, m_stored));
            for (SwapStream& stream : streams) {
                if (stream.swap.stage < layer)
                    QL_CHECK(runBlock(layer, *block, stream.hidden));
                else if (stream.swap.stage == layer)
                    QL_CHECK(runSwapped(*block, hidden, stream));
            }
            QL_CHECK(runBlock(layer, *block, hidden));
        }
        if (m_nextLayer == m_layers)
            m_checkpoint = hidden;
        return runHeads(streams, hidden);
    }

    Status runBlock(int layer, const Network::Weights& block, std::vector<RowMatrix>& hidden)
    {
        QL_CHECK(m_network.runBlock(layer, block, hidden, m_pool, nullptr, m_progress->step(m_tokens)));
        m_progress->finished(m_tokens);
        return {};
    }

    Status runSwapped(Network::Weights& block, const std::vector<RowMatrix>& hidden, SwapStream& stream)
    {
        stream.hidden = hidden;
        const int layer = stream.swap.stage;
        if (stream.swap.site < 0) { // norms and biases
            QL_TRY(const Network::WeightsPtr other, m_network.loadBlock(layer, readerOf(stream.swap)));
            return runBlock(layer, *other, stream.hidden);
        }
        QL_CHECK(m_network.reload(block, stream.swap.site, readerOf(stream.swap)));
        QL_CHECK(runBlock(layer, block, stream.hidden));
        return m_network.reload(block, stream.swap.site, m_stored);
    }

    /// Streams with the original head go together; a swapped head is in memory alone beside it.
    Status runHeads(std::vector<SwapStream>& streams, const std::vector<RowMatrix>& hidden)
    {
        QL_TRY(const Network::WeightsPtr head, m_network.loadHead(m_stored));
        const LogitStream original{head.get(), &hidden, nullptr};
        std::vector<LogitStream> together;
        std::vector<SwapStream*> owners;
        for (SwapStream& stream : streams) {
            const std::vector<RowMatrix>* own = stream.hidden.empty() ? &hidden : &stream.hidden;
            if (!swapsHead(stream.swap)) {
                together.push_back({head.get(), own, nullptr});
                owners.push_back(&stream);
                continue;
            }
            QL_TRY(const Network::WeightsPtr other, m_network.loadHead(readerOf(stream.swap)));
            const LogitStream swapped{other.get(), own, nullptr};
            SwapStream* owner = &stream;
            QL_CHECK(compare(original, std::span(&swapped, 1), std::span(&owner, 1)));
        }
        return compare(original, together, owners);
    }

    Status compare(const LogitStream& original, std::span<const LogitStream> streams, std::span<SwapStream* const> owners)
    {
        return walkLogits(
            m_network, m_sequences, original, streams,
            [&](size_t stream, std::span<const TokenScore> chunk) {
                for (const TokenScore& token : chunk)
                    owners[stream]->kl.add(token.sequence, token.kl);
            },
            [&](uint64_t tokens) { m_progress->finished(tokens); }, m_pool, m_job);
    }

    const Network& m_network;
    const std::vector<TokenIds>& m_sequences;
    ThreadPool& m_pool;
    const JobControl& m_job;
    int m_layers;
    uint64_t m_tokens, m_predicted;
    WeightReader m_stored, m_quantized;
    std::vector<Swap> m_swaps;
    std::vector<RowMatrix> m_checkpoint; ///< the original before block m_nextLayer of the last pass
    int m_nextLayer = -1;                ///< where the next pass begins; -1: there is none
    WorkProgress* m_progress = nullptr;
};

} // namespace

Result<Shared<Attribution>> attribute(Backend& backend, const EvaluationRequest& request, uint64_t bytes,
                                      ThreadPool& pool, const JobControl& job)
{
    const auto started = std::chrono::steady_clock::now();
    QL_CHECK(checkEvaluation(request));
    QL_TRY(const ResolvedPolicy policy, resolveWeights(backend, request, pool, job));
    const std::shared_ptr<const Model>& model = request.network->model();
    Attributor attributor(request, policy, quantizedWeights(backend, model, policy.decisions, job), pool, job);
    if (attributor.swaps().empty())
        return Error{ErrorCode::EmptySelection, "the policy quantizes no weight, so there is nothing to attribute",
                     model->path()};
    QL_TRY(const std::vector<Estimate> found, attributor.run(bytes));

    QL_TRY(const std::vector<Decision> wished, request.policy.resolve(*model)); // with "clip=output" as written
    auto attribution = std::make_shared<Attribution>();
    attribution->tokens = predictedTokens(request.sequences.sequences);
    attribution->selfCheck = found.back().value;
    for (size_t i = 0; i < attributor.swaps().size(); ++i) {
        const int tensor = attributor.swaps()[i].tensor;
        attribution->entries.push_back({tensor, model->tensors()[size_t(tensor)].name,
                                        wished[size_t(tensor)].scheme, found[i]});
    }
    attribution->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return Shared<Attribution>(std::move(attribution));
}

} // namespace ql
