// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/compute/halfcounts.h"

#include "core/compute/tilereduce.h"
#include "core/tensor/floats.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace ql {
namespace {

constexpr size_t kPatterns = 65536;

struct PatternTable {
    std::vector<uint64_t> counts; ///< empty, or one per pattern

    void merge(const PatternTable& other)
    {
        if (counts.empty())
            counts.resize(kPatterns);
        for (size_t i = 0; i < other.counts.size(); ++i)
            counts[i] += other.counts[i];
    }
};

/// Counts one task in two tables by turns, so that runs of equal values do not wait for each other.
class CountWorker
{
public:
    Status operator()(TileSource& source, ValueRange, ValueRange tile, PatternTable&)
    {
        QL_TRY(const simd::Source x, source.values(tile));
        const char* data = static_cast<const char*>(x.data);
        for (int64_t i = 0; i + 1 < tile.count; i += 2) {
            std::array<uint16_t, 2> pair;
            std::memcpy(pair.data(), data + 2 * i, sizeof pair);
            ++m_even[pair[0]];
            ++m_odd[pair[1]];
        }
        if (tile.count % 2 != 0) {
            uint16_t last = 0;
            std::memcpy(&last, data + 2 * (tile.count - 1), sizeof last);
            ++m_even[last];
        }
        return {};
    }
    void finish(PatternTable& out)
    {
        out.counts.resize(kPatterns);
        for (size_t i = 0; i < kPatterns; ++i)
            out.counts[i] = uint64_t(m_even[i]) + m_odd[i];
    }

private:
    std::vector<uint32_t> m_even = std::vector<uint32_t>(kPatterns);
    std::vector<uint32_t> m_odd = std::vector<uint32_t>(kPatterns);
};

} // namespace

bool HalfCounts::suits(const TensorView& tensor)
{
    constexpr int64_t kWorthIt = 256 * 1024;
    return (tensor.dtype() == DType::F16 || tensor.dtype() == DType::BF16) && tensor.count() >= kWorthIt &&
           tensor.bytes().has_value();
}

Result<std::shared_ptr<const HalfCounts>> HalfCounts::count(ThreadPool& pool, const TensorView& tensor,
                                                            const JobControl& job)
{
    QL_TRY(const PatternTable table,
           reduceTiles(pool, tensor, 4096, job, PatternTable{}, [] { return CountWorker(); }));
    auto result = std::make_shared<HalfCounts>();
    const auto decode = tensor.dtype() == DType::F16 ? static_cast<float (*)(uint16_t)>(halfToFloat)
                                                     : static_cast<float (*)(uint16_t)>(bf16ToFloat);
    // Ascending: negative patterns from the largest down, then positive ones; -0 and +0 stay apart.
    for (size_t i = 0; i < kPatterns; ++i) {
        const auto pattern = uint16_t(i < kPatterns / 2 ? kPatterns - 1 - i : i - kPatterns / 2);
        const uint64_t n = table.counts.empty() ? 0 : table.counts[pattern];
        const float value = decode(pattern);
        result->m_total += n;
        if (n == 0 || !std::isfinite(value))
            continue;
        result->m_values.push_back(value);
        result->m_counts.push_back(n);
        result->m_finite += n;
    }
    return std::shared_ptr<const HalfCounts>(std::move(result));
}

std::shared_ptr<const HalfCounts> HalfCountsCache::find(const TensorView& tensor)
{
    std::lock_guard lock(m_mutex);
    m_entries.remove_if([](const Entry& entry) { return entry.source.expired(); });
    const auto it = std::find_if(m_entries.begin(), m_entries.end(), [&](const Entry& entry) {
        return entry.source.lock() == tensor.source() && entry.offset == tensor.offset() &&
               entry.bytes == tensor.byteSize() && entry.dtype == tensor.dtype();
    });
    if (it == m_entries.end())
        return nullptr;
    m_entries.splice(m_entries.begin(), m_entries, it);
    return it->counts;
}

Result<std::shared_ptr<const HalfCounts>> HalfCountsCache::get(ThreadPool& pool, const TensorView& tensor,
                                                               const JobControl& job)
{
    constexpr size_t kKept = 4;
    if (auto known = find(tensor)) {
        QL_CHECK(tensor.source()->checkUnchanged());
        return known;
    }
    QL_TRY(auto counts, HalfCounts::count(pool, tensor, job));
    std::lock_guard lock(m_mutex);
    m_entries.push_front({tensor.source(), tensor.offset(), tensor.byteSize(), tensor.dtype(), counts});
    if (m_entries.size() > kKept)
        m_entries.pop_back();
    return counts;
}

} // namespace ql
