// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/activationscheme.h"

#include "core/base/format.h"
#include "core/quant/schemetable.h"
#include "core/quant/schemetext.h"

#include <array>
#include <cmath>

namespace ql {

namespace {

using Granularity = ActivationScheme::Granularity;
using Range = ActivationScheme::Range;

constexpr std::array<std::string_view, 6> kRangeNames{"minmax", "average", "percentile", "mse", "kl", "abs"};
constexpr std::string_view kKnownOptions = "sym, asym, range=strict|full, tensor, channel, token, group=N, clip=METHOD";
constexpr std::string_view kKnownRanges =
    "clip=minmax clip=average clip=percentile:P clip=mse clip=kl clip=abs:V clip=abs:LO:HI";

Error conflict(const ActivationScheme& scheme, const std::string& option, const std::string& why)
{
    return schemeError(ErrorCode::SchemeConflict,
                       "activations do not take '" + std::string(traits(scheme.format).name) + option + "': " + why);
}

std::string granularityText(const ActivationScheme& scheme)
{
    switch (scheme.granularity) {
    case Granularity::Tensor:
        return "tensor";
    case Granularity::Channel:
        return "channel";
    case Granularity::Token:
        return "token";
    case Granularity::Group:
        return "group=" + std::to_string(scheme.groupSize);
    }
    return {};
}

std::string rangeText(const ActivationScheme& scheme)
{
    std::string text = "clip=" + std::string(kRangeNames[size_t(scheme.range)]);
    if (scheme.range == Range::Absolute && scheme.symmetry == Symmetry::Asymmetric)
        text += ":" + formatExact(scheme.rangeLow);
    if (scheme.range == Range::Absolute || scheme.range == Range::Percentile)
        text += ":" + formatExact(scheme.rangeParameter);
    return text;
}

ActivationScheme defaultsFor(Format format)
{
    ActivationScheme scheme;
    scheme.format = format;
    if (traits(format).kind == FormatKind::Micro) {
        scheme.granularity = Granularity::Group;
        scheme.groupSize = traits(format).blockSize;
    }
    return scheme;
}

/// Reads options one by one into a scheme and remembers which were given.
class OptionReader
{
public:
    explicit OptionReader(Format format) : m_scheme(defaultsFor(format)) {}

    Status read(const SchemeOption& given)
    {
        const auto& [option, key, value, hasValue] = given;
        if (!hasValue && (key == "sym" || key == "asym")) {
            m_scheme.symmetry = key == "sym" ? Symmetry::Symmetric : Symmetry::Asymmetric;
            return m_given.once("sym|asym", option, {});
        }
        if (hasValue && key == "range")
            return m_given.once("range", option, setCodes(option, value));
        if ((!hasValue && (key == "tensor" || key == "channel" || key == "token")) || key == "group")
            return m_given.once("granularity", option, setGranularity(option, key, value));
        if (hasValue && key == "clip")
            return m_given.once("clip", option, setRange(option, value));
        return schemeError(ErrorCode::SchemeBadOption,
                           "unknown option '" + std::string(option) + "'; known: " + std::string(kKnownOptions));
    }

    Result<ActivationScheme> finish()
    {
        if (m_twoLimits && m_scheme.symmetry == Symmetry::Symmetric)
            return conflict(m_scheme, ",clip=abs:LO:HI", "a symmetric range has one limit; write clip=abs:V or asym");
        if (m_scheme.range == Range::Absolute && m_scheme.symmetry == Symmetry::Asymmetric && !m_twoLimits)
            m_scheme.rangeLow = -m_scheme.rangeParameter;
        QL_CHECK(m_scheme.check());
        return m_scheme;
    }

private:
    Status setCodes(std::string_view option, std::string_view value)
    {
        if (value != "strict" && value != "full")
            return badOption(option, "range=strict, range=full");
        m_scheme.codes = value == "strict" ? CodeRange::Strict : CodeRange::Full;
        return {};
    }

    Status setGranularity(std::string_view option, std::string_view key, std::string_view value)
    {
        if (key != "group") {
            m_scheme.granularity = key == "tensor"    ? Granularity::Tensor
                                   : key == "channel" ? Granularity::Channel
                                                      : Granularity::Token;
            return {};
        }
        const auto size = parseSchemeNumber<int>(value);
        if (!size)
            return badOption(option, "group=16 to group=1024");
        m_scheme.granularity = Granularity::Group;
        m_scheme.groupSize = *size;
        return {};
    }

    Status setRange(std::string_view option, std::string_view value)
    {
        std::vector<double> numbers;
        const size_t colon = value.find(':');
        for (size_t at = colon; at < value.size();) {
            const size_t next = std::min(value.find(':', at + 1), value.size());
            const auto number = parseSchemeNumber<double>(value.substr(at + 1, next - at - 1));
            if (!number)
                return badOption(option, kKnownRanges);
            numbers.push_back(*number);
            at = next;
        }
        for (size_t i = 0; i < kRangeNames.size(); ++i) {
            const size_t wanted = Range(i) == Range::Absolute || Range(i) == Range::Percentile ? 1 : 0;
            m_twoLimits = Range(i) == Range::Absolute && numbers.size() == 2;
            if (value.substr(0, colon) != kRangeNames[i] || (numbers.size() != wanted && !m_twoLimits))
                continue;
            m_scheme.range = Range(i);
            m_scheme.rangeParameter = numbers.empty() ? 0 : numbers.back();
            m_scheme.rangeLow = m_twoLimits ? numbers.front() : 0;
            return {};
        }
        return badOption(option, kKnownRanges);
    }

