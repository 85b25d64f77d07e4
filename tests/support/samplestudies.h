// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SampleStudies: studies of activations and of the KV cache as views receive them, made of closed forms and seeded
// values by plain loops, so that widget tests depend on no network and no calibration.
#pragma once

#include "core/calibration/activationstudy.h"
#include "core/evaluation/kvcache.h"
#include "tests/support/sampleanalyses.h"

namespace ql::testing {

class SampleStudies
{
public:
    /// Normal values; `outliers` are channels 25 times as wide as the rest.
    SampleStudies(int64_t tokens, int64_t channels, std::vector<int64_t> outliers = {});

    /// Token is quantized row by row, Channel and Tensor with one scale each; ranges min-max and by hand, other methods
    /// where their mark stands. Distribution, marks and channels whatever the scheme.
    Shared<ActivationStudy> study(const ActivationScheme& scheme) const;
    /// As an importance matrix gives it: channels and nothing else.
    Shared<ActivationStudy> secondMoments(const ActivationScheme& scheme) const;
    /// `tokens` tokens without one finite value.
    static Shared<ActivationStudy> nothingFinite(const ActivationScheme& scheme, uint64_t tokens, int64_t channels);

private:
    std::vector<RangeMark> marks(const ActivationScheme& scheme) const;
    Scheme schemeFor(const ActivationScheme& scheme, const std::vector<RangeMark>& marks) const;
    void addChannels(ActivationStudy& study) const;

    int64_t m_tokens, m_channels;
    SampleAnalyses m_values; ///< tokens x channels
};

/// Layers whose error grows with the root of the position and with their number; head channel 5 of every head is 12
/// times as large as the others. Nothing is lost where `schemeOf` keeps.
Shared<KvStudy> sampleKvStudy(int layers, int kvHeads, int headDim, int positions,
                              const std::vector<std::optional<KvScheme>>& schemes);

} // namespace ql::testing
