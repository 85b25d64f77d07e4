// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tensor/shape.h"

#include "core/base/checked.h"
#include "core/base/format.h"

namespace ql {

std::optional<uint64_t> elementCount(const Shape& shape)
{
    uint64_t count = 1;
    for (const int64_t dim : shape) {
        if (dim < 0)
            return std::nullopt;
        const auto product = checkedMul(count, uint64_t(dim));
        if (!product)
            return std::nullopt;
        count = *product;
    }
    return count;
}

std::string toString(const Shape& shape)
{
    return formatShape(shape.data(), shape.size());
}

} // namespace ql
