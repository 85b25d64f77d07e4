// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/scheme.h"

#include "core/base/format.h"
#include "core/quant/clip.h"
#include "core/quant/schemetable.h"
#include "core/quant/schemetext.h"

#include <array>

namespace ql {

namespace {

constexpr std::array<std::string_view, 5> kScaleNames{"f32", "f16", "bf16", "e8m0", "e4m3"};
constexpr std::string_view kKnownOptions = "sym, asym, range=strict|full, tensor, channel, group=N, clip=METHOD, "
                                           "round=nearest|stochastic:SEED, scale=TYPE, double, imatrix";

Error conflict(const Scheme& scheme, const std::string& option, const std::string& why)
{
    return schemeError(ErrorCode::SchemeConflict,
                       std::string(traits(scheme.format).name) + " does not take '" + option + "': " + why);
}

const ClipMethodInfo& clipInfo(ClipMethod method)
{
    return clipMethods()[size_t(method)];
}

std::string clipText(const Scheme& scheme)
{
    const ClipMethodInfo& info = clipInfo(scheme.clip);
    std::string text(info.name);
    if (!info.parameter.empty())
        text += ":" + formatExact(scheme.clipParameter);
    return text;
}

std::string granularityText(const Scheme& scheme)
{
    switch (scheme.granularity) {
    case Granularity::Tensor:
        return "tensor";
    case Granularity::Channel:
        return "channel";
    case Granularity::Group:
        return "group=" + std::to_string(scheme.groupSize);
    }
    return {};
}

/// Reads options one by one into a scheme and remembers which were given.
class OptionReader
{
public:
    explicit OptionReader(Format format) : m_scheme(Scheme::defaultsFor(format)) {}

    Status read(const SchemeOption& given)
    {
        const auto& [option, key, value, hasValue] = given;
        if (!hasValue && (key == "sym" || key == "asym"))
            return m_given.once("sym|asym", option, setSymmetry(key));
        if (hasValue && key == "range")
            return m_given.once("range", option, setRange(option, value));
        if ((!hasValue && (key == "tensor" || key == "channel")) || key == "group")
            return m_given.once("tensor|channel|group", option, setGranularity(option, key, value));
        if (hasValue && key == "clip")
            return m_given.once("clip", option, setClip(option, value));
        if (hasValue && key == "round")
            return m_given.once("round", option, setRounding(option, value));
        if (hasValue && key == "scale")
            return m_given.once("scale", option, setScale(option, value));
        if (!hasValue && key == "double")
            return m_given.once("double", option, setDouble());
        if (!hasValue && key == "imatrix")
            return m_given.once("imatrix", option, setImportance());
        return schemeError(ErrorCode::SchemeBadOption,
                           "unknown option '" + std::string(option) + "'; known: " + std::string(kKnownOptions));
    }

    Result<Scheme> finish()
    {
        // Double quantization starts from f32 scales, so asking for it implies them.
        if (m_scheme.doubleQuant && !m_given.contains("scale"))
            m_scheme.scaleType = ScaleType::F32;
        QL_CHECK(m_scheme.check());
        return m_scheme.normalized();
    }

private:
    Status setSymmetry(std::string_view key)
    {
        m_scheme.symmetry = key == "sym" ? Symmetry::Symmetric : Symmetry::Asymmetric;
        return {};
    }

    Status setRange(std::string_view option, std::string_view value)
    {
        if (value != "strict" && value != "full")
            return badOption(option, "range=strict, range=full");
        m_scheme.range = value == "strict" ? CodeRange::Strict : CodeRange::Full;
        return {};
    }

    Status setGranularity(std::string_view option, std::string_view key, std::string_view value)
    {
        if (key != "group") {
            m_scheme.granularity = key == "tensor" ? Granularity::Tensor : Granularity::Channel;
            return {};
        }
        const auto size = parseSchemeNumber<int>(value);
        if (!size)
            return badOption(option, "group=16 to group=1024");
        m_scheme.granularity = Granularity::Group;
        m_scheme.groupSize = *size;
        return {};
    }

