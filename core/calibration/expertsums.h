// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ExpertSums: what each expert of one stacked weight has seen: rows and second moments. Used by one thread at a time,
// which lends it a pool.
#pragma once

#include "core/calibration/calibration.h"

namespace ql {

class ExpertSums
{
public:
    ExpertSums(int experts, int64_t channels) : m_tokens(size_t(experts)), m_squares(size_t(experts * channels)) {}

    /// Values that are not finite count as 0.
    void add(int expert, const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool);
    /// Fills what `input` says of experts.
    void finish(InputStatistics& input) const;

private:
    std::vector<uint64_t> m_tokens;
    std::vector<double> m_squares; ///< experts x channels
};

} // namespace ql
