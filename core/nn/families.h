// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What distinguishes the families that the forward pass knows, as far as no configuration says it; one row each.
// Sources: Hugging Face transformers' models, llama.cpp's graphs.
#pragma once

#include "core/nn/networkconfig.h"

#include <span>

namespace ql {

struct NetworkFamily {
    std::string_view architecture;
    std::string_view label;
    NetworkConfig traits; ///< what NetworkConfig starts from
    bool rotary = false;
    bool tiedByDefault = false;
    double rotaryShare = 1; ///< of a head's dimensions, where the configuration does not say
};

std::span<const NetworkFamily> networkFamilies();
/// Null for families that the forward pass does not know.
const NetworkFamily* findNetworkFamily(std::string_view architecture);

class ConfigReader;
/// What both sources of a configuration share once their entries are read: ConfigInvalid when they contradict.
Status checkConfig(const NetworkConfig& config, const std::string& where);

/// From config.json.
Result<NetworkConfig> configFromHuggingFace(const Model& model, const NetworkFamily& family);
/// From GGUF metadata and its rotary tensors.
Result<NetworkConfig> configFromGguf(const Model& model, const NetworkFamily& family);

/// Bounds that no model comes near; they keep absurd entries from becoming allocations.
inline constexpr int64_t kMostLayers = 9999, kMostChannels = 1 << 24, kMostHeads = 1 << 16, kMostHeadDim = 1 << 16,
                         kMostExperts = 9999,
                         kMostTokens = int64_t(1) << 31;

} // namespace ql
