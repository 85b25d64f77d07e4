// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// NetworkConfig: everything that the forward pass must know besides the weights, read from config.json or from GGUF
// metadata. Sources: Hugging Face transformers' configurations, llama.cpp's GGUF keys. A value; any thread.
#pragma once

#include "core/model/model.h"
#include "core/nn/activation.h"

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
    std::vector<double> shortFactors, longFactors; ///< LongRoPE: divisors, one per pair; long beyond originalContext

    /// Radians per position of each rotated pair, for a sequence of `length` tokens, and the factor of cos and sin.
    std::vector<double> frequencies(int64_t length, double* attention = nullptr) const;
};

struct NetworkConfig {
    enum class Norm : uint8_t { Rms, Layer };
    using Activation = ql::Activation;
    /// Where a block normalises: before its two parts (Llama, GPT-2), after their residual sums (BERT, OPT-350m), or
    /// before and after each part (Gemma 2).
    enum class NormPlacement : uint8_t { Before, After, Sandwich };
    /// In which order a fused q, k, v matrix holds its output channels: all q, all k, all v; or per head q, k, v.
    enum class QkvOrder : uint8_t { Thirds, PerHead };

    std::string architecture;
    int layers = 0, hidden = 0, intermediate = 0;
    int heads = 0, kvHeads = 0, headDim = 0;
    int64_t vocabulary = 0;
    int64_t context = 0; ///< longest sequence the model was made for
    Norm norm = Norm::Rms;
    NormPlacement placement = NormPlacement::Before;
    double normEpsilon = 1e-6;
    bool normOffsetOne = false; ///< stored RMS weights are w - 1 (Gemma in Hugging Face files)
    bool finalNorm = true;      ///< after the last block
    Activation activation = Activation::Silu;
    bool gatedMlp = true;
    bool fusedQkv = false, fusedGateUp = false; ///< one matrix where other families have several
    QkvOrder qkvOrder = QkvOrder::Thirds;
    bool pairedRotary = false;  ///< q and k are stored for rotating neighbours (GGUF's llama): undone on loading
    bool queryKeyNorm = false;  ///< RMS norm of each head's q and k before the rotary embedding
    bool queryKeyValueBias = false, linearBias = false; ///< biases that must be there; others are used where present
    bool parallelResidual = false;
    bool causal = true;
    bool hasHead = true;        ///< false: an encoder
    bool tiedHead = false;
    bool learnedPositions = false;
    bool embeddingNorm = false, tokenTypes = false; ///< BERT: type 0 everywhere
    int embeddingSize = 0;      ///< of a token; unless it is `hidden`, two matrices project to it and back (OPT-350m)
    RopeConfig rope;                 ///< of global layers
    std::vector<int64_t> windows;    ///< per layer: sliding window in tokens, 0 for none
    double embeddingScale = 1;
    double attentionScale = 0;       ///< of q k^T
    bool scaledByLayer = false;      ///< attentionScale / (layer + 1)
    double attentionSoftcap = 0, logitSoftcap = 0; ///< 0: none
    int experts = 0, expertsUsed = 0; ///< in blocks that have them; each token goes through `expertsUsed` of them
    int expertIntermediate = 0;
    int sharedIntermediate = 0;       ///< of the expert that every token goes through; 0: none
    bool normaliseExperts = false;    ///< the chosen experts' probabilities are made to sum to 1
    std::vector<bool> expertLayers;   ///< per layer: experts in place of one MLP; may be empty
    int positionOffset = 0;          ///< of learned positions (OPT: 2); rows of the position table before position 0

    int64_t queryChannels() const { return int64_t(heads) * headDim; }
    int64_t keyChannels() const { return int64_t(kvHeads) * headDim; }
    bool hasExperts(int layer) const { return size_t(layer) < expertLayers.size() && expertLayers[size_t(layer)]; }

    /// Unsupported (one line that names the family) for what the forward pass does not know, ConfigInvalid for missing
    /// or contradictory entries.
    static Result<NetworkConfig> of(const Model& model);
};

} // namespace ql
