// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/layerfigures.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ql {
namespace {

std::optional<double> badnessOf(std::optional<double> sqnrDb)
{
    return sqnrDb ? std::optional(std::clamp((35 - *sqnrDb) / 30, 0.0, 1.0)) : std::nullopt;
}

} // namespace

LayerFigures LayerFigures::of(const TensorInfo& info)
{
    LayerFigures figures;
    figures.tensors = 1;
    figures.parameters = info.parameters();
    figures.sourceBytes = info.bytes;
    return figures;
}

void LayerFigures::decide(const TensorInfo& info, const Decision& decision)
{
    decided = 1;
    quantized = decision.scheme.keepsFloat() ? 0 : 1;
    decidedParameters = parameters;
    storedBytes = decision.source == Decision::Source::HighPrecision
                      ? info.bytes
                      : ql::storedBytes(decision.scheme, info.rows(), info.cols());
}

void LayerFigures::describe(const Distribution& distribution)
{
    described = 1;
    maxKurtosis = distribution.stats.kurtosis();
    finite = distribution.stats.finite();
    nonFinite = distribution.stats.nans + distribution.stats.infs;
    beyond6Sigma = distribution.beyond6Sigma;
    beyond12Sigma = distribution.beyond12Sigma;
}

void LayerFigures::measure(const std::optional<ErrorMetrics>& metrics)
{
    measured = metrics ? 1 : 0;
    sumSquare = metrics ? metrics->sumSquare : 0;
    sumSquaredError = metrics ? metrics->sumSquaredError : 0;
}

void LayerFigures::propagate(const std::optional<OutputError>& error)
{
    propagated = error ? 1 : 0;
    outputReference = error ? error->reference : 0;
    outputError = error ? error->error : 0;
}

void LayerFigures::attribute(std::optional<double> nats)
{
    attributed = nats ? 1 : 0;
    klNats = nats.value_or(0);
}

void LayerFigures::add(const LayerFigures& other)
{
    tensors += other.tensors;
    decided += other.decided;
    if (other.quantized > 0) { // kept as floats: no error to pool, whether or not someone has looked
        measured += other.measured;
        sumSquare += other.sumSquare;
        sumSquaredError += other.sumSquaredError;
        propagated += other.propagated;
        outputReference += other.outputReference;
        outputError += other.outputError;
        attributed += other.attributed;
        klNats += other.klNats;
    }
    maxKurtosis = described == 0 ? other.maxKurtosis
                  : other.described == 0 ? maxKurtosis
                                         : std::max(maxKurtosis, other.maxKurtosis);
    described += other.described;
    failed += other.failed;
    quantized += other.quantized;
    parameters += other.parameters;
    sourceBytes += other.sourceBytes;
    decidedParameters += other.decidedParameters;
    storedBytes += other.storedBytes;
    finite += other.finite;
    nonFinite += other.nonFinite;
    beyond6Sigma += other.beyond6Sigma;
    beyond12Sigma += other.beyond12Sigma;
}

std::optional<double> LayerFigures::bitsPerWeight() const
{
    if (decided < tensors || decidedParameters == 0)
        return {};
    return 8.0 * double(storedBytes) / double(decidedParameters);
}

std::optional<double> LayerFigures::bytes() const
{
    return decided < tensors ? std::nullopt : std::optional(double(storedBytes));
}

std::optional<double> LayerFigures::sqnrDb() const
{
    if (measured == 0)
        return {};
    return sumSquaredError == 0 ? std::numeric_limits<double>::infinity()
                                : 10 * std::log10(sumSquare / sumSquaredError);
}

std::optional<double> LayerFigures::relativeError() const
{
    if (measured == 0)
        return {};
    return sumSquaredError == 0 ? 0 : std::sqrt(sumSquaredError / sumSquare);
}

std::optional<double> LayerFigures::outputRelativeError() const
{
    if (propagated == 0)
        return {};
    return outputError <= 0 ? 0 : std::sqrt(outputError / outputReference);
}

std::optional<double> LayerFigures::outputSqnrDb() const
{
    if (propagated == 0)
        return {};
    return outputError <= 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(outputReference / outputError);
}

std::optional<double> LayerFigures::kl() const
{
    return attributed == 0 ? std::nullopt : std::optional(klNats);
}

std::optional<double> LayerFigures::kurtosis() const
{
    return described == 0 ? std::nullopt : std::optional(maxKurtosis);
}

std::optional<double> LayerFigures::outliersPpm() const
{
    if (described == 0)
        return {};
    return finite == 0 ? 0 : 1e6 * double(beyond6Sigma) / double(finite);
}

std::optional<double> LayerFigures::badness() const
{
    return badnessOf(sqnrDb());
}

std::optional<double> LayerFigures::outputBadness() const
{
    return badnessOf(outputSqnrDb());
}

std::optional<double> LayerFigures::klBadness() const
{
    if (attributed == 0)
        return {};
    return klNats <= 0 ? 0 : std::clamp((std::log10(klNats) + 5) / 4, 0.0, 1.0);
}

} // namespace ql
