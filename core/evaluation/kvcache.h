// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Quantized KV cache: what keys and values look like after storage, and what that costs. Stateless; any thread.
#pragma once

#include "core/compute/analysis.h"
#include "core/nn/network.h"
#include "core/quant/kvscheme.h"

namespace ql {

/// Keys and values as later queries see them under `scheme`.
CachedView quantizeCache(const KvScheme& scheme, const AttentionShape& shape, const RowMatrix& keys,
                         const RowMatrix& values);

/// The cache of one layer over all sequences that were run.
struct KvLayerStudy {
    int layer = 0;
    std::optional<KvScheme> scheme;
    Shared<Distribution> keys, values; ///< all tokens, heads and channels
    std::vector<float> keyChannelAbsMax, valueChannelAbsMax; ///< kvHeads * headDim: the outlier picture
    double keySqnrDb = 0, valueSqnrDb = 0;
    /// Attention output with the quantized cache against the same queries with the original one.
    double outputRelativeError = 0, outputSqnrDb = 0;
    std::vector<double> positionError; ///< relative error of attention output at each position, mean over sequences
};
struct KvStudy {
    Provenance provenance;
    uint64_t tokens = 0;
    double bitsPerElement = 0; ///< mean over layers; 16 where kept
    std::vector<KvLayerStudy> layers;
};

/// `schemeOf(layer)`: nothing keeps that layer's cache.
Result<Shared<KvStudy>> studyKvCache(const Network& network, std::span<const TokenIds> sequences,
                                     const std::function<std::optional<KvScheme>(int layer)>& schemeOf, ThreadPool& pool,
                                     const JobControl& job);

} // namespace ql
