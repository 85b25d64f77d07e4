// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// VectorSearcher: ggml's searches for scales on vector kernels, sixteen groups at a time, one per lane, with the results
// of the plain ones to the bit. Immutable; any thread.
#pragma once

#include "core/compute/simd/kernels.h"
#include "core/quant/ggmlsearch.h"

#include <optional>

namespace ql {

class VectorSearcher : public GroupSearcher
{
public:
    explicit VectorSearcher(const simd::Kernels& kernels);

    void search(const float* x, const float* weights, size_t groups, const GroupSearch& task, AffineFit* fits,
                uint8_t* codes) const override;

private:
    const simd::Kernels& m_kernels;
    std::optional<simd::LookupCode> m_levels; ///< IQ4's
};

} // namespace ql
