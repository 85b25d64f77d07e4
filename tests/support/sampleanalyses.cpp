// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/sampleanalyses.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ql::testing {
namespace {

Histogram histogramOf(const std::vector<float>& values, double lo, double hi, int bins)
{
    Histogram h;
    h.lo = lo;
    h.hi = hi > lo ? hi : lo + 1;
    h.counts.resize(size_t(bins));
    for (const float x : values) {
        if (x < h.lo)
            ++h.below;
        else if (x > h.hi)
            ++h.above;
        else
            ++h.counts[size_t(std::min(double(bins - 1), (x - h.lo) / (h.hi - h.lo) * bins))];
    }
    return h;
}

double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

double quantile(std::vector<double> values, double share)
{
    std::sort(values.begin(), values.end());
    return values[size_t(share * double(values.size() - 1))];
}

} // namespace

SampleAnalyses::SampleAnalyses(int64_t rows, int64_t cols, double freedom, int outliers, unsigned seed)
    : m_rows(rows)
    , m_cols(cols)
    , m_weights(size_t(rows * cols))
{
    std::mt19937_64 random(seed);
    std::student_t_distribution<double> t(freedom);
    for (int64_t r = 0; r < rows; ++r) {
        const double channel = 0.02 * (0.6 + 0.8 * double(random() % 1000) / 1000);
        for (int64_t c = 0; c < cols; ++c)
            m_weights[size_t(r * cols + c)] = float(channel * std::clamp(t(random), -12.0, 12.0));
    }
    for (int i = 0; i < outliers; ++i)
        m_weights[size_t(i) * 997 % m_weights.size()] = float((i % 2 ? -0.8 : 0.8) * (1 + 0.02 * i));
}

SampleAnalyses::SampleAnalyses(int64_t rows, int64_t cols, std::vector<float> values)
    : m_rows(rows)
    , m_cols(cols)
    , m_weights(std::move(values))
{
}

Provenance SampleAnalyses::provenance(const Scheme& scheme) const
{
    Provenance origin;
    origin.tensor = "model.layers.0.mlp.down_proj.weight";
    origin.scheme = scheme;
    origin.device = "test";
    origin.sampled = m_weights.size();
    return origin;
}

Shared<Distribution> SampleAnalyses::distribution() const
{
    auto result = std::make_shared<Distribution>();
    result->provenance = provenance({});
    result->stats = computeStats(m_weights.data(), int64_t(m_weights.size()));
    result->histogram = histogramOf(m_weights, result->stats.min, result->stats.max, kHistogramBins);
    const double sigma = result->stats.standardDeviation();
    for (const float x : m_weights) {
        result->beyond6Sigma += std::abs(x - result->stats.mean) > 6 * sigma;
        result->beyond12Sigma += std::abs(x - result->stats.mean) > 12 * sigma;
    }
    return result;
}

int64_t SampleAnalyses::groupLength(const Scheme& scheme) const
{
    if (const int group = traits(scheme.format).groupSize)
        return std::min<int64_t>(group, m_cols);
    switch (scheme.granularity) {
    case Granularity::Tensor: return m_rows * m_cols;
    case Granularity::Channel: return m_cols;
    case Granularity::Group: return std::min<int64_t>(scheme.groupSize, m_cols);
    }
    return m_cols;
}

