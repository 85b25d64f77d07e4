// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/storedscheme.h"

#include "core/model/packedweight.h"

#include <utility>

namespace ql {

std::optional<Scheme> storedScheme(const TensorInfo& tensor)
{
    static constexpr std::pair<DType, Format> kFormats[] = {
        {DType::F32, Format::F32},       {DType::F16, Format::F16},   {DType::BF16, Format::BF16},
        {DType::Q4_0, Format::Q4_0},     {DType::Q4_1, Format::Q4_1}, {DType::Q5_0, Format::Q5_0},
        {DType::Q5_1, Format::Q5_1},     {DType::Q8_0, Format::Q8_0}, {DType::IQ4_NL, Format::IQ4_NL},
        {DType::Q2_K, Format::Q2_K},     {DType::Q3_K, Format::Q3_K}, {DType::Q4_K, Format::Q4_K},
        {DType::Q5_K, Format::Q5_K},     {DType::Q6_K, Format::Q6_K}, {DType::IQ4_XS, Format::IQ4_XS},
        {DType::MXFP4, Format::MXFP4},   {DType::NVFP4, Format::NVFP4},
    };
    if (tensor.packed)
        return tensor.packed->scheme;
    for (const auto& [type, format] : kFormats) {
        if (type == tensor.dtype)
            return Scheme::defaultsFor(format);
    }
    return std::nullopt;
}

bool isStoredQuantized(const TensorInfo& tensor)
{
    return tensor.packed || dtypeInfo(tensor.dtype).ggmlBlock;
}

} // namespace ql
