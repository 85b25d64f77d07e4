// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Believable calibrations without a forward pass: seeded normal values, tokens of different strength, and a few outlier
// channels. Real objects, made by the accumulator.
#pragma once

#include "core/calibration/accumulator.h"

#include <cmath>
#include <random>

namespace ql::test {

struct SampleInput {
    int64_t channels = 64;
    int sequences = 4;
    int64_t length = 32;         ///< tokens of a sequence
    int64_t outlierEvery = 29;   ///< channels 3, 3 + outlierEvery ... are `outlierFactor` times as large; 0: none
    float outlierFactor = 20;
    int64_t sampleRows = 64;
    bool gram = true;
    uint64_t seed = 1;
};

inline RowMatrix sampleSequence(const SampleInput& wanted, int sequence)
{
    std::mt19937_64 random(wanted.seed * 1000 + uint64_t(sequence));
    std::normal_distribution<float> normal;
    RowMatrix x(wanted.length, wanted.channels);
    for (int64_t t = 0; t < x.rows(); ++t) {
        const float strength = std::exp(0.25f * normal(random));
        for (int64_t c = 0; c < x.cols(); ++c) {
            const bool outlier = wanted.outlierEvery > 0 && c % wanted.outlierEvery == 3;
            x(t, c) = (outlier ? wanted.outlierFactor : 1.0f) * strength * normal(random);
        }
    }
    return x;
}

inline InputStatistics sampleInput(const SampleInput& wanted, std::vector<std::string> tensors, int layer)
{
    ThreadPool pool(1);
    InputAccumulator accumulator({wanted.channels, wanted.sampleRows, wanted.gram, wanted.seed});
    for (int s = 0; s < wanted.sequences; ++s)
        accumulator.add({s, 0, wanted.length}, sampleSequence(wanted, s), pool);
    InputStatistics input = accumulator.finish();
    input.tensors = std::move(tensors);
    input.layer = layer;
    return input;
}

/// Linears of one block that share their input in most families: q, k and v; gate and up.
inline int sharedInput(TensorRole role)
{
    switch (role) {
    case TensorRole::AttnQ:
    case TensorRole::AttnK:
    case TensorRole::AttnV: return int(TensorRole::AttnQ);
    case TensorRole::MlpUp:
    case TensorRole::MlpGate: return int(TensorRole::MlpGate);
    default: return int(role);
    }
}

/// An input for every linear layer of `model` (its output head included).
inline std::shared_ptr<const Calibration> sampleCalibration(const Model& model, SampleInput wanted = {})
{
    struct Group {
        std::vector<std::string> tensors;
        int64_t channels;
    };
    std::map<std::pair<int, int>, Group> groups;
    for (const TensorInfo& tensor : model.tensors()) {
        if (tensor.isMatrix() && (isLinear(tensor.role) || tensor.role == TensorRole::LmHead)) {
            Group& group = groups[{tensor.layer, sharedInput(tensor.role)}];
            group.tensors.push_back(tensor.name);
            group.channels = tensor.cols();
        }
    }
    std::vector<InputStatistics> inputs;
    for (auto& [place, group] : groups) {
        wanted.channels = group.channels;
        ++wanted.seed;
        inputs.push_back(sampleInput(wanted, std::move(group.tensors), place.first));
    }
    CalibrationSource source = CalibrationSource::of("forward pass", model);
    source.text = "sample.txt (SHA-256 0123456789abcdef)";
    source.sequences = uint64_t(wanted.sequences);
    source.length = uint64_t(wanted.length);
    source.tokens = source.sequences * source.length;
    source.seed = 1;
    return std::make_shared<const Calibration>(std::move(source), std::move(inputs));
}

} // namespace ql::test