SampleAnalyses::Grid SampleAnalyses::gridOf(const Scheme& scheme, const Codebook& codebook, int64_t first) const
{
    Grid grid;
    const int64_t length = groupLength(scheme);
    for (int64_t i = first; i < std::min<int64_t>(first + length, int64_t(m_weights.size())); ++i) {
        grid.lo = std::min(grid.lo, double(m_weights[size_t(i)]));
        grid.hi = std::max(grid.hi, double(m_weights[size_t(i)]));
    }
    const bool symmetric = scheme.symmetry == Symmetry::Symmetric;
    if (symmetric) {
        grid.hi = std::max(-grid.lo, grid.hi);
        grid.lo = -grid.hi;
    }
    if (scheme.clip == ClipMethod::Ratio) {
        grid.lo *= scheme.clipParameter;
        grid.hi *= scheme.clipParameter;
    } else if (scheme.clip == ClipMethod::Absolute) {
        grid.lo = std::max(grid.lo, -scheme.clipParameter);
        grid.hi = std::min(grid.hi, scheme.clipParameter);
    }
    if (symmetric) {
        grid.scale = grid.hi / double(codebook.maxMagnitude);
    } else {
        grid.scale = (grid.hi - grid.lo) / double(codebook.levels.size() - 1);
        grid.zero = grid.scale > 0 ? std::nearbyint(-grid.lo / grid.scale) : 0;
    }
    return grid;
}

std::vector<float> SampleAnalyses::reconstructed(const Scheme& scheme) const
{
    const Codebook codebook = codebookFor(scheme);
    std::vector<float> out(m_weights.size());
    const int64_t length = groupLength(scheme);
    for (int64_t first = 0; first < int64_t(m_weights.size()); first += length) {
        const Grid grid = gridOf(scheme, codebook, first);
        for (int64_t i = first; i < std::min<int64_t>(first + length, int64_t(m_weights.size())); ++i) {
            const double y = grid.scale > 0 ? m_weights[size_t(i)] / grid.scale + grid.zero : 0;
            const float level = codebook.levels[size_t(codebook.nearest(float(y)))].value;
            out[size_t(i)] = float((level - grid.zero) * grid.scale);
        }
    }
    return out;
}

double SampleAnalyses::meanSquaredError(const Scheme& scheme) const
{
    const std::vector<float> hat = reconstructed(scheme);
    double sum = 0;
    for (size_t i = 0; i < hat.size(); ++i)
        sum += (double(hat[i]) - m_weights[i]) * (double(hat[i]) - m_weights[i]);
    return sum / double(hat.size());
}

Shared<Quantization> SampleAnalyses::quantization(const Scheme& scheme, bool preview) const
{
    auto result = std::make_shared<Quantization>();
    result->provenance = provenance(scheme);
    result->provenance.preview = preview;
    result->codebook = codebookFor(scheme);
    ErrorMetrics& metrics = result->metrics;
    metrics.count = metrics.finite = m_weights.size();
    metrics.occupancy.resize(result->codebook.levels.size());
    std::vector<double> scales, zeros, los, his;
    std::vector<float> scaled(m_weights.size()), error(m_weights.size());
    const std::vector<float> hat = reconstructed(scheme);
    const int64_t length = groupLength(scheme);
    for (size_t i = 0; i < m_weights.size(); ++i) {
        if (int64_t(i) % length == 0) {
            const Grid grid = gridOf(scheme, result->codebook, int64_t(i));
            scales.push_back(grid.scale);
            zeros.push_back(grid.zero);
            los.push_back(grid.lo);
            his.push_back(grid.hi);
        }
        const double x = m_weights[i], y = hat[i], e = y - x;
        scaled[i] = float((scales.back() > 0 ? x / scales.back() : 0) + zeros.back());
        error[i] = float(e);
        metrics.sumSquare += x * x;
        metrics.sumHatSquare += y * y;
        metrics.sumDot += x * y;
        metrics.sumSquaredError += e * e;
        metrics.sumAbsError += std::abs(e);
        metrics.sumError += e;
        metrics.maxAbsError = std::max(metrics.maxAbsError, std::abs(e));
        metrics.clipped += x < los.back() || x > his.back();
        ++metrics.occupancy[size_t(result->codebook.nearest(scaled[i]))];
    }
    metrics.bitsPerWeight = bitsPerWeight(scheme, m_rows, m_cols);
    metrics.bytes = storedBytes(scheme, m_rows, m_cols);
    result->scaleMedian = median(scales);
    result->scaleP5 = quantile(scales, 0.05);
    result->scaleP95 = quantile(scales, 0.95);
    result->zeroMedian = median(zeros);
    result->limitLo = median(los);
    result->limitHi = median(his);
    const auto [lowest, highest] = std::minmax_element(m_weights.begin(), m_weights.end());
    const auto& levels = result->codebook.levels;
    result->scaled = histogramOf(scaled, 2 * levels[0].value - levels[1].value,
                                 2 * levels.back().value - levels[levels.size() - 2].value, kHistogramBins);
    result->error = histogramOf(error, -metrics.maxAbsError, metrics.maxAbsError, kHistogramBins);
    result->reconstructed = histogramOf(hat, *lowest, *highest, kHistogramBins);
    return result;
}

