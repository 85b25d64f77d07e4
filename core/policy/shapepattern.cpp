// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/shapepattern.h"

#include <charconv>
#include <optional>

namespace ql {
namespace {

/// A whole number of at least 1 that fills `text`.
std::optional<int64_t> sizeIn(std::string_view text)
{
    int64_t value = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (problem != std::errc() || end != text.data() + text.size() || value < 1)
        return std::nullopt;
    return value;
}

std::optional<ShapePattern::Side> parseSide(std::string_view text)
{
    ShapePattern::Side side;
    if (text == "*")
        return side;
    side.multiple = !text.starts_with('!');
    if (!side.multiple)
        text.remove_prefix(1);
    if (!side.multiple || text.starts_with('%')) {
        const auto divisor = text.starts_with('%') ? sizeIn(text.substr(1)) : std::nullopt;
        if (!divisor)
            return std::nullopt;
        side.divisor = *divisor;
        return side;
    }
    const size_t dash = text.find('-');
    if (text == "-")
        return std::nullopt;
    if (dash != 0) {
        const auto least = sizeIn(text.substr(0, dash));
        if (!least)
            return std::nullopt;
        side.least = *least;
        side.most = dash == std::string_view::npos ? *least : -1;
    }
    if (dash != std::string_view::npos && dash + 1 < text.size()) {
        const auto most = sizeIn(text.substr(dash + 1));
        if (!most || *most < side.least)
            return std::nullopt;
        side.most = *most;
    }
    return side;
}

std::string sideText(const ShapePattern::Side& side)
{
    if (side.divisor > 0)
        return (side.multiple ? "%" : "!%") + std::to_string(side.divisor);
    if (side.least <= 0 && side.most < 0)
        return "*";
    if (side.least == side.most)
        return std::to_string(side.least);
    return (side.least > 0 ? std::to_string(side.least) : "") + "-" + (side.most >= 0 ? std::to_string(side.most) : "");
}

} // namespace

bool ShapePattern::Side::matches(int64_t size) const
{
    return size >= least && (most < 0 || size <= most) && (divisor <= 0 || (size % divisor == 0) == multiple);
}

std::string ShapePattern::text() const
{
    return sideText(rows) + "x" + sideText(cols);
}

Result<ShapePattern> ShapePattern::parse(std::string_view text)
{
    const size_t middle = text.find('x');
    if (middle != std::string_view::npos) {
        const auto rows = parseSide(text.substr(0, middle)), cols = parseSide(text.substr(middle + 1));
        if (rows && cols)
            return ShapePattern{*rows, *cols};
    }
    return Error{ErrorCode::PolicyBadRule,
                 "a shape must be ROWSxCOLUMNS, each like *, 4096, 1024-4096, 1024-, %256 or !%256, not \"" +
                     std::string(text) + "\"",
                 {}};
}

} // namespace ql
