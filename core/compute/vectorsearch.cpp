// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/vectorsearch.h"

#include "core/compute/lookupcode.h"

#include <algorithm>
#include <array>

namespace ql {
VectorSearcher::VectorSearcher(const simd::Kernels& kernels)
    : m_kernels(kernels), m_levels(makeLookupCode(codebookFor(Scheme::defaultsFor(Format::IQ4_NL))))
{
}

void VectorSearcher::search(const float* x, const float* weights, size_t groups, const GroupSearch& task,
                            AffineFit* fits, uint8_t* codes) const
{
    constexpr size_t all = GroupSearch::kMostGroups;
    if (task.kind == GroupSearch::Table && !m_levels)
        return GroupSearcher::search(x, weights, groups, task, fits, codes);
    // Lanes without a group search zeros.
    std::array<float, all * GroupSearch::kMostValues> paddedX{}, paddedWeights{};
    if (groups < all) {
        std::copy_n(x, groups * task.size, paddedX.begin());
        std::copy_n(weights, groups * task.size, paddedWeights.begin());
        x = paddedX.data();
        weights = paddedWeights.data();
    }
    simd::SearchedGroups found;
    m_kernels.searchGroups(x, weights, task, m_levels ? &*m_levels : nullptr, &found);
    for (size_t g = 0; g < groups; ++g)
        fits[g] = {found.scale[g], found.minimum[g]};
    if (task.kind != GroupSearch::Table)
        std::copy_n(found.codes, groups * task.size, codes);
}

} // namespace ql
