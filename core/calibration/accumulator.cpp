// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/accumulator.h"

#include "core/base/checked.h"
#include "core/nn/densekernels.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>
#include <mutex>
#include <tuple>

namespace ql {
namespace {

constexpr int64_t kStrip = 256;           ///< channels of one task
constexpr int64_t kCountedValues = 1 << 16; ///< values of one histogram task
constexpr int64_t kGramRows = 128;        ///< products of so many rows are summed in f32, everything else in double
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Sums and extremes of some channels, and the extremes of the rows that pass.
struct Strip {
    float* min;
    float* max;
    double* sum;
    double* squares;
    uint64_t* nonFinite;
    float rowMin, rowMax;

    void addFiniteRow(const float* x, int64_t channels)
    {
        const Eigen::Map<const Eigen::ArrayXf> values(x, channels);
        Eigen::Map<Eigen::ArrayXf> low(min, channels);
        Eigen::Map<Eigen::ArrayXf> high(max, channels);
        low = low.min(values);
        high = high.max(values);
        Eigen::Map<Eigen::ArrayXd>(sum, channels) += values.cast<double>();
        Eigen::Map<Eigen::ArrayXd>(squares, channels) += values.cast<double>().square();
        rowMin = values.minCoeff();
        rowMax = values.maxCoeff();
    }

