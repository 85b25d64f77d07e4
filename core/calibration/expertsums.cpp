// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/expertsums.h"

#include "core/base/checked.h"

#include <algorithm>
#include <cmath>

namespace ql {

void ExpertSums::add(int expert, const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool)
{
    constexpr int64_t kStrip = 512;
    double* squares = m_squares.data() + expert * x.cols();
    pool.parallelFor(ceilDiv(x.cols(), kStrip), [&](int64_t strip) {
        const int64_t from = strip * kStrip;
        const int64_t to = std::min(x.cols(), from + kStrip);
        for (int64_t row = 0; row < x.rows(); ++row) {
            const float* values = x.row(row).data();
            for (int64_t c = from; c < to; ++c)
                squares[c] += std::isfinite(values[c]) ? double(values[c]) * double(values[c]) : 0.0;
        }
    });
    m_tokens[size_t(expert)] += uint64_t(x.rows());
}

void ExpertSums::finish(InputStatistics& input) const
{
    input.expertTokens = m_tokens;
    input.expertMeanSquare = m_squares;
    const size_t channels = m_squares.size() / m_tokens.size();
    for (size_t i = 0; i < m_squares.size(); ++i)
        input.expertMeanSquare[i] /= double(std::max<uint64_t>(1, m_tokens[i / channels]));
}

} // namespace ql
