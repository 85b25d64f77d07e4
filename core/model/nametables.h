// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The naming tables of the model families; a detail of names.cpp. Names follow Hugging Face transformers and
// llama.cpp's gguf-py.
#pragma once

#include "core/model/role.h"

#include <span>
#include <string_view>

namespace ql {

/// One module. "{}" stands for a number (layer, then expert), a leading "~" for the family's prefix; suffixes such as
/// ".weight" are not part of it.
struct NameRow {
    std::string_view hf;   ///< empty when only GGUF has it
    std::string_view gguf; ///< empty when GGUF has none
    TensorRole role;
    bool transposed = false;
};

struct NameFamily {
    std::string_view architecture;
    std::string_view gguf;           ///< general.architecture; empty when llama.cpp has no such family
    std::string_view prefix;         ///< what "~" stands for; files of bare base models leave it out
    std::span<const NameRow> own;    ///< looked at first
    std::span<const NameRow> common; ///< shared with related families
};

std::span<const NameFamily> nameFamilies();
/// Null when not known.
const NameFamily* findFamily(std::string_view architecture);
/// GGUF names mean the same in every family, except where a family's own rows say otherwise.
std::span<const NameRow> ggufRows();

/// Suffixes of tensors that belong to a quantized weight without being one: scales, zero points, group indices.
std::span<const std::string_view> companionSuffixes();

struct ArchitectureMarker {
    std::string_view pattern; ///< a module that only this family has, among those listed after it
    std::string_view architecture;
};
/// In the order in which they are tried.
std::span<const ArchitectureMarker> architectureMarkers();

struct ArchitectureAlias {
    std::string_view name; ///< a model_type, or the beginning of a class name
    std::string_view architecture;
};
std::span<const ArchitectureAlias> modelTypeAliases();
std::span<const ArchitectureAlias> classPrefixes();

} // namespace ql
