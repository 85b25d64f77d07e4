// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ProvenanceClock: fills in what an analysis knows about itself; the caller adds model and tensor names.
#pragma once

#include "core/compute/analysis.h"

#include <chrono>

namespace ql {

class ProvenanceClock
{
public:
    ProvenanceClock(Backend& backend, const TensorView& tensor, const Scheme& scheme)
    {
        m_provenance.scheme = scheme;
        m_provenance.device = backend.info().name;
        m_provenance.sampled = uint64_t(tensor.count());
    }
    /// The result looks at `sample` only.
    void previewOf(const TensorView& sample)
    {
        m_provenance.preview = true;
        m_provenance.sampled = uint64_t(sample.count());
    }
    Provenance finish()
    {
        m_provenance.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - m_start).count();
        return m_provenance;
    }

private:
    std::chrono::steady_clock::time_point m_start = std::chrono::steady_clock::now();
    Provenance m_provenance;
};

} // namespace ql
