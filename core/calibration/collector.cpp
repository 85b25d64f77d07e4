// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/collector.h"

#include "core/calibration/accumulator.h"
#include "core/calibration/budget.h"
#include "core/calibration/expertsums.h"

#include <algorithm>
#include <chrono>
#include <new>

namespace ql {
namespace {

constexpr int64_t kHeadRows = 64; ///< tokens whose logits are held at a time

/// Which inputs get statistics of their own: per input of the network the first one that enters the same tensor. They
/// differ where a tensor holds the matrices of all experts.
std::vector<int> ownersOf(const Network& network)
{
    std::vector<int> owners;
    std::map<int, int> byTensor;
    for (const LinearInput& input : network.inputs()) {
        const int tensor = network.sites()[size_t(input.sites[0])].tensor;
        owners.push_back(byTensor.emplace(tensor, int(owners.size())).first->second);
    }
    return owners;
}

/// Of the inputs with statistics.
std::vector<int64_t> widthsOf(const Network& network)
{
    const std::vector<int> owners = ownersOf(network);
    std::vector<int64_t> widths;
    for (size_t i = 0; i < owners.size(); ++i) {
        if (owners[i] == int(i))
            widths.push_back(network.inputs()[i].channels);
    }
    return widths;
}

/// Rows that enter the linears of a block for each token.
double rowsPerToken(const Network& network, int layer)
{
    const NetworkConfig& config = network.config();
    double rows = 0;
    for (const LinearInput& input : network.inputs()) {
        if (input.layer == layer)
            rows += input.expert < 0 ? 1.0 : double(config.expertsUsed) / double(config.experts);
    }
    return rows;
}

/// Watches the inputs of one block after the other and keeps their statistics.
class Capture final : public NetworkHooks
{
public:
    Capture(const Network& network, const CalibrationSettings& settings, uint64_t tokens, ThreadPool& pool,
            const JobControl& job)
        : m_network(network), m_settings(settings), m_owners(ownersOf(network)),
          m_sampleRows(sampleRowsFor(widthsOf(network), settings.sampleBytes)),
          m_allGrams(gramsFit(widthsOf(network), settings.gramBytes)), m_tokens(tokens), m_pool(pool), m_job(job)
    {
    }

    Status linearInput(int input, const TokenRange& tokens, RowMatrix& x) override
    {
        if (m_job.cancelled())
            return cancelledError();
        const LinearInput& place = m_network.inputs()[size_t(input)];
        auto& accumulator = m_open[m_owners[size_t(input)]];
        if (!accumulator) {
            const auto& layers = m_settings.gramLayers;
            const bool gram = m_allGrams || std::find(layers.begin(), layers.end(), place.layer) != layers.end();
            accumulator = std::make_unique<InputAccumulator>(
                InputAccumulator::Settings{place.channels, m_sampleRows, gram, m_settings.seed});
        }
        accumulator->add(tokens, x, m_pool, m_job.stop);
        addExpert(input, x);
        if (m_job.cancelled())
            return cancelledError();
        // A block has dealt with its last token when it is closed.
        if (m_rows == 0)
            m_rowsPerToken = rowsPerToken(m_network, place.layer);
        m_rows += uint64_t(x.rows());
        report(uint64_t(double(m_rows) / m_rowsPerToken));
        return {};
    }

    /// A block has run on all sequences.
    void closeBlock()
    {
        for (const auto& [number, accumulator] : m_open) {
            InputStatistics input = accumulator->finish();
            const LinearInput& place = m_network.inputs()[size_t(number)];
            input.layer = place.layer;
            if (const auto sums = m_stacks.find(number); sums != m_stacks.end())
                sums->second.finish(input);
            else if (m_network.sites()[size_t(place.sites[0])].role == TensorRole::Router)
                input.expertTokens = m_routed;
            for (const int site : place.sites) {
                const int tensor = m_network.sites()[size_t(site)].tensor;
                input.tensors.push_back(m_network.model()->tensors()[size_t(tensor)].name);
            }
            inputs.push_back(std::move(input));
        }
        m_open.clear();
        m_stacks.clear();
        m_routed.clear();
        m_rows = 0;
        ++m_blocks;
        report(0);
    }

