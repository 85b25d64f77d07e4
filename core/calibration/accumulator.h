// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// InputAccumulator: rows of one linear input in, InputStatistics out. Counts, extremes, histogram and sample do not
// depend on how the rows are cut into blocks nor on their order; sums do in the last bits, but never on the number of
// threads. Used by one thread at a time, which lends it a pool.
#pragma once

#include "core/calibration/calibration.h"
#include "core/calibration/growinghistogram.h"
#include "core/calibration/rowreservoir.h"
#include "core/nn/network.h"

namespace ql {

class InputAccumulator
{
public:
    struct Settings {
        int64_t channels = 0;
        int64_t sampleRows = 0; ///< most rows of the sample; rows that hold NaN or Inf are never drawn
        bool gram = false;      ///< channels^2 doubles; products of 128 rows at a time are summed in f32, which leaves
                                ///< entry (i, j) within 1e-6 of sqrt(g_ii g_jj), those sums in double
        uint64_t seed = 1;      ///< of the sample
    };
    explicit InputAccumulator(const Settings& settings);

    /// `x` is tokens.count x channels. After a stop request the accumulator is of no use any more.
    void add(const TokenRange& tokens, const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool, std::stop_token stop = {});
    uint64_t tokens() const { return m_tokens; }
    /// Everything but `tensors`, `layer` and the experts, which the caller knows.
    InputStatistics finish() const;

private:
    /// Rows of one sequence, in the order in which they came.
    struct Chunk {
        int sequence;
        int64_t first, count;
        size_t offset; ///< of its first token in m_tokenMin and m_tokenMax
    };

    void addChunks(const TokenRange& tokens);

    void addMoments(const Eigen::Ref<const RowMatrix>& x, bool finite, ThreadPool& pool);
    void addHistogram(const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool);
    void addGram(const Eigen::Ref<const RowMatrix>& x, bool finite, ThreadPool& pool, const std::stop_token& stop);
    void finishTokens(InputStatistics& input) const;
    void finishChannels(InputStatistics& input) const;

    Settings m_settings;
    uint64_t m_tokens = 0;
    std::vector<float> m_min, m_max;       ///< per channel; +Inf and -Inf before the first finite value
    std::vector<double> m_sum, m_squares;
    std::vector<uint64_t> m_nonFinite;
    std::vector<float> m_tokenMin, m_tokenMax;
    std::vector<Chunk> m_chunks;
    GrowingHistogram m_histogram;
    RowReservoir m_sample;
    Eigen::MatrixXd m_gram; ///< upper triangle
};

} // namespace ql
