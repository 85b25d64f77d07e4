// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/base/format.h"

#include <array>
#include <charconv>
#include <cmath>

namespace ql {
namespace {

template <class T>
std::string exact(T value)
{
    std::array<char, 64> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    return {buffer.data(), end};
}

/// Value with `decimals` digits behind the point.
std::string fixedPoint(double value, int decimals)
{
    std::array<char, 400> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals).ptr;
    return {buffer.data(), end};
}

std::string scaled(double value, std::initializer_list<const char*> units, const char* plainUnit)
{
    const char* unit = plainUnit;
    for (const char* larger : units) {
        if (value < 999.5)
            break;
        value /= 1000;
        unit = larger;
    }
    const int decimals = unit == plainUnit ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    const std::string text = fixedPoint(value, decimals);
    return *unit ? text + ' ' + unit : text;
}

} // namespace

std::string formatSignificant(double value, int digits)
{
    if (std::isnan(value))
        return "nan";
    if (std::isinf(value))
        return value > 0 ? "inf" : "-inf";
    if (value == 0)
        return "0";
    std::array<char, 64> buffer;
    const auto end =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific, digits - 1).ptr;
    const std::string rounded(buffer.data(), end);
    const int exponent = std::stoi(rounded.substr(rounded.find('e') + 1)); // of what is shown: 0.9999 is 1.00
    if (exponent < -4 || exponent > 6)
        return rounded;
    return fixedPoint(value, std::max(0, digits - 1 - exponent));
}

std::string formatBytes(uint64_t bytes)
{
    return scaled(double(bytes), {"kB", "MB", "GB", "TB", "PB", "EB"}, "B");
}

std::string formatCount(uint64_t count)
{
    return scaled(double(count), {"k", "M", "B", "T"}, "");
}

std::string formatShape(const int64_t* dims, size_t rank)
{
    std::string text = "[";
    for (size_t i = 0; i < rank; ++i)
        text += (i ? ", " : "") + std::to_string(dims[i]);
    return text + "]";
}

std::string formatDuration(double seconds)
{
    if (!(seconds >= 0) || seconds > 1e9)
        return "?";
    const long whole = std::lround(seconds);
    if (whole < 60)
        return std::to_string(whole) + " s";
    if (whole < 3600)
        return std::to_string(whole / 60) + " min" + (whole % 60 ? ' ' + std::to_string(whole % 60) + " s" : "");
    return std::to_string(whole / 3600) + " h" + (whole / 60 % 60 ? ' ' + std::to_string(whole / 60 % 60) + " min" : "");
}

std::string formatExact(double value)
{
    return exact(value);
}

std::string formatExact(float value)
{
    return exact(value);
}

} // namespace ql
