// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SampleAnalyses: results as views receive them, computed here from seeded weights by plain loops of their own, so that
// widget tests depend on no backend.
#pragma once

#include "core/compute/analysis.h"

#include <vector>

namespace ql::testing {

class SampleAnalyses
{
public:
    /// Student t with `freedom` degrees of freedom, times 0.02, in a rows x cols matrix; large `freedom` is normal.
    /// The first `outliers` values are replaced by 40 standard deviations, alternating in sign.
    SampleAnalyses(int64_t rows, int64_t cols, double freedom = 6, int outliers = 0, unsigned seed = 1);

    /// Of these values instead; rows * cols of them.
    SampleAnalyses(int64_t rows, int64_t cols, std::vector<float> values);

    int64_t rows() const { return m_rows; }
    int64_t cols() const { return m_cols; }
    const std::vector<float>& weights() const { return m_weights; }

    Shared<Distribution> distribution() const;
    /// Nearest level of codebookFor(scheme), f32 scales; clip methods min-max, ratio and abs.
    Shared<Quantization> quantization(const Scheme& scheme, bool preview = false) const;
    Shared<ClipStudy> clipStudy(const Scheme& scheme) const;
    Shared<FormatStudy> formatStudy() const;
    Shared<ChannelStudy> channelStudy(const Scheme& scheme) const;
    Shared<TileMap> tileMap(const Scheme& scheme, MapRegion region, int maxTiles) const;
    Shared<GroupDetail> groupDetail(const Scheme& scheme, int64_t row, int64_t col) const;

private:
    struct Grid {
        double scale = 0, zero = 0, lo = 0, hi = 0;
    };
    int64_t groupLength(const Scheme& scheme) const; ///< values that share a scale, in storage order
    Grid gridOf(const Scheme& scheme, const Codebook& codebook, int64_t firstValue) const;
    std::vector<float> reconstructed(const Scheme& scheme) const;
    double meanSquaredError(const Scheme& scheme) const;
    Provenance provenance(const Scheme& scheme) const;

    int64_t m_rows, m_cols;
    std::vector<float> m_weights;
};

} // namespace ql::testing