    void addRow(const float* x, int64_t channels)
    {
        rowMin = kInfinity;
        rowMax = -kInfinity;
        for (int64_t c = 0; c < channels; ++c) {
            const float v = x[c];
            if (!std::isfinite(v)) {
                ++nonFinite[c];
                continue;
            }
            rowMin = std::min(rowMin, v);
            rowMax = std::max(rowMax, v);
            min[c] = std::min(min[c], v);
            max[c] = std::max(max[c], v);
            sum[c] += double(v);
            squares[c] += double(v) * double(v);
        }
    }
};

TensorView doubles(const Eigen::MatrixXd& upper)
{
    const Eigen::MatrixXd whole = upper.selfadjointView<Eigen::Upper>();
    std::vector<std::byte> bytes(size_t(whole.size()) * sizeof(double));
    std::memcpy(bytes.data(), whole.data(), bytes.size());
    return TensorView::create(memorySource("gram", std::move(bytes)), 0, DType::F64, {whole.rows(), whole.cols()})
        .value();
}

} // namespace

InputAccumulator::InputAccumulator(const Settings& settings)
    : m_settings(settings), m_min(size_t(settings.channels), kInfinity), m_max(size_t(settings.channels), -kInfinity),
      m_sum(size_t(settings.channels)), m_squares(size_t(settings.channels)), m_nonFinite(size_t(settings.channels)),
      m_sample(settings.sampleRows, settings.channels, settings.seed)
{
    if (settings.gram)
        m_gram.setZero(settings.channels, settings.channels);
}

void InputAccumulator::addChunks(const TokenRange& tokens)
{
    const size_t offset = m_tokenMin.size();
    if (tokens.places.empty()) {
        m_chunks.push_back({tokens.sequence, tokens.first, tokens.count, offset});
        return;
    }
    for (size_t i = 0; i < tokens.places.size(); ++i) {
        const TokenPlace& place = tokens.places[i];
        if (i > 0 && place.sequence == m_chunks.back().sequence)
            ++m_chunks.back().count;
        else
            m_chunks.push_back({place.sequence, place.position, 1, offset + i});
    }
}

void InputAccumulator::add(const TokenRange& tokens, const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool,
                           std::stop_token stop)
{
    assert(x.cols() == m_settings.channels && x.rows() == tokens.count);
    if (tokens.count <= 0)
        return;
    const bool finite = x.allFinite();
    addChunks(tokens);
    addMoments(x, finite, pool);
    addHistogram(x, pool);
    for (int64_t r = 0; r < x.rows(); ++r) {
        const TokenPlace place = tokens.places.empty() ? TokenPlace{tokens.sequence, tokens.first + r}
                                                       : tokens.places[size_t(r)];
        if (finite || x.row(r).allFinite())
            m_sample.offer(place.sequence, place.position, x.row(r).data());
    }
    if (m_settings.gram)
        addGram(x, finite, pool, stop);
    m_tokens += uint64_t(tokens.count);
}

void InputAccumulator::addMoments(const Eigen::Ref<const RowMatrix>& x, bool finite, ThreadPool& pool)
{
    const int64_t rows = x.rows();
    const int64_t strips = ceilDiv(x.cols(), kStrip);
    std::vector<float> low(size_t(strips * rows));
    std::vector<float> high(low.size());
    pool.parallelFor(strips, [&](int64_t s) {
        const int64_t from = s * kStrip;
        const auto at = size_t(from);
        const int64_t channels = std::min(kStrip, x.cols() - from);
        Strip strip{&m_min[at], &m_max[at], &m_sum[at], &m_squares[at], &m_nonFinite[at], 0, 0};
        for (int64_t r = 0; r < rows; ++r) {
            const float* values = x.row(r).data() + from;
            finite ? strip.addFiniteRow(values, channels) : strip.addRow(values, channels);
            low[size_t(s * rows + r)] = strip.rowMin;
            high[size_t(s * rows + r)] = strip.rowMax;
        }
    });
    for (int64_t r = 0; r < rows; ++r) {
        float min = kInfinity;
        float max = -kInfinity;
        for (int64_t s = 0; s < strips; ++s) {
            min = std::min(min, low[size_t(s * rows + r)]);
            max = std::max(max, high[size_t(s * rows + r)]);
        }
        m_tokenMin.push_back(min);
        m_tokenMax.push_back(max);
    }
}

void InputAccumulator::addHistogram(const Eigen::Ref<const RowMatrix>& x, ThreadPool& pool)
{
    const size_t first = m_tokenMin.size() - size_t(x.rows());
    const float min = *std::min_element(m_tokenMin.begin() + ptrdiff_t(first), m_tokenMin.end());
    const float max = *std::max_element(m_tokenMax.begin() + ptrdiff_t(first), m_tokenMax.end());
    if (min > max) // nothing finite came
        return;
    m_histogram.cover(min, max);
    const int64_t rowsPerTask = std::max<int64_t>(1, kCountedValues / x.cols());
    std::mutex mutex;
    pool.parallelFor(ceilDiv(x.rows(), rowsPerTask), [&](int64_t task) {
        std::vector<uint32_t> table(m_histogram.bins());
        const int64_t end = std::min(x.rows(), (task + 1) * rowsPerTask);
        for (int64_t r = task * rowsPerTask; r < end; ++r)
            m_histogram.count({x.row(r).data(), size_t(x.cols())}, table);
        const std::lock_guard lock(mutex);
        m_histogram.add(table);
    });
}

void InputAccumulator::addGram(const Eigen::Ref<const RowMatrix>& x, bool finite, ThreadPool& pool,
                               const std::stop_token& stop)
{
    const DenseKernels& kernels = denseKernels();
    const int64_t strips = ceilDiv(x.cols(), kStrip);
    for (int64_t r = 0; r < x.rows() && !stop.stop_requested(); r += kGramRows) {
        const int64_t depth = std::min(kGramRows, x.rows() - r);
        RowMatrix columns = x.middleRows(r, depth).transpose(); // one channel per row
        if (!finite)
            columns = columns.unaryExpr([](float v) { return std::isfinite(v) ? v : 0.0f; }).eval();
        const auto addTile = [&](int64_t tile) {
            // Tiles of the upper triangle, counted column by column.
            int64_t j = 0;
            while ((j + 1) * (j + 2) / 2 <= tile)
                ++j;
            const int64_t left = j * kStrip;
            const int64_t top = (tile - j * (j + 1) / 2) * kStrip;
            const int64_t width = std::min(kStrip, x.cols() - left);
            const int64_t height = std::min(kStrip, x.cols() - top);
            Eigen::MatrixXf product(height, width); // column by column, so it is the other way round for the kernel
            kernels.multiplyTransposed({columns.data() + left * depth, width, depth, depth},
                                       {columns.data() + top * depth, height, depth, depth},
                                       {product.data(), width, height, height});
            m_gram.block(top, left, height, width) += product.cast<double>();
        };
        pool.parallelFor(strips * (strips + 1) / 2, addTile, stop);
    }
}

void InputAccumulator::finishTokens(InputStatistics& input) const
{
    std::vector<Chunk> chunks = m_chunks;
    std::sort(chunks.begin(), chunks.end(), [](const Chunk& a, const Chunk& b) {
        return std::tie(a.sequence, a.first, a.offset) < std::tie(b.sequence, b.first, b.offset);
    });
    int64_t sequences = 0;
    for (size_t i = 0; i < chunks.size();) {
        float low = kInfinity;
        float high = -kInfinity;
        const int sequence = chunks[i].sequence;
        for (; i < chunks.size() && chunks[i].sequence == sequence; ++i) {
            for (size_t t = chunks[i].offset; t < chunks[i].offset + size_t(chunks[i].count); ++t) {
                const bool none = m_tokenMin[t] > m_tokenMax[t];
                input.tokenMin.push_back(none ? 0 : m_tokenMin[t]);
                input.tokenMax.push_back(none ? 0 : m_tokenMax[t]);
                low = std::min(low, m_tokenMin[t]);
                high = std::max(high, m_tokenMax[t]);
            }
        }
        if (low > high)
            continue;
        input.averageMin += double(low);
        input.averageMax += double(high);
        input.min = sequences == 0 ? double(low) : std::min(input.min, double(low));
        input.max = sequences == 0 ? double(high) : std::max(input.max, double(high));
        ++sequences;
    }
    if (sequences > 0) {
        input.averageMin /= double(sequences);
        input.averageMax /= double(sequences);
    }
}

void InputAccumulator::finishChannels(InputStatistics& input) const
{
    const auto channels = size_t(m_settings.channels);
    input.channelMin.resize(channels);
    input.channelMax.resize(channels);
    input.channelMean.resize(channels);
    input.channelMeanSquare.resize(channels);
    for (size_t c = 0; c < channels; ++c) {
        input.nonFinite += m_nonFinite[c];
        const uint64_t counted = m_tokens - m_nonFinite[c];
        if (counted == 0)
            continue;
        input.channelMin[c] = m_min[c];
        input.channelMax[c] = m_max[c];
        input.channelMean[c] = m_sum[c] / double(counted);
        input.channelMeanSquare[c] = m_squares[c] / double(counted);
    }
}

InputStatistics InputAccumulator::finish() const
{
    InputStatistics input;
    input.channels = m_settings.channels;
    input.tokens = m_tokens;
    finishTokens(input);
    finishChannels(input);
    input.histogram = m_histogram.result();
    if (m_sample.rows() > 0)
        input.sample = TensorView::fromFloats(m_sample.values(), m_sample.rows(), m_settings.channels, "sample");
    if (m_settings.gram && m_tokens > 0)
        input.gram = doubles(m_gram);
    return input;
}

} // namespace ql
