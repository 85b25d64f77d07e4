// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/calibrationbench.h"

#include "core/calibration/collector.h"
#include "core/nn/networkbench.h"

#include <limits>

namespace ql {
namespace {

/// `count` sequences of ids that follow no pattern.
SequenceSet someSequences(const Network& network, int count, int64_t length)
{
    SequenceSet set;
    set.settings.length = std::min(length, network.config().context);
    uint64_t state = 1;
    for (int s = 0; s < count; ++s) {
        TokenIds& ids = set.sequences.emplace_back();
        for (int64_t t = 0; t < set.settings.length; ++t) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            ids.push_back(int32_t((state >> 33) % uint64_t(network.config().vocabulary)));
        }
    }
    return set;
}

/// What calibration adds to running the blocks.
class CalibrationBench
{
public:
    CalibrationBench(std::shared_ptr<const Network> network, SequenceSet sequences, int repeats, ThreadPool& pool,
                     const JobControl& job)
        : m_network(std::move(network)), m_sequences(std::move(sequences)), m_repeats(repeats), m_pool(pool), m_quiet{job.stop, {}}
    {
    }

    Status measure(const std::string& what, uint64_t gramBytes, std::vector<BenchFigure>& figures)
    {
        CalibrationSettings settings;
        settings.gramBytes = gramBytes;
        settings.sampleBytes = uint64_t(16) << 20;
        const BenchPass collect = [&]() -> Status {
            QL_TRY(const auto calibration,
                   collectCalibration(*m_network, m_sequences, settings, false, m_pool, m_quiet));
            return {};
        };
        QL_TRY(const BenchTiming t, interleavePasses([this] { return runAlone(); }, collect, m_repeats, m_quiet.stop));
        figures.push_back({"calibration, " + what, double(m_sequences.tokens()) / t.second, "tokens/s", t.ratio,
                           "forward", 0, false});
        forgetPeakMemory();
        const double before = memoryOf("VmRSS");
        QL_CHECK(collect());
        if (before > 0)
            figures.push_back({"calibration, " + what + ": peak memory", (memoryOf("VmHWM") - before) / 1e6, "MB", 0, "", 0,
                               false});
        return {};
    }

private:
    Status runAlone() const
    {
        const WeightReader reader = m_network->storedWeights();
        QL_TRY(auto hidden, m_network->embed(m_sequences.sequences, reader, m_quiet));
        for (int layer = 0; layer < m_network->config().layers; ++layer) {
            QL_TRY(const auto block, m_network->loadBlock(layer, reader));
            QL_CHECK(m_network->runBlock(layer, *block, hidden, m_pool, nullptr, m_quiet));
        }
        return {};
    }

    std::shared_ptr<const Network> m_network;
    SequenceSet m_sequences;
    int m_repeats;
    ThreadPool& m_pool;
    JobControl m_quiet;
};

} // namespace

Result<std::vector<BenchFigure>> measureCalibrationFigures(std::shared_ptr<const Model> small, int repeats,
                                                           ThreadPool& pool, const JobControl& job)
{
    std::vector<BenchFigure> figures;
    const std::string name = small->displayName();
    QL_TRY(auto network, Network::create(std::move(small)));
    const SequenceSet sequences = someSequences(*network, 16, 256);
    CalibrationBench whole(std::move(network), sequences, repeats, pool, job);
    QL_CHECK(whole.measure(name, 0, figures));
    QL_CHECK(whole.measure(name + " with Gram matrices", std::numeric_limits<uint64_t>::max(), figures));
    QL_TRY(auto block, Network::create(SyntheticLlama().make()));
    const SequenceSet few = someSequences(*block, 2, 512);
    CalibrationBench wide(std::move(block), few, repeats, pool, job);
    QL_CHECK(wide.measure("block of width 1024", 0, figures));
    return figures;
}

} // namespace ql
