// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/samplestudies.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace ql::testing {
namespace {

std::vector<float> normal(int64_t rows, int64_t cols, const std::vector<int64_t>& outliers, unsigned seed)
{
    std::mt19937_64 random(seed);
    std::normal_distribution<double> draw;
    std::vector<float> values(size_t(rows * cols));
    for (int64_t r = 0; r < rows; ++r) {
        const double token = r == 0 ? 3 : 0.8 + 0.4 * double(random() % 1000) / 1000; // the first token is special
        for (int64_t c = 0; c < cols; ++c) {
            const bool wide = std::find(outliers.begin(), outliers.end(), c) != outliers.end();
            values[size_t(r * cols + c)] = float(draw(random) * token * (wide ? 25 : 0.5 + double(c % 7) / 7));
        }
    }
    return values;
}

CalibrationSource source(const char* kind, uint64_t tokens)
{
    CalibrationSource made;
    made.kind = kind;
    made.modelName = "loupe-3m";
    made.text = "calibration.txt";
    made.tokens = tokens;
    made.sequences = 1;
    made.length = tokens;
    return made;
}

} // namespace

SampleStudies::SampleStudies(int64_t tokens, int64_t channels, std::vector<int64_t> outliers)
    : m_tokens(tokens)
    , m_channels(channels)
    , m_values(tokens, channels, normal(tokens, channels, outliers, 7))
{
}

std::vector<RangeMark> SampleStudies::marks(const ActivationScheme& scheme) const
{
    using Range = ActivationScheme::Range;
    std::vector<float> sorted = m_values.weights();
    std::sort(sorted.begin(), sorted.end());
    const float lo = std::min(sorted.front(), 0.0f), hi = std::max(sorted.back(), 0.0f);
    std::vector<RangeMark> result;
    for (const auto& [range, parameter, share] : {std::tuple{Range::MinMax, 0.0, 1.0f}, {Range::Average, 0.0, 0.9f},
                                                  {Range::Percentile, 99.9, 0.62f}, {Range::Mse, 0.0, 0.7f},
                                                  {Range::Kl, 0.0, 0.45f}}) {
        ClipLimits limits{lo * share, hi * share};
        if (scheme.symmetry == Symmetry::Symmetric) {
            limits.hi = std::max(-limits.lo, limits.hi);
            limits.lo = -limits.hi;
        }
        Scheme trial = schemeFor(scheme, {});
        trial.granularity = Granularity::Tensor;
        trial.clip = ClipMethod::Absolute;
        trial.clipParameter = limits.hi;
        const auto quantization = m_values.quantization(trial);
        result.push_back({range, parameter, limits, quantization->metrics.mse(), quantization->metrics.sqnrDb()});
    }
    return result;
}

Scheme SampleStudies::schemeFor(const ActivationScheme& scheme, const std::vector<RangeMark>& marks) const
{
    Scheme same = Scheme::defaultsFor(scheme.format);
    same.symmetry = scheme.symmetry;
    same.range = scheme.codes;
    same.groupSize = scheme.groupSize;
    same.granularity = scheme.granularity == ActivationScheme::Granularity::Tensor ? Granularity::Tensor
                       : scheme.granularity == ActivationScheme::Granularity::Group ? Granularity::Group
                                                                                    : Granularity::Channel;
    if (same.granularity != Granularity::Tensor)
        return same;
    for (const RangeMark& mark : marks) {
        if (mark.range == scheme.range && scheme.range != ActivationScheme::Range::MinMax) {
            same.clip = ClipMethod::Absolute;
            same.clipParameter = mark.limits.hi;
        }
    }
    if (scheme.range == ActivationScheme::Range::Absolute) {
        same.clip = ClipMethod::Absolute;
        same.clipParameter = scheme.rangeParameter;
    }
    return same;
}

void SampleStudies::addChannels(ActivationStudy& study) const
{
    const std::vector<float>& x = m_values.weights();
    const auto channels = size_t(m_channels), tokens = size_t(m_tokens);
    study.channelMin.assign(channels, INFINITY);
    study.channelMax.assign(channels, -INFINITY);
    study.channelAbsMax.assign(channels, 0);
    study.channelError.assign(channels, 0);
    study.tokenMin.assign(tokens, INFINITY);
    study.tokenMax.assign(tokens, -INFINITY);
    const double scale = study.quantization ? study.quantization->scaleMedian : 0;
    for (size_t t = 0; t < tokens; ++t) {
        for (size_t c = 0; c < channels; ++c) {
            const float value = x[t * channels + c];
            study.channelMin[c] = std::min(study.channelMin[c], value);
            study.channelMax[c] = std::max(study.channelMax[c], value);
            study.channelAbsMax[c] = std::max(study.channelAbsMax[c], std::abs(value));
            study.channelError[c] += std::min(double(value) * value, scale * scale / 12) / double(tokens);
            study.tokenMin[t] = std::min(study.tokenMin[t], value);
            study.tokenMax[t] = std::max(study.tokenMax[t], value);
        }
    }
    std::vector<float> sorted = study.channelAbsMax;
    std::sort(sorted.begin(), sorted.end());
    const float median = sorted[sorted.size() / 2];
    for (size_t c = 0; c < channels; ++c) {
        if (study.channelAbsMax[c] > 6 * median)
            study.outlierChannels.push_back(int64_t(c));
    }
    std::stable_sort(study.outlierChannels.begin(), study.outlierChannels.end(), [&](int64_t a, int64_t b) {
        return study.channelAbsMax[size_t(a)] > study.channelAbsMax[size_t(b)];
    });
}

