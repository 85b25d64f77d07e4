// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/calibration/activationquantizer.h"

#include "core/base/checked.h"
#include "core/compute/fusedquantizer.h"
#include "core/quant/cliplimits.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <cassert>
#include <mutex>

namespace ql {

namespace {

using Along = ActivationScheme::Granularity;

ClipMethod clipOf(ActivationScheme::Range range)
{
    switch (range) {
    case ActivationScheme::Range::MinMax:
    case ActivationScheme::Range::Average:
        return ClipMethod::MinMax;
    case ActivationScheme::Range::Percentile:
        return ClipMethod::Percentile;
    case ActivationScheme::Range::Mse:
        return ClipMethod::Mse;
    case ActivationScheme::Range::Kl:
        return ClipMethod::Kl;
    case ActivationScheme::Range::Absolute:
        return ClipMethod::Absolute;
    }
    return ClipMethod::MinMax;
}

Error incomplete(std::string message)
{
    return {ErrorCode::CalibrationInvalid, std::move(message), {}};
}

} // namespace

Scheme matrixScheme(const ActivationScheme& scheme)
{
    Scheme matrix = scheme.groupScheme();
    if (traits(matrix.format).choosesGranularity) {
        matrix.granularity = scheme.granularity == Along::Tensor  ? Granularity::Tensor
                             : scheme.granularity == Along::Group ? Granularity::Group
                                                                  : Granularity::Channel;
        matrix.groupSize = scheme.groupSize;
    }
    matrix.clip = clipOf(scheme.range);
    matrix.clipParameter = scheme.range == ActivationScheme::Range::Average ? 0 : scheme.rangeParameter;
    return matrix.normalized();
}

/// The vector code for one width; made when that width is first seen.
struct ActivationQuantizer::VectorPath {
    std::mutex mutex;
    int64_t channels = -1;
    std::shared_ptr<const FusedQuantizer> fused; ///< null where the format has no vector path

    std::shared_ptr<const FusedQuantizer> get(const TensorParameters& parameters)
    {
        std::lock_guard lock(mutex);
        if (parameters.cols != channels) {
            auto made = FusedQuantizer::create(simd::kernels(), parameters);
            fused = made ? std::make_shared<const FusedQuantizer>(std::move(*made)) : nullptr;
            channels = parameters.cols;
        }
        return fused;
    }
};

ActivationQuantizer::ActivationQuantizer(const ActivationScheme& scheme, std::vector<GroupParameters> parameters)
    : m_scheme(scheme)
    , m_parameters(std::move(parameters))
    , m_group(std::make_shared<GroupQuantizer>(matrixScheme(scheme)))
    , m_rounder(m_group)
    , m_vector(std::make_shared<VectorPath>())
{
    if (scheme.granularity == Along::Channel)
        m_columns = GridColumns(m_parameters);
}

Result<ActivationQuantizer> ActivationQuantizer::create(const ActivationScheme& scheme, const InputStatistics* input)
{
    QL_CHECK(scheme.check());
    if (!scheme.isStatic())
        return ActivationQuantizer(scheme, {});
    if (!input)
        return incomplete("activations in " + scheme.text() +
                          " need a calibration; run one, or use a dynamic range "
                          "such as int8,token");
    QL_TRY(const std::vector<ClipLimits> limits, staticLimits(scheme, *input));
    const GroupQuantizer group(matrixScheme(scheme));
    std::vector<GroupParameters> parameters;
    for (const ClipLimits& each : limits)
        parameters.push_back(group.fromLimits(each));
    return ActivationQuantizer(scheme, std::move(parameters));
}

TensorParameters ActivationQuantizer::matrixParameters(int64_t tokens, int64_t channels) const
{
    TensorParameters p;
    p.scheme = m_group->scheme();
    p.rows = tokens;
    p.cols = channels;
    switch (m_scheme.granularity) {
    case Along::Tensor:
        p.groupSize = tokens * channels;
        p.groupsPerRow = 0;
        p.tensorGroup = m_parameters.front();
        break;
    case Along::Channel:
    case Along::Token:
        p.groupSize = channels;
        p.groupsPerRow = 1;
        break;
    case Along::Group:
        p.groupSize = m_scheme.groupSize;
        p.groupsPerRow = ceilDiv(channels, p.groupSize);
        break;
    }
    return p;
}

void ActivationQuantizer::applyDynamic(float* x, int64_t tokens, int64_t channels) const
{
    const int64_t size = m_scheme.granularity == Along::Group ? m_scheme.groupSize : channels;
    for (int64_t row = 0; row < tokens; ++row) {
        for (int64_t first = 0; first < channels; first += size) {
            const std::span group(x + row * channels + first, size_t(std::min(size, channels - first)));
            const GroupParameters p = m_group->fromLimits(chooseLimits(*m_group, group));
            m_rounder.round(group.data(), int64_t(group.size()), p, group.data());
        }
    }
}

void ActivationQuantizer::apply(float* x, int64_t tokens, int64_t channels) const
{
    if (tokens == 0 || channels == 0)
        return;
    if (m_scheme.granularity == Along::Channel) {
        assert(channels == int64_t(m_parameters.size()));
        for (int64_t row = 0; row < tokens; ++row)
            m_rounder.round(x + row * channels, channels, m_columns, x + row * channels);
        return;
    }
    if (m_scheme.granularity == Along::Tensor) {
        m_rounder.round(x, tokens * channels, m_parameters.front(), x);
        return;
    }
    const auto fused = m_vector->get(matrixParameters(tokens, channels));
    if (!fused)
        return applyDynamic(x, tokens, channels);
    FusedScratch scratch;
    ErrorMetrics ignored;
    FusedOutput out;
    out.values = x;
    fused->measure({x, simd::Element::F32}, {0, tokens * channels}, scratch, out, ignored);
}

void ActivationQuantizer::apply(RowMatrix& x) const
{
    apply(x.data(), x.rows(), x.cols());
}

void ActivationQuantizer::measure(const RowMatrix& x, ErrorMetrics& metrics) const
{
    if (m_scheme.granularity != Along::Channel) {
        metrics.merge(TensorQuantizer(matrixParameters(x.rows(), x.cols())).measureRows(x.data(), 0, x.rows()));
        return;
    }
    RowMatrix hat = x;
    apply(hat);
    ErrorMetrics part = compare(x.data(), hat.data(), x.size());
    part.occupancy.resize(m_group->levelCount());
    for (Eigen::Index i = 0; i < x.size(); ++i) {
        const GroupParameters& p = m_parameters[size_t(i % x.cols())];
        const float value = x.data()[i];
        if (!std::isfinite(value))
            continue;
        part.clipped += m_group->clips(value, p);
        ++part.occupancy[size_t(m_group->nearestLevel(value, p))];
    }
    part.bytes = storedBytes(m_group->scheme(), x.cols(), x.rows());
    metrics.merge(part);
}

} // namespace ql
