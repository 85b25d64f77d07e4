// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Frequencies of the rotary embedding and its scalings: linear, dynamic NTK, Llama 3, YaRN (arXiv:2309.00071),
// LongRoPE (arXiv:2402.13753), with the constants of Hugging Face transformers.
#include "core/nn/networkconfig.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ql {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

double llama3Scaled(const RopeConfig& rope, double frequency)
{
    const double turns = double(rope.originalContext) * frequency / kTurn; // within the original context
    if (turns < rope.lowFrequencyFactor)
        return frequency / rope.factor;
    if (turns > rope.highFrequencyFactor)
        return frequency;
    const double share = (turns - rope.lowFrequencyFactor) / (rope.highFrequencyFactor - rope.lowFrequencyFactor);
    return (1 - share) * frequency / rope.factor + share * frequency;
}

/// The pair that turns `turns` times within the original context.
double pairOfTurns(const RopeConfig& rope, double turns)
{
    return rope.dimensions * std::log(double(rope.originalContext) / (turns * kTurn)) / (2 * std::log(rope.theta));
}

void scaleYarn(const RopeConfig& rope, std::vector<double>& frequencies)
{
    double low = pairOfTurns(rope, rope.betaFast);
    double high = pairOfTurns(rope, rope.betaSlow);
    if (rope.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, double(rope.dimensions - 1));
    if (low == high)
        high += 0.001;
    for (size_t j = 0; j < frequencies.size(); ++j) {
        const double ramp = std::clamp((double(j) - low) / (high - low), 0.0, 1.0);
        frequencies[j] *= ramp / rope.factor + (1 - ramp);
    }
}

double ownAttentionFactor(const RopeConfig& rope)
{
    if (rope.factor <= 1)
        return 1;
    if (rope.scaling == RopeConfig::Scaling::Yarn)
        return 0.1 * std::log(rope.factor) + 1;
    if (rope.scaling == RopeConfig::Scaling::LongRope)
        return std::sqrt(1 + std::log(rope.factor) / std::log(double(rope.originalContext)));
    return 1;
}

} // namespace

std::vector<double> RopeConfig::frequencies(int64_t length, double* attention) const
{
    double base = theta;
    if (scaling == Scaling::Dynamic && length > originalContext && dimensions > 2) {
        const double stretch = factor * double(length) / double(originalContext) - (factor - 1);
        base *= std::pow(stretch, double(dimensions) / (dimensions - 2));
    }
    std::vector<double> frequencies(static_cast<size_t>(dimensions / 2));
    const std::vector<double>& divisors = length > originalContext ? longFactors : shortFactors;
    for (size_t j = 0; j < frequencies.size(); ++j) {
        double& frequency = frequencies[j] = std::pow(base, -2.0 * double(j) / dimensions);
        if (scaling == Scaling::Linear)
            frequency /= factor;
        if (scaling == Scaling::Llama3)
            frequency = llama3Scaled(*this, frequency);
        if (scaling == Scaling::LongRope)
            frequency /= divisors[j];
    }
    if (scaling == Scaling::Yarn)
        scaleYarn(*this, frequencies);
    if (attention)
        *attention = attentionFactor > 0 ? attentionFactor : ownAttentionFactor(*this);
    return frequencies;
}

} // namespace ql