    ActivationScheme m_scheme;
    GivenOptions m_given;
    bool m_twoLimits = false;
};

Status checkRange(const ActivationScheme& scheme)
{
    constexpr double most = 3e38;
    const double p = scheme.rangeParameter;
    const auto bad = [&](const char* valid) {
        return schemeError(ErrorCode::SchemeBadOption, rangeText(scheme) + " is out of range; valid: " + valid);
    };
    if (scheme.range == Range::Percentile && !(p > 50 && p <= 100))
        return bad("more than 50, up to 100");
    if (scheme.range == Range::Absolute && scheme.symmetry == Symmetry::Symmetric && !(p > 0 && p <= most))
        return bad("more than 0, up to 3e38");
    if (scheme.range == Range::Absolute && scheme.symmetry == Symmetry::Asymmetric &&
        !(scheme.rangeLow <= 0 && p >= 0 && p > scheme.rangeLow && p <= most && scheme.rangeLow >= -most))
        return bad("LO <= 0 <= HI, not both 0, magnitudes up to 3e38");
    if (scheme.range == Range::Absolute && !scheme.isStatic() && scheme.symmetry == Symmetry::Asymmetric &&
        scheme.rangeLow != -p)
        return conflict(scheme, "," + rangeText(scheme), "a dynamic range is cut at one magnitude; write clip=abs:V");
    if (scheme.range == Range::Average && !scheme.isStatic())
        return conflict(scheme, ",clip=average",
                        "it averages over calibration sequences, and a dynamic range has none; use tensor or channel");
    if (scheme.range == Range::Kl && scheme.granularity == Granularity::Group)
        return conflict(scheme, ",clip=kl", "a group of one token is too small for a histogram");
    return {};
}

} // namespace

bool ActivationScheme::takes(Format format)
{
    const FormatKind kind = traits(format).kind;
    return kind == FormatKind::Integer || kind == FormatKind::Codebook || kind == FormatKind::Float8 ||
           format == Format::MXFP4;
}

Scheme ActivationScheme::groupScheme() const
{
    Scheme scheme = Scheme::defaultsFor(format);
    scheme.symmetry = symmetry;
    scheme.range = codes;
    if (traits(format).choosesScaleType)
        scheme.scaleType = ScaleType::F32;
    return scheme;
}

Status ActivationScheme::check() const
{
    const FormatTraits& row = traits(format);
    if (format == Format::NVFP4)
        return conflict(*this, "",
                        "it needs one factor for the whole tensor, which a stream of tokens has not; "
                        "use mxfp4 or e2m1,group=16");
    if (!takes(format))
        return conflict(*this, "",
                        row.kind == FormatKind::Keep ? "it has no grid; write \"keep\" for full precision"
                                                     : "it is a storage layout of weights");
    if (symmetry == Symmetry::Asymmetric && !row.choosesSymmetry)
        return conflict(*this, ",asym", "only integers have zero points");
    if (codes == CodeRange::Full && (!row.choosesRange || symmetry == Symmetry::Asymmetric))
        return conflict(*this, ",range=full", "it is for symmetric integers");
    if (!row.choosesGranularity && (granularity != Granularity::Group || groupSize != row.blockSize))
        return conflict(*this, "," + granularityText(*this), "the format fixes its groups");
    if (granularity == Granularity::Group && (groupSize < 16 || groupSize > 1024))
        return schemeError(ErrorCode::SchemeBadOption,
                           "group=" + std::to_string(groupSize) + " is out of range; valid: group=16 to group=1024");
    if (!row.choosesClip && range != Range::MinMax)
        return conflict(*this, "," + rangeText(*this), "the format fixes its limits");
    return checkRange(*this);
}

std::string ActivationScheme::text() const
{
    const ActivationScheme usual = defaultsFor(format);
    std::string out(traits(format).name);
    if (symmetry != usual.symmetry)
        out += ",asym";
    if (codes != usual.codes)
        out += ",range=full";
    const bool otherGroup = granularity == Granularity::Group && groupSize != usual.groupSize;
    if (granularity != usual.granularity || otherGroup)
        out += "," + granularityText(*this);
    if (range != usual.range)
        out += "," + rangeText(*this);
    return out;
}

Result<ActivationScheme> ActivationScheme::parse(std::string_view text)
{
    QL_TRY(const SchemeText parts, SchemeText::split(text, "int8,token"));
    OptionReader reader(parts.format);
    for (const std::string& option : parts.options)
        QL_CHECK(reader.read(SchemeOption(option)));
    return reader.finish();
}

} // namespace ql
