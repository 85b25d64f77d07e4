// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/export/exportvalues.h"

#include "core/model/storedscheme.h"
#include "core/tensor/floats.h"

#include <cstring>

namespace ql {

DType valueType(DType stored)
{
    switch (stored) {
    case DType::F64:
    case DType::F32:
    case DType::F16:
    case DType::BF16:
        return stored;
    default:
        return DType::F16;
    }
}

DType floatType(Format format)
{
    return format == Format::F32 ? DType::F32 : format == Format::BF16 ? DType::BF16 : DType::F16;
}

std::vector<std::byte> encodeFloats(std::span<const float> values, DType type)
{
    std::vector<std::byte> out(values.size() * size_t(dtypeInfo(type).blockBytes));
    if (type == DType::F32) {
        std::memcpy(out.data(), values.data(), out.size());
    } else if (type == DType::F64) {
        const std::vector<double> wide(values.begin(), values.end());
        std::memcpy(out.data(), wide.data(), out.size());
    } else {
        const std::span target(reinterpret_cast<uint16_t*>(out.data()), values.size());
        type == DType::BF16 ? floatToBf16(values, target) : floatToHalf(values, target);
    }
    return out;
}

void addWarnings(PlanEntry& entry, const TensorInfo& tensor)
{
    const Decision& decision = entry.decision;
    if (decision.asStored || decision.scheme.keepsFloat())
        return;
    if (isStoredQuantized(tensor))
        entry.warnings.push_back("requantizing " + tensor.typeLabel() + " adds to its error");
    if (tensor.role == TensorRole::Norm)
        entry.warnings.push_back("norms are small and sensitive; quantizing them saves almost nothing");
}

} // namespace ql