Shared<ClipStudy> SampleAnalyses::clipStudy(const Scheme& scheme) const
{
    auto result = std::make_shared<ClipStudy>();
    result->provenance = provenance(scheme);
    Scheme trial = scheme;
    trial.clip = ClipMethod::Ratio;
    for (double ratio = 1; ratio > 0.28; ratio -= 0.02) {
        trial.clipParameter = ratio;
        result->sweep.ratios.push_back(ratio);
        result->sweep.mse.push_back(meanSquaredError(trial));
    }
    const auto& mse = result->sweep.mse;
    result->sweep.best = size_t(std::min_element(mse.begin(), mse.end()) - mse.begin());
    Scheme whole = scheme;
    whole.clip = ClipMethod::MinMax;
    const double limit = quantization(whole)->limitHi;
    const auto mark = [&](ClipMethod method, double parameter, size_t at) {
        result->marks.push_back({method, parameter, limit * result->sweep.ratios[at], result->sweep.ratios[at], mse[at]});
    };
    mark(ClipMethod::MinMax, 0, 0);
    mark(ClipMethod::Percentile, 99.9, 3);
    mark(ClipMethod::Mse, 0, result->sweep.best);
    mark(ClipMethod::Kl, 0, std::min(result->sweep.best + 4, mse.size() - 1));
    return result;
}

Shared<FormatStudy> SampleAnalyses::formatStudy() const
{
    auto result = std::make_shared<FormatStudy>();
    result->provenance = provenance({});
    double power = 0;
    for (const float x : m_weights)
        power += double(x) * x;
    for (const FormatTraits& format : schemeTable()) {
        if (format.kind == FormatKind::Keep || format.kind == FormatKind::Ggml || format.kind == FormatKind::Micro)
            continue;
        for (const int group : {32, 64, 128, 0}) {
            Scheme scheme = Scheme::defaultsFor(format.format);
            if (!format.choosesGranularity && group != 128)
                continue;
            if (format.choosesGranularity) {
                scheme.granularity = group ? Granularity::Group : Granularity::Channel;
                scheme.groupSize = group ? group : scheme.groupSize;
            }
            const double mse = meanSquaredError(scheme);
            result->points.push_back({scheme, bitsPerWeight(scheme, m_rows, m_cols),
                                      10 * std::log10(power / double(m_weights.size()) / mse)});
        }
    }
    return result;
}

Shared<ChannelStudy> SampleAnalyses::channelStudy(const Scheme& scheme) const
{
    auto result = std::make_shared<ChannelStudy>();
    result->provenance = provenance(scheme);
    const std::vector<float> hat = reconstructed(scheme);
    const Codebook codebook = codebookFor(scheme);
    for (int64_t r = 0; r < m_rows; ++r) {
        double most = 0, square = 0, error = 0;
        for (int64_t c = 0; c < m_cols; ++c) {
            const double x = m_weights[size_t(r * m_cols + c)], e = hat[size_t(r * m_cols + c)] - x;
            most = std::max(most, std::abs(x));
            square += x * x;
            error += e * e;
        }
        result->channels.absMax.push_back(float(most));
        result->channels.scale.push_back(float(gridOf(scheme, codebook, r * m_cols / groupLength(scheme) *
                                                                           groupLength(scheme)).scale));
        result->channels.meanSquare.push_back(square / double(m_cols));
        result->channels.meanSquaredError.push_back(error / double(m_cols));
    }
    return result;
}

