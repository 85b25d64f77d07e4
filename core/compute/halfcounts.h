// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// HalfCounts: how often each of the 65,536 bit patterns occurs in a tensor of 16-bit floats. Counted once, it answers
// exactly what any per-tensor scheme does to the tensor, whatever its size. Immutable and shared; HalfCountsCache keeps
// the last few, from any thread.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/base/threadpool.h"
#include "core/tensor/tensorview.h"

#include <list>
#include <memory>
#include <mutex>
#include <vector>

namespace ql {

class HalfCounts
{
public:
    /// Whether counting `tensor` is possible and worth it: F16 or BF16, in place, not small.
    static bool suits(const TensorView& tensor);
    static Result<std::shared_ptr<const HalfCounts>> count(ThreadPool& pool, const TensorView& tensor,
                                                           const JobControl& job);

    /// Finite values that occur, ascending, and how often.
    const std::vector<float>& values() const { return m_values; }
    const std::vector<uint64_t>& counts() const { return m_counts; }
    uint64_t total() const { return m_total; } ///< NaN and Inf included
    uint64_t finite() const { return m_finite; }

private:
    std::vector<float> m_values;
    std::vector<uint64_t> m_counts;
    uint64_t m_total = 0;
    uint64_t m_finite = 0;
};

class HalfCountsCache
{
public:
    /// Counts `tensor` unless that was done before. FileChanged when its file is no longer what was counted.
    Result<std::shared_ptr<const HalfCounts>> get(ThreadPool& pool, const TensorView& tensor, const JobControl& job);

private:
    struct Entry {
        std::weak_ptr<const ByteSource> source;
        uint64_t offset = 0;
        uint64_t bytes = 0;
        DType dtype = DType::F16;
        std::shared_ptr<const HalfCounts> counts;
    };
    std::shared_ptr<const HalfCounts> find(const TensorView& tensor);

    std::mutex m_mutex;
    std::list<Entry> m_entries; ///< latest first
};

} // namespace ql