    Status setClip(std::string_view option, std::string_view value)
    {
        const auto colon = value.find(':');
        std::string known;
        for (const ClipMethodInfo& info : clipMethods()) {
            known +=
                (known.empty() ? "clip=" : " clip=") + std::string(info.name) + (info.parameter.empty() ? "" : ":X");
            if (info.name != value.substr(0, colon) || info.parameter.empty() != (colon == std::string_view::npos))
                continue;
            m_scheme.clip = info.method;
            if (info.parameter.empty())
                return {};
            const auto parameter = parseSchemeNumber<double>(value.substr(colon + 1));
            if (!parameter)
                return badOption(option,
                                std::string(info.name) + ":" + formatExact(info.defaultParameter) + " or the like");
            m_scheme.clipParameter = *parameter;
            return {};
        }
        return badOption(option, known);
    }

    Status setRounding(std::string_view option, std::string_view value)
    {
        constexpr std::string_view stochastic = "stochastic:";
        if (value == "nearest") {
            m_scheme.rounding = Rounding::Nearest;
            return {};
        }
        const auto seed =
            value.starts_with(stochastic) ? parseSchemeNumber<uint64_t>(value.substr(stochastic.size())) : std::nullopt;
        if (!seed)
            return badOption(option, "round=nearest, round=stochastic:SEED with a whole number");
        m_scheme.rounding = Rounding::Stochastic;
        m_scheme.seed = *seed;
        return {};
    }

    Status setScale(std::string_view option, std::string_view value)
    {
        for (size_t i = 0; i < kScaleNames.size(); ++i) {
            if (value == kScaleNames[i]) {
                m_scheme.scaleType = ScaleType(i);
                return {};
            }
        }
        return badOption(option, "scale=f32, scale=f16, scale=bf16, scale=e8m0, scale=e4m3");
    }

    Status setDouble()
    {
        m_scheme.doubleQuant = true;
        return {};
    }

    Status setImportance()
    {
        m_scheme.importance = true;
        return {};
    }

