// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/tiles.h"

#include "core/base/checked.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

namespace ql {
namespace {

int64_t milliseconds()
{
    using namespace std::chrono;
    return duration_cast<std::chrono::milliseconds>(steady_clock::now().time_since_epoch()).count();
}

} // namespace

std::vector<ValueRange> cutIntoTasks(int64_t count, int64_t unit)
{
    constexpr int64_t kTasks = 64;
    constexpr int64_t kLargest = 4 * 1024 * 1024;
    const int64_t wanted = std::clamp(ceilDiv(count, kTasks), kTileValues, kLargest);
    const int64_t size = std::max<int64_t>(1, ceilDiv(wanted, unit)) * unit;
    std::vector<ValueRange> tasks;
    for (int64_t first = 0; first < count; first += size)
        tasks.push_back({first, std::min(size, count - first)});
    return tasks;
}

TileSource::TileSource(const TensorView& tensor) : m_tensor(tensor)
{
    const auto bytes = tensor.bytes();
    if (!bytes)
        return;
    switch (tensor.dtype()) {
    case DType::F32:
        m_whole = {bytes->data(), simd::Element::F32};
        break;
    case DType::F16:
        m_whole = {bytes->data(), simd::Element::F16};
        break;
    case DType::BF16:
        m_whole = {bytes->data(), simd::Element::BF16};
        break;
    default:
        break;
    }
}

Result<simd::Source> TileSource::values(ValueRange range)
{
    if (m_whole.data)
        return m_whole.advanced(range.first);
    QL_TRY(const float* x, floats(range));
    return simd::Source{x, simd::Element::F32};
}

Result<const float*> TileSource::floats(ValueRange range)
{
    if (m_whole.data && m_whole.element == simd::Element::F32) {
        const void* x = m_whole.advanced(range.first).data;
        if (reinterpret_cast<uintptr_t>(x) % alignof(float) == 0)
            return static_cast<const float*>(x);
    }
    m_buffer.resize(size_t(range.count));
    QL_CHECK(m_tensor.readFlat(range.first, range.count, m_buffer.data()));
    return m_buffer.data();
}

Status TileSource::check() const
{
    if (!m_whole.data || m_tensor.bytes())
        return {};
    return Error{ErrorCode::FileChanged, "the file changed or went away while it was read", m_tensor.source()->name()};
}

ByteProgress::ByteProgress(const TensorView& tensor, const JobControl& job)
    : m_job(job), m_total(tensor.byteSize()),
      m_bytesPerValue(tensor.count() ? double(m_total) / double(tensor.count()) : 0)
{
}

void ByteProgress::add(int64_t values)
{
    const int64_t done = m_values.fetch_add(values) + values;
    if (!m_job.progress)
        return;
    const auto bytes = std::min(m_total, uint64_t(double(done) * m_bytesPerValue + 0.5));
    constexpr int64_t kInterval = 50;
    const int64_t now = milliseconds();
    int64_t next = m_nextReport.load();
    if (bytes == m_total || (now >= next && m_nextReport.compare_exchange_strong(next, now + kInterval)))
        m_job.report(bytes, m_total);
}

Status runTasks(ThreadPool& pool, int64_t tasks, const JobControl& job, const std::function<Status(int64_t)>& work)
{
    std::mutex mutex;
    std::optional<Error> failure;
    std::atomic<bool> failed{false};
    const auto fail = [&](Error error) {
        std::lock_guard lock(mutex);
        failed = true;
        if (!failure)
            failure = std::move(error);
    };
    pool.parallelFor(
        tasks,
        [&](int64_t task) {
            if (failed)
                return;
            try {
                if (const Status status = work(task); !status)
                    fail(status.error());
            } catch (const std::bad_alloc&) {
                fail({ErrorCode::OutOfMemory, "not enough memory for a tile of the tensor", {}});
            }
        },
        job.stop);
    if (job.cancelled())
        return cancelledError();
    if (failure)
        return *failure;
    return {};
}

} // namespace ql