    std::vector<InputStatistics> inputs; ///< of finished blocks, in the order in which the network runs

private:
    /// Counts the rows that go to an expert, and their squares where its matrix is part of a stack.
    void addExpert(int input, const RowMatrix& x)
    {
        const LinearInput& place = m_network.inputs()[size_t(input)];
        if (place.expert < 0)
            return;
        const LinearSite& site = m_network.sites()[size_t(place.sites[0])];
        const int experts = m_network.config().experts;
        m_routed.resize(size_t(experts));
        if (site.role != TensorRole::ExpertDown)
            m_routed[size_t(place.expert)] += uint64_t(x.rows());
        if (site.rows < m_network.model()->tensors()[size_t(site.tensor)].rows())
            m_stacks.try_emplace(m_owners[size_t(input)], experts, place.channels)
                .first->second.add(place.expert, x, m_pool);
    }

    void report(uint64_t tokens)
    {
        const auto now = std::chrono::steady_clock::now();
        if (tokens > 0 && now - m_reported < std::chrono::milliseconds(50))
            return;
        m_reported = now;
        const uint64_t blocks = uint64_t(m_network.config().layers) + 1;
        m_done = std::max(m_done, m_blocks * m_tokens + std::min(tokens, m_tokens - 1));
        m_job.report(m_done, blocks * m_tokens);
    }

    const Network& m_network;
    const CalibrationSettings& m_settings;
    std::vector<int> m_owners;
    int64_t m_sampleRows;
    bool m_allGrams;
    uint64_t m_tokens;
    uint64_t m_blocks = 0;
    uint64_t m_rows = 0; ///< of the block that runs, in all its inputs
    double m_rowsPerToken = 1;
    std::vector<uint64_t> m_routed; ///< of the block that runs, per expert
    uint64_t m_done = 0; ///< tokens times blocks, as reported
    std::chrono::steady_clock::time_point m_reported;
    ThreadPool& m_pool;
    const JobControl& m_job;
    std::map<int, std::unique_ptr<InputAccumulator>> m_open; ///< inputs of the block that runs
    std::map<int, ExpertSums> m_stacks;
};

Status runHead(const Network& network, const std::vector<RowMatrix>& hidden, Capture& capture, ThreadPool& pool)
{
    const auto& inputs = network.inputs();
    if (std::none_of(inputs.begin(), inputs.end(), [](const LinearInput& input) { return input.layer < 0; }))
        return {};
    QL_TRY(const auto head, network.loadHead(network.storedWeights()));
    RowMatrix logits;
    for (size_t s = 0; s < hidden.size(); ++s) {
        for (int64_t first = 0; first < hidden[s].rows(); first += kHeadRows) {
            const TokenRange range{int(s), first, std::min<int64_t>(kHeadRows, hidden[s].rows() - first)};
            QL_CHECK(network.logits(*head, range, hidden[s].middleRows(first, range.count), logits, pool, &capture));
        }
    }
    return {};
}

Status runAll(const Network& network, const SequenceSet& sequences, Capture& capture, ThreadPool& pool,
              const JobControl& job)
{
    const JobControl quiet{job.stop, {}};
    const WeightReader reader = network.storedWeights();
    QL_TRY(auto hidden, network.embed(sequences.sequences, reader, quiet));
    for (int layer = 0; layer < network.config().layers; ++layer) {
        if (job.cancelled())
            return cancelledError();
        QL_TRY(const auto block, network.loadBlock(layer, reader));
        QL_CHECK(network.runBlock(layer, *block, hidden, pool, &capture, quiet));
        capture.closeBlock();
    }
    QL_CHECK(runHead(network, hidden, capture, pool));
    capture.closeBlock();
    return {};
}

} // namespace

Result<std::shared_ptr<const Calibration>> collectCalibration(const Network& network, const SequenceSet& sequences,
                                                              const CalibrationSettings& settings, bool keepPartial,
                                                              ThreadPool& pool, const JobControl& job)
try {
    if (sequences.tokens() == 0)
        return Error{ErrorCode::EmptyText, "there are no tokens to calibrate with", {}};
    Capture capture(network, settings, sequences.tokens(), pool, job);
    const Status run = runAll(network, sequences, capture, pool, job);
    const bool partial = !run.ok() && run.error().code == ErrorCode::Cancelled && keepPartial && !capture.inputs.empty();
    if (!run.ok() && !partial)
        return run.error();
    CalibrationSource source = CalibrationSource::of("forward pass", *network.model());
    source.text = sequences.source;
    source.sequences = sequences.sequences.size();
    source.length = uint64_t(sequences.settings.length);
    source.tokens = sequences.tokens();
    source.seed = settings.seed;
    source.partial = partial;
    return std::shared_ptr<const Calibration>(
        std::make_shared<const Calibration>(std::move(source), std::move(capture.inputs)));
} catch (const std::bad_alloc&) {
    return Error{ErrorCode::OutOfMemory, "not enough memory; calibrate with fewer sequences or without Gram matrices", {}};
}

} // namespace ql
