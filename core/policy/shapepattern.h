// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ShapePattern: which matrix shapes a rule applies to, as "ROWSxCOLS" with output channels first, whatever the file's
// order: "4096x*", "*x1024-", "*x!%256". A small comparable value.
#pragma once

#include "core/base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace ql {

struct ShapePattern {
    /// One side: "*" (any), "4096", "1024-4096", "1024-" (at least), "-4096" (at most), "%256" (a multiple), "!%256" (no
    /// multiple).
    struct Side {
        int64_t least = 0, most = -1; ///< inclusive; -1: no limit
        int64_t divisor = 0;          ///< 0: any
        bool multiple = true;         ///< of the divisor, or just not
        bool matches(int64_t size) const;
        friend bool operator==(const Side&, const Side&) = default;
    };
    Side rows, cols;

    bool any() const { return *this == ShapePattern(); }
    bool matches(int64_t rowCount, int64_t colCount) const { return rows.matches(rowCount) && cols.matches(colCount); }
    std::string text() const; ///< "*x*" for any
    /// PolicyBadRule, saying what is expected.
    static Result<ShapePattern> parse(std::string_view text);
    friend bool operator==(const ShapePattern&, const ShapePattern&) = default;
};

} // namespace ql
