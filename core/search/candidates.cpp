// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/search/candidates.h"

#include "core/quant/schemetable.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace ql {
namespace {

std::string_view trimmed(std::string_view text)
{
    const size_t first = text.find_first_not_of(' ');
    return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(' ') - first + 1);
}

void addOnce(std::vector<Scheme>& schemes, const Scheme& scheme)
{
    if (std::find(schemes.begin(), schemes.end(), scheme) == schemes.end())
        schemes.push_back(scheme);
}

/// Factor of "kB", "MiB" ... in lower case; 0 for anything else.
double unitFactor(const std::string& unit)
{
    if (unit.empty() || unit == "b")
        return 1;
    const size_t power = std::string_view("kmgt").find(unit[0]);
    if (power == std::string_view::npos)
        return 0;
    const std::string rest = unit.substr(1);
    return rest == "b" ? std::pow(1000.0, double(power + 1)) : rest == "ib" ? std::pow(1024.0, double(power + 1)) : 0;
}

} // namespace

Scheme candidateOf(Format format)
{
    Scheme scheme = Scheme::defaultsFor(format);
    if (traits(format).kind == FormatKind::Integer)
        scheme.clip = ClipMethod::Mse;
    return scheme;
}

std::vector<Scheme> defaultCandidates()
{
    std::vector<Scheme> schemes;
    for (const FormatTraits& row : schemeTable()) {
        if (row.kind == FormatKind::Integer || row.format == Format::NF4)
            schemes.push_back(candidateOf(row.format));
    }
    return schemes;
}

Result<std::vector<Scheme>> parseCandidates(std::string_view text)
{
    std::vector<Scheme> schemes;
    for (size_t start = 0; start <= text.size();) {
        const size_t end = std::min(text.find(';', start), text.size());
        const std::string_view one = trimmed(text.substr(start, end - start));
        start = end + 1;
        if (one.empty())
            continue;
        const auto scheme = Scheme::parse(one);
        if (!scheme.ok())
            return Error{scheme.error().code, scheme.error().message, "candidate \"" + std::string(one) + "\""};
        addOnce(schemes, scheme->normalized());
    }
    if (schemes.empty())
        return Error{ErrorCode::EmptySelection, "there are no candidates to choose from", {}};
    return schemes;
}

Result<std::vector<Scheme>> crossCandidates(std::span<const Scheme> schemes, std::span<const int> groupSizes,
                                            std::span<const std::string> clips)
{
    std::vector<Scheme> crossed;
    for (const Scheme& base : schemes) {
        const FormatTraits& row = traits(base.format);
        std::vector<Scheme> grouped{base};
        if (row.choosesGranularity && !groupSizes.empty()) {
            grouped.clear();
            for (const int size : groupSizes) {
                Scheme scheme = base;
                scheme.granularity = Granularity::Group;
                scheme.groupSize = size;
                grouped.push_back(scheme);
            }
        }
        for (const Scheme& scheme : grouped) {
            if (!row.choosesClip || clips.empty()) {
                QL_CHECK(scheme.check());
                addOnce(crossed, scheme.normalized());
                continue;
            }
            for (const std::string& clip : clips) {
                QL_TRY(const Scheme parsed, Scheme::parse("int8,clip=" + clip));
                Scheme clipped = scheme;
                clipped.clip = parsed.clip;
                clipped.clipParameter = parsed.clipParameter;
                QL_CHECK(clipped.check());
                addOnce(crossed, clipped.normalized());
            }
        }
    }
    return crossed;
}

Result<uint64_t> parseByteSize(std::string_view text)
{
    const std::string_view number = trimmed(text);
    double value = 0;
    const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), value);
    std::string unit(trimmed({end, size_t(number.data() + number.size() - end)}));
    std::transform(unit.begin(), unit.end(), unit.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    const double bytes = value * unitFactor(unit);
    if (problem != std::errc() || !(bytes >= 1) || bytes >= 0x1p63)
        return Error{ErrorCode::InvalidArgument,
                     "\"" + std::string(text) + "\" is no size; write 1.5GB, 800MB, 1.5GiB or a number of bytes", {}};
    return uint64_t(bytes);
}

} // namespace ql