Shared<ActivationStudy> SampleStudies::study(const ActivationScheme& scheme) const
{
    auto result = std::make_shared<ActivationStudy>();
    result->scheme = scheme;
    result->source = source("forward pass", uint64_t(m_tokens));
    result->tensors = {"model.layers.0.mlp.down_proj.weight"};
    result->tokens = uint64_t(m_tokens);
    result->distribution = m_values.distribution();
    result->marks = marks(scheme);
    auto quantization = std::make_shared<Quantization>(*m_values.quantization(schemeFor(scheme, result->marks)));
    quantization->provenance.scheme = scheme.groupScheme();
    for (const RangeMark& mark : result->marks) {
        if (mark.range == scheme.range && scheme.granularity == ActivationScheme::Granularity::Tensor)
            quantization->limitLo = double(mark.limits.lo);
    }
    result->quantization = quantization;
    addChannels(*result);
    return result;
}

Shared<ActivationStudy> SampleStudies::secondMoments(const ActivationScheme& scheme) const
{
    auto result = std::make_shared<ActivationStudy>();
    result->scheme = scheme;
    result->source = source("importance matrix", uint64_t(m_tokens));
    result->source.text = "imatrix.gguf";
    result->tensors = {"model.layers.0.mlp.down_proj.weight"};
    result->tokens = uint64_t(m_tokens);
    addChannels(*result);
    result->channelMin.clear();
    result->channelMax.clear();
    result->channelError.clear();
    result->tokenMin.clear();
    result->tokenMax.clear();
    return result;
}

Shared<ActivationStudy> SampleStudies::nothingFinite(const ActivationScheme& scheme, uint64_t tokens, int64_t channels)
{
    auto result = std::make_shared<ActivationStudy>();
    result->scheme = scheme;
    result->source = source("forward pass", tokens);
    result->tokens = tokens;
    auto distribution = std::make_shared<Distribution>();
    distribution->stats.count = distribution->stats.nans = tokens * uint64_t(channels);
    result->distribution = distribution;
    const float nothing = std::numeric_limits<float>::quiet_NaN();
    result->channelAbsMax.assign(size_t(channels), nothing);
    result->channelMin = result->channelMax = result->channelAbsMax;
    result->tokenMin.assign(size_t(tokens), nothing);
    result->tokenMax = result->tokenMin;
    return result;
}

Shared<KvStudy> sampleKvStudy(int layers, int kvHeads, int headDim, int positions,
                              const std::vector<std::optional<KvScheme>>& schemes)
{
    auto result = std::make_shared<KvStudy>();
    result->tokens = uint64_t(positions) * 8;
    result->provenance.device = "test";
    const int64_t width = int64_t(kvHeads) * headDim;
    std::vector<int64_t> outliers;
    for (int head = 0; head < kvHeads && headDim > 5; ++head)
        outliers.push_back(int64_t(head) * headDim + 5);
    const SampleAnalyses keys(96, width, normal(96, width, outliers, 3)), values(96, width, normal(96, width, {}, 4));
    for (int layer = 0; layer < layers; ++layer) {
        KvLayerStudy study;
        study.layer = layer;
        study.scheme = size_t(layer) < schemes.size() ? schemes[size_t(layer)] : std::nullopt;
        study.keys = keys.distribution();
        study.values = values.distribution();
        for (int64_t c = 0; c < width; ++c) {
            study.keyChannelAbsMax.push_back(float((headDim > 5 && c % headDim == 5 ? 24 : 2) * (1 + 0.1 * layer)));
            study.valueChannelAbsMax.push_back(float(1 + 0.01 * double(c % 5)));
        }
        const double bits = study.scheme ? study.scheme->bitsPerElement(headDim) : 16;
        result->bitsPerElement += bits / layers;
        const double error = study.scheme ? 0.002 * (1 + layer) * std::exp2(8 - bits) : 0;
        study.keySqnrDb = study.scheme ? 6.02 * bits - 4 : INFINITY;
        study.valueSqnrDb = study.scheme ? 6.02 * bits - 1 : INFINITY;
        study.outputRelativeError = error;
        study.outputSqnrDb = study.scheme ? -20 * std::log10(error) : INFINITY;
        for (int position = 0; position < positions; ++position)
            study.positionError.push_back(error * std::sqrt((position + 1.0) / positions) * (1 + 0.2 * std::sin(position)));
        result->layers.push_back(std::move(study));
    }
    return result;
}

} // namespace ql::testing
