// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// How a tensor is cut for the thread pool: tasks whose bounds depend on its shape alone, so that results never depend
// on the number of threads, each worked off in tiles small enough to notice a stop request.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/base/threadpool.h"
#include "core/compute/simd/kernels.h"
#include "core/tensor/tensorview.h"

#include <atomic>
#include <mutex>
#include <vector>

namespace ql {

/// Values [first, first + count) in matrix order.
struct ValueRange {
    int64_t first = 0;
    int64_t count = 0;
};

/// Cuts `count` values into at most a few thousand tasks, each a multiple of `unit` (the last may be short).
std::vector<ValueRange> cutIntoTasks(int64_t count, int64_t unit);

/// Values of a tensor as vector code wants them: in place where they are addressable f32, f16 or bf16, else decoded.
/// One per thread at a time.
class TileSource
{
public:
    explicit TileSource(const TensorView& tensor);

    /// Valid until the next call. Read errors.
    Result<simd::Source> values(ValueRange range);
    /// The same as f32, aligned.
    Result<const float*> floats(ValueRange range);
    /// Whether what was read in place is still what the file holds.
    Status check() const;

private:
    const TensorView& m_tensor;
    simd::Source m_whole; ///< data null: not in place
    std::vector<float> m_buffer;
};

/// Counts bytes over all threads and reports them at most every 50 ms.
class ByteProgress
{
public:
    ByteProgress(const TensorView& tensor, const JobControl& job);
    void add(int64_t values);

private:
    const JobControl& m_job;
    uint64_t m_total;
    double m_bytesPerValue;
    std::atomic<int64_t> m_values{0};
    std::atomic<int64_t> m_nextReport{0};
};

/// Runs work(task index) for every task on the pool; the first error, Cancelled or OutOfMemory ends it.
Status runTasks(ThreadPool& pool, int64_t tasks, const JobControl& job, const std::function<Status(int64_t)>& work);

/// Values of one tile: small enough that no work on it takes more than about 10 ms.
inline constexpr int64_t kTileValues = 64 * 1024;

} // namespace ql
