// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/nn/parts.h"

#include "core/base/checked.h"
#include "core/nn/densekernels.h"

#include <algorithm>
#include <cmath>

namespace ql {
namespace {

constexpr int64_t kValuesAtOnce = 32 * 1024; ///< of one piece of parallel work

/// Calls work(first, last) for pieces of `rows` rows of `width` values.
template <class Work>
void forRows(int64_t rows, int64_t width, ThreadPool& pool, const Work& work)
{
    const int64_t step = std::max<int64_t>(1, kValuesAtOnce / std::max<int64_t>(1, width));
    pool.parallelFor(ceilDiv(rows, step),
                     [&](int64_t piece) { work(piece * step, std::min(rows, (piece + 1) * step)); });
}

constexpr size_t kLanes = 8;

/// Sum of (x - shift)^power, in double, over interleaved lanes.
template <class Term>
double sumOf(const float* x, size_t count, const Term& term)
{
    double lanes[kLanes] = {};
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) {
        for (size_t k = 0; k < kLanes; ++k)
            lanes[k] += term(double(x[i + k]));
    }
    for (; i < count; ++i)
        lanes[i % kLanes] += term(double(x[i]));
    return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

void normaliseRow(const NetworkConfig& config, const NormWeights& norm, const float* x, float* y)
{
    const size_t width = norm.weight.size();
    double mean = 0;
    if (config.norm == NetworkConfig::Norm::Layer)
        mean = sumOf(x, width, [](double v) { return v; }) / double(width);
    const double square = sumOf(x, width, [mean](double v) { return (v - mean) * (v - mean); }) / double(width);
    const auto shift = float(mean);
    const auto scale = float(1 / std::sqrt(square + config.normEpsilon));
    for (size_t i = 0; i < width; ++i)
        y[i] = (x[i] - shift) * scale * norm.weight[i];
    for (size_t i = 0; i < norm.bias.size(); ++i)
        y[i] += norm.bias[i];
}

} // namespace

void normaliseRows(const NetworkConfig& config, const NormWeights& norm, const float* x, float* y, int64_t rows,
                   ThreadPool& pool)
{
    const auto width = int64_t(norm.weight.size());
    forRows(rows, width, pool, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row)
            normaliseRow(config, norm, x + row * width, y + row * width);
    });
}

RotaryTable RotaryTable::of(const RopeConfig& rope, int64_t tokens)
{
    double attention = 1;
    const std::vector<double> frequencies = rope.frequencies(tokens, &attention);
    const auto pairs = int64_t(frequencies.size());
    RotaryTable table{RowMatrix(tokens, pairs), RowMatrix(tokens, pairs)};
    for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t j = 0; j < pairs; ++j) {
            const double angle = double(t) * frequencies[size_t(j)];
            table.cosines(t, j) = float(std::cos(angle) * attention);
            table.sines(t, j) = float(std::sin(angle) * attention);
        }
    }
    return table;
}

void rotate(const RotaryTable& table, int headDim, RowMatrix& x, ThreadPool& pool)
{
    const int64_t pairs = table.cosines.cols();
    forRows(x.rows(), x.cols(), pool, [&](int64_t first, int64_t last) {
        for (int64_t t = first; t < last; ++t) {
            const float* c = table.cosines.data() + t * pairs;
            const float* s = table.sines.data() + t * pairs;
            for (float* head = x.data() + t * x.cols(); head != x.data() + (t + 1) * x.cols(); head += headDim) {
                for (int64_t j = 0; j < pairs; ++j) {
                    const float a = head[j];
                    const float b = head[j + pairs];
                    head[j] = a * c[j] - b * s[j];
                    head[j + pairs] = b * c[j] + a * s[j];
                }
            }
        }
    });
}

void activateRows(Activation activation, RowMatrix& x, ThreadPool& pool)
{
    forRows(x.rows(), x.cols(), pool, [&](int64_t first, int64_t last) {
        denseKernels().activate(activation, x.data() + first * x.cols(), (last - first) * x.cols());
    });
}

void activateGated(Activation activation, RowMatrix& gate, const RowMatrix& up, ThreadPool& pool)
{
    forRows(gate.rows(), gate.cols(), pool, [&](int64_t first, int64_t last) {
        float* values = gate.data() + first * gate.cols();
        const float* factors = up.data() + first * gate.cols();
        const int64_t count = (last - first) * gate.cols();
        denseKernels().activate(activation, values, count);
        for (int64_t i = 0; i < count; ++i)
            values[i] *= factors[i];
    });
}

void addBias(const std::vector<float>& bias, RowMatrix& x, ThreadPool& pool)
{
    if (bias.empty())
        return;
    forRows(x.rows(), x.cols(), pool, [&](int64_t first, int64_t last) {
        for (int64_t row = first; row < last; ++row) {
            float* values = x.data() + row * x.cols();
            for (size_t i = 0; i < bias.size(); ++i)
                values[i] += bias[i];
        }
    });
}

void copyColumns(const RowMatrix& x, int64_t first, int64_t count, RowMatrix& y, ThreadPool& pool)
{
    y.resize(x.rows(), count);
    forRows(x.rows(), count, pool, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            std::copy_n(x.data() + row * x.cols() + first, count, y.data() + row * count);
    });
}

void addRows(RowMatrix& x, const RowMatrix& y, ThreadPool& pool)
{
    forRows(x.rows(), x.cols(), pool, [&](int64_t first, int64_t last) {
        for (int64_t i = first * x.cols(); i < last * x.cols(); ++i)
            x.data()[i] += y.data()[i];
    });
}

} // namespace ql
