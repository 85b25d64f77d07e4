// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NetworkConfig: everything that the forward pass must know besides the weights, read from config.json or from GGUF
// metadata. Sources: Hugging Face transformers' configurations, llama.cpp's GGUF keys. A value; any thread.
#pragma once

#include "core/model/model.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ql {

struct RopeConfig {
    enum class Scaling : uint8_t { None, Linear, Dynamic, Llama3, Yarn, LongRope };
    int dimensions = 0; ///< leading dimensions of a head that rotate; 0: no rotary embedding
    double theta = 10000;
    Scaling scaling = Scaling::None;
    double factor = 1;
    double lowFrequencyFactor = 1, highFrequencyFactor = 4; ///< Llama 3
    double betaFast = 32, betaSlow = 1;                     ///< YaRN
    bool truncate = true;
    double attentionFactor = 0; ///< of cosine and sine; 0: the scaling's own rule
    int64_t originalContext = 0;
    std::vector<double> shortFactors, longFactors; ///< LongRoPE, one per pair

    /// Radians per position of each rotated pair, for a sequence of `length` tokens, and the factor of cos and sin.
    std::vector<double> frequencies(int64_t length, double* attention = nullptr) const;
};

struct NetworkConfig {
    enum class Norm : uint8_t { Rms, Layer };
    enum class Activation : uint8_t { Silu, Gelu, GeluTanh, Relu };
    /// Where a block normalises: before its two parts (Llama, GPT-2), after their residual sums (BERT, OPT-350m), or
    /// before and after each part (Gemma 2).
    enum class NormPlacement : uint8_t { Before, After, Sandwich };

    std::string architecture;
    int layers = 0, hidden = 0, intermediate = 0;
    int heads = 0, kvHeads = 0, headDim = 0;
    int64_t vocabulary = 0;
    int64_t context = 0; ///< longest sequence the model was made for
    Norm norm = Norm::Rms;
    NormPlacement placement = NormPlacement::Before;
    double normEpsilon = 1e-6;
    bool normOffsetOne = false; ///< stored RMS weights are w - 1 (Gemma in Hugging Face files)
    Activation activation = Activation::Silu;
    bool gatedMlp = true;
    bool parallelResidual = false;
    bool causal = true;
    bool tiedHead = false;
    RopeConfig rope;                 ///< of global layers
    std::vector<int64_t> windows;    ///< per layer: sliding window in tokens, 0 for none
    double embeddingScale = 1;
    double attentionScale = 0;       ///< of q k^T
    double attentionSoftcap = 0, logitSoftcap = 0; ///< 0: none
    int positionOffset = 0;          ///< of learned positions (OPT: 2); rows of the position table before position 0

    /// Unsupported (one line that names the family) for what the forward pass does not know, ConfigInvalid for missing
    /// or contradictory entries.
    static Result<NetworkConfig> of(const Model& model);
};

} // namespace ql
