// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/attention.h"

#include "core/base/checked.h"
#include "core/nn/densekernels.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int64_t kScoresAtOnce = 1 << 18;
constexpr int64_t kLeastQueries = 16, kMostQueries = 128;

/// Positions [first, last) that one query, or a chunk of them, may see.
struct KeyRange {
    int64_t first = 0, last = 0;
    int64_t count() const { return std::max<int64_t>(0, last - first); }
};

/// One head and one chunk of queries.
class HeadChunk
{
public:
    HeadChunk(const AttentionInput& input, const CachedView* cached, int64_t head, int64_t first, int64_t last)
        : m_input(input), m_shape(input.shape), m_cached(cached), m_head(head), m_first(first), m_last(last)
    {
        m_keys = {rangeOf(first).first, rangeOf(last - 1).last};
        if (!cached)
            return;
        const int64_t end = *std::max_element(cached->quantizedEnd.begin() + first, cached->quantizedEnd.begin() + last);
        m_cachedKeys = {std::max(m_keys.first, cached->first), std::min(m_keys.last, end)};
    }

    void run(RowMatrix& output)
    {
        const int64_t queries = m_last - m_first;
        RowMatrix scores = scoresOf(m_input.keys, m_keys);
        RowMatrix cachedScores;
        if (m_cachedKeys.count() > 0)
            cachedScores = scoresOf(m_cached->keys, m_cachedKeys);
        for (int64_t row = 0; row < queries; ++row)
            weigh(row, scores, cachedScores);
        const MutableBlock out{output.data() + m_first * output.cols() + m_head * m_shape.headDim, queries,
                               m_shape.headDim, output.cols()};
        multiply(scores, m_input.values, m_keys, out);
        if (m_cachedKeys.count() == 0)
            return;
        RowMatrix part(queries, m_shape.headDim);
        multiply(cachedScores, m_cached->values, m_cachedKeys, {part.data(), queries, m_shape.headDim, m_shape.headDim});
        for (int64_t row = 0; row < queries; ++row) {
            for (int64_t i = 0; i < m_shape.headDim; ++i)
                out.data[row * out.stride + i] += part(row, i);
        }
    }

private:
    KeyRange rangeOf(int64_t query) const
    {
        if (!m_shape.causal)
            return {0, m_input.keys.rows()};
        return {m_shape.window > 0 ? std::max<int64_t>(0, query - m_shape.window + 1) : 0, query + 1};
    }

    ConstBlock headOf(const RowMatrix& x, int64_t head, KeyRange rows) const
    {
        return {x.data() + rows.first * x.cols() + head * m_shape.headDim, rows.count(), m_shape.headDim, x.cols()};
    }
    int64_t keyHead() const { return m_head / (m_shape.heads / m_shape.kvHeads); }

    RowMatrix scoresOf(const RowMatrix& keys, KeyRange range) const
    {
        RowMatrix scores(m_last - m_first, range.count());
        denseKernels().multiplyTransposed(headOf(m_input.queries, m_head, {m_first, m_last}),
                                          headOf(keys, keyHead(), range),
                                          {scores.data(), scores.rows(), scores.cols(), scores.cols()});
        return scores;
    }

    void multiply(const RowMatrix& weights, const RowMatrix& values, KeyRange range, const MutableBlock& out) const
    {
        denseKernels().multiply({weights.data(), weights.rows(), weights.cols(), weights.cols()},
                                headOf(values, keyHead(), range), out);
    }

    /// Scores of one query to weights: those of the cache go where the query sees the cache, zeros where it sees nothing.
    void weigh(int64_t row, RowMatrix& scores, RowMatrix& cachedScores) const
    {
        const KeyRange seen = rangeOf(m_first + row);
        float* own = scores.data() + row * scores.cols() - m_keys.first; // indexed by position, from here on
        float* old = m_cachedKeys.count() > 0
                         ? cachedScores.data() + row * cachedScores.cols() - m_cachedKeys.first
                         : nullptr;
        KeyRange replaced;
        if (m_cachedKeys.count() > 0)
            replaced = {std::max(seen.first, m_cachedKeys.first),
                        std::min(seen.last, m_cached->quantizedEnd[size_t(m_first + row)])};
        if (replaced.count() > 0)
            std::copy(old + replaced.first, old + replaced.last, own + replaced.first);
        const auto scale = float(m_shape.scale);
        for (int64_t i = seen.first; i < seen.last; ++i)
            own[i] *= scale;
        if (m_shape.softcap > 0)
            denseKernels().softcap(float(m_shape.softcap), own + seen.first, seen.count());
        denseKernels().softmax(own + seen.first, seen.count());
        std::fill(own + m_keys.first, own + seen.first, 0.0f);
        std::fill(own + seen.last, own + m_keys.last, 0.0f);
        if (m_cachedKeys.count() == 0)
            return;
        std::fill(old + m_cachedKeys.first, old + m_cachedKeys.last, 0.0f);
        if (replaced.count() > 0) {
            std::copy(own + replaced.first, own + replaced.last, old + replaced.first);
            std::fill(own + replaced.first, own + replaced.last, 0.0f);
        }
    }

    const AttentionInput& m_input;
    const AttentionShape& m_shape;
    const CachedView* m_cached;
    int64_t m_head, m_first, m_last;
    KeyRange m_keys, m_cachedKeys;
};

} // namespace

void attend(const AttentionInput& input, const CachedView* cached, RowMatrix& output, ThreadPool& pool,
            std::stop_token stop)
{
    const int64_t tokens = input.queries.rows();
    output.resize(tokens, input.queries.cols());
    if (tokens == 0)
        return;
    const int64_t step = std::clamp(kScoresAtOnce / tokens, kLeastQueries, kMostQueries);
    const int64_t chunks = ceilDiv(tokens, step);
    pool.parallelFor(
        chunks * input.shape.heads,
        [&](int64_t i) {
            const int64_t first = i % chunks * step;
            HeadChunk(input, cached, i / chunks, first, std::min(tokens, first + step)).run(output);
        },
        std::move(stop));
}

} // namespace ql
