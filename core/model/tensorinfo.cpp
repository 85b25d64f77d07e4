// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/tensorinfo.h"

#include "core/model/packedweight.h"

namespace ql {

uint64_t TensorInfo::parameters() const
{
    return elementCount(shape).value_or(0);
}

int64_t TensorInfo::rows() const
{
    if (shape.size() < 2)
        return 1;
    if (transposed)
        return shape.back();
    return int64_t(elementCount(Shape(shape.begin(), shape.end() - 1)).value_or(0));
}

int64_t TensorInfo::cols() const
{
    if (shape.empty())
        return 1;
    if (transposed && shape.size() >= 2)
        return int64_t(elementCount(Shape(shape.begin(), shape.end() - 1)).value_or(0));
    return shape.back();
}

std::string TensorInfo::typeLabel() const
{
    return packed ? packed->label : std::string(dtypeInfo(dtype).name);
}

} // namespace ql