Shared<TileMap> SampleAnalyses::tileMap(const Scheme& scheme, MapRegion region, int maxTiles) const
{
    auto result = std::make_shared<TileMap>();
    result->provenance = provenance(scheme);
    const int64_t rows = region.rows ? region.rows : m_rows, cols = region.cols ? region.cols : m_cols;
    result->rowsPerTile = std::max<int64_t>(1, (rows + maxTiles - 1) / maxTiles);
    const int64_t group = std::min(groupLength(scheme), m_cols);
    result->colsPerTile = cols <= maxTiles ? 1 : std::max(group, (cols + maxTiles - 1) / maxTiles);
    result->tileRows = (rows + result->rowsPerTile - 1) / result->rowsPerTile;
    result->tileCols = (cols + result->colsPerTile - 1) / result->colsPerTile;
    const std::vector<float> hat = reconstructed(scheme);
    const Codebook codebook = codebookFor(scheme);
    for (int64_t tr = 0; tr < result->tileRows; ++tr) {
        for (int64_t tc = 0; tc < result->tileCols; ++tc) {
            double square = 0, error = 0, scale = 0, count = 0;
            float low = INFINITY, high = -INFINITY;
            const int64_t r1 = std::min((tr + 1) * result->rowsPerTile, rows);
            const int64_t c1 = std::min((tc + 1) * result->colsPerTile, cols);
            for (int64_t r = region.firstRow + tr * result->rowsPerTile; r < region.firstRow + r1; ++r) {
                for (int64_t c = region.firstCol + tc * result->colsPerTile; c < region.firstCol + c1; ++c) {
                    const auto i = size_t(r * m_cols + c);
                    const double e = double(hat[i]) - m_weights[i];
                    square += double(m_weights[i]) * m_weights[i];
                    error += e * e;
                    low = std::min(low, m_weights[i]);
                    high = std::max(high, m_weights[i]);
                    ++count;
                }
            }
            const int64_t first = (region.firstRow + tr * result->rowsPerTile) * m_cols + region.firstCol +
                                  tc * result->colsPerTile;
            scale = gridOf(scheme, codebook, first / groupLength(scheme) * groupLength(scheme)).scale;
            result->magnitude.push_back(float(std::sqrt(square / count)));
            result->lowest.push_back(low);
            result->highest.push_back(high);
            result->scale.push_back(float(scale));
            result->error.push_back(float(std::sqrt(error / count)));
            result->relativeError.push_back(square > 0 ? float(std::sqrt(error / square)) : 0);
        }
    }
    return result;
}

Shared<GroupDetail> SampleAnalyses::groupDetail(const Scheme& scheme, int64_t row, int64_t col) const
{
    auto result = std::make_shared<GroupDetail>();
    result->provenance = provenance(scheme);
    const int64_t length = std::min(groupLength(scheme), m_cols);
    result->row = row;
    result->firstCol = col / length * length;
    const Codebook codebook = codebookFor(scheme);
    const int64_t first = row * m_cols + result->firstCol;
    const Grid grid = gridOf(scheme, codebook, first / groupLength(scheme) * groupLength(scheme));
    result->scale = grid.scale;
    result->zero = int(grid.zero);
    for (int64_t i = first; i < first + std::min(length, m_cols - result->firstCol); ++i) {
        const float y = float(m_weights[size_t(i)] / grid.scale + grid.zero);
        const auto index = size_t(codebook.nearest(y));
        result->values.push_back(m_weights[size_t(i)]);
        result->scaled.push_back(y);
        result->codes.push_back(codebook.levels[index].code);
        result->reconstructed.push_back(float((codebook.levels[index].value - grid.zero) * grid.scale));
    }
    for (size_t i = 0; i + 1 < result->codes.size(); i += 2)
        result->packed.push_back(std::byte((result->codes[i] & 15) | (result->codes[i + 1] & 15) << 4));
    return result;
}

} // namespace ql::testing
