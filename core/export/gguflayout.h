// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors a GGUF file gets from a model: names, types and orders as llama.cpp wants them (gguf-py,
// convert_hf_to_gguf). Values; any thread.
#pragma once

#include "core/export/exporter.h"
#include "core/nn/plan.h"

#include <string>
#include <vector>

namespace ql {

/// One tensor of the target file.
struct GgufPart {
    std::string name;
    DType dtype = DType::F32;
    Shape shape;
    std::vector<int> sources;  ///< tensors of the model, one behind the other (experts); empty: `values`
    std::vector<float> values; ///< what the source says in its configuration: divisors of the rotary embedding
    bool raw = false;          ///< the stored bytes as they are
    int piece = -1;            ///< which of the stored tensors of a packed weight, where they are copied one by one
    bool quantized = false;    ///< into blocks by its decision's scheme; else values are cast to `dtype`
    RowOrder order = RowOrder::AsStored; ///< that the file's rows have and the source's have not
    int heads = 0;                       ///< that share the rows, where the order matters
    float offset = 0;                    ///< added to every value (Gemma's norms)
    int file = 1;                        ///< of a model that is written in parts
};

struct GgufLayout {
    std::vector<GgufPart> parts;
    std::vector<Decision> decisions;   ///< one per tensor of the model, as they are carried out
    std::vector<std::string> warnings; ///< what has no place in the file
};

/// The GGUF type of a scheme; nothing where GGUF has none.
std::optional<DType> ggufTypeOf(const Scheme& scheme);

/// From a GGUF model: every tensor under its name.
GgufLayout layOutGguf(const Model& model, std::vector<Decision> decisions);
/// From any other model, by its family's names. Unsupported where llama.cpp's family computes otherwise, SizeMismatch
/// for experts that are not alike.
Result<GgufLayout> layOutGguf(const Model& model, const NetworkConfig& config, std::vector<Decision> decisions);

} // namespace ql