    Scheme m_scheme;
    GivenOptions m_given;
};

Status checkClip(const Scheme& scheme)
{
    const ClipMethodInfo& info = clipInfo(scheme.clip);
    const double p = scheme.clipParameter;
    if (info.parameter.empty() || (p > info.lowest && p <= info.highest))
        return {};
    return schemeError(ErrorCode::SchemeBadOption, "clip=" + clipText(scheme) + " is out of range; valid: more than " +
                                                       formatExact(info.lowest) + ", up to " +
                                                       formatExact(info.highest));
}

Status checkDouble(const Scheme& scheme)
{
    if (!scheme.doubleQuant)
        return {};
    if (!traits(scheme.format).choosesDoubleQuant)
        return conflict(scheme, "double", "the format fixes its scales");
    if (scheme.scaleType != ScaleType::F32)
        return conflict(scheme, "double", "double quantization starts from f32 scales (scale=f32)");
    if (scheme.granularity == Granularity::Tensor)
        return conflict(scheme, "double", "a single scale is not worth quantizing; use group or channel");
    return {};
}

} // namespace

Scheme Scheme::defaultsFor(Format format)
{
    Scheme scheme;
    scheme.format = format;
    const FormatTraits& row = traits(format);
    switch (row.kind) {
    case FormatKind::Keep:
    case FormatKind::Integer:
        break;
    case FormatKind::Codebook:
        scheme.groupSize = 64;
        scheme.scaleType = ScaleType::F32;
        break;
    case FormatKind::Float8:
        scheme.granularity = Granularity::Channel;
        scheme.scaleType = ScaleType::F32;
        break;
    case FormatKind::Micro:
        scheme.groupSize = row.blockSize;
        scheme.scaleType = format == Format::MXFP4 ? ScaleType::E8M0 : ScaleType::E4M3;
        break;
    case FormatKind::Ggml:
        scheme.groupSize = row.groupSize;
        break;
    }
    return scheme;
}

Scheme Scheme::normalized() const
{
    Scheme scheme = *this;
    const Scheme usual = defaultsFor(format);
    const FormatTraits& row = traits(format);
    if (!row.choosesSymmetry)
        scheme.symmetry = usual.symmetry;
    if (!row.choosesRange || scheme.symmetry == Symmetry::Asymmetric)
        scheme.range = usual.range;
    if (!row.choosesGranularity)
        scheme.granularity = usual.granularity;
    if (!row.choosesGranularity || scheme.granularity != Granularity::Group)
        scheme.groupSize = usual.groupSize;
    if (!row.choosesClip)
        scheme.clip = usual.clip;
    if (clipInfo(scheme.clip).parameter.empty())
        scheme.clipParameter = 0;
    if (!row.choosesRounding)
        scheme.rounding = usual.rounding;
    if (scheme.rounding == Rounding::Nearest)
        scheme.seed = 0;
    if (!row.choosesScaleType)
        scheme.scaleType = usual.scaleType;
    scheme.doubleQuant = scheme.doubleQuant && row.choosesDoubleQuant;
    scheme.importance = scheme.importance && row.choosesImportance;
    return scheme;
}

Status Scheme::check() const
{
    const FormatTraits& row = traits(format);
    const Scheme usual = defaultsFor(format);
    if (symmetry != usual.symmetry && !row.choosesSymmetry)
        return conflict(*this, "asym", "only integers have zero points");
    if (range != usual.range && (!row.choosesRange || symmetry == Symmetry::Asymmetric))
        return conflict(*this, "range=full", "it is for symmetric integers");
    if (!row.choosesGranularity && (granularity != usual.granularity || groupSize != usual.groupSize))
        return conflict(*this, granularityText(*this), "the format fixes its groups");
    if (row.choosesGranularity && granularity == Granularity::Group && (groupSize < 16 || groupSize > 1024))
        return schemeError(ErrorCode::SchemeBadOption,
                           "group=" + std::to_string(groupSize) + " is out of range; valid: group=16 to group=1024");
    if (clip != usual.clip && !row.choosesClip)
        return conflict(*this, "clip=" + clipText(*this), "the format fixes its limits");
    QL_CHECK(checkClip(*this));
    if (rounding != usual.rounding && !row.choosesRounding)
        return conflict(*this, "round=stochastic", "the format fixes its rounding");
    if (scaleType != usual.scaleType && !row.choosesScaleType)
        return conflict(*this, "scale=" + std::string(kScaleNames[size_t(scaleType)]), "the format fixes its scales");
    if (importance && !row.choosesImportance)
        return conflict(*this, "imatrix", "only GGML formats that search for their scales weigh columns");
    return checkDouble(*this);
}

std::string Scheme::text() const
{
    const Scheme scheme = normalized();
    const Scheme usual = defaultsFor(format);
    std::string out(traits(format).name);
    if (scheme.symmetry != usual.symmetry)
        out += scheme.symmetry == Symmetry::Symmetric ? ",sym" : ",asym";
    if (scheme.range != usual.range)
        out += scheme.range == CodeRange::Strict ? ",range=strict" : ",range=full";
    if (scheme.granularity != usual.granularity || scheme.groupSize != usual.groupSize)
        out += "," + granularityText(scheme);
    if (scheme.clip != usual.clip)
        out += ",clip=" + clipText(scheme);
    if (scheme.rounding != usual.rounding)
        out += ",round=stochastic:" + std::to_string(scheme.seed);
    const ScaleType impliedScale = scheme.doubleQuant ? ScaleType::F32 : usual.scaleType;
    if (scheme.scaleType != impliedScale)
        out += ",scale=" + std::string(kScaleNames[size_t(scheme.scaleType)]);
    if (scheme.doubleQuant)
        out += ",double";
    if (scheme.importance)
        out += ",imatrix";
    return out;
}

Result<Scheme> Scheme::parse(std::string_view text)
{
    QL_TRY(const SchemeText parts, SchemeText::split(text, "int4,group=128"));
    OptionReader reader(parts.format);
    for (const std::string& option : parts.options)
        QL_CHECK(reader.read(SchemeOption(option)));
    return reader.finish();
}

} // namespace ql
