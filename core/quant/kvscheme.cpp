// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/quant/kvscheme.h"

#include "core/base/checked.h"
#include "core/quant/schemetable.h"
#include "core/quant/schemetext.h"

namespace ql {

namespace {

constexpr std::string_view kKnownOptions =
    "values=FORMAT, sym, asym, keys=token|channel, token, group=N, segment=N, recent=N, first=N";
constexpr int kMostTokens = 1 << 24;

Error conflict(const KvScheme& scheme, const std::string& option, const std::string& why)
{
    return schemeError(ErrorCode::SchemeConflict,
                       "a cache does not take '" + std::string(traits(scheme.format).name) + option + "': " + why);
}

/// Whether a zero point exists for keys or values.
bool choosesSymmetry(const KvScheme& scheme)
{
    return traits(scheme.format).choosesSymmetry || traits(scheme.valueFormat).choosesSymmetry;
}

/// Reads options one by one into a scheme and remembers which were given.
class OptionReader
{
public:
    explicit OptionReader(Format format) { m_scheme.format = m_scheme.valueFormat = format; }

    Status read(const SchemeOption& given)
    {
        const auto& [option, key, value, hasValue] = given;
        if (!hasValue && (key == "sym" || key == "asym")) {
            m_scheme.symmetry = key == "sym" ? Symmetry::Symmetric : Symmetry::Asymmetric;
            return m_given.once("sym|asym", option, {});
        }
        if (hasValue && key == "values") {
            QL_TRY(m_scheme.valueFormat, parseFormat(value));
            return m_given.once(key, option, {});
        }
        if (!hasValue && key == "token")
            return m_given.once("keys", option, setKeys(option, key));
        if (hasValue && key == "keys")
            return m_given.once("keys", option, setKeys(option, value));
        for (const auto& [name, member] : kNumbers) {
            if (hasValue && key == name)
                return m_given.once(key, option, setNumber(option, value, member));
        }
        return schemeError(ErrorCode::SchemeBadOption,
                           "unknown option '" + std::string(option) + "'; known: " + std::string(kKnownOptions));
    }

    Result<KvScheme> finish()
    {
        if (m_given.contains("group") && m_scheme.groupSize == 0)
            return badOption("group=0", "group=8 to group=1024");
        if (m_given.contains("sym|asym") && m_scheme.symmetry == Symmetry::Asymmetric && !choosesSymmetry(m_scheme))
            return conflict(m_scheme, ",asym", "only integers have zero points");
        if (!choosesSymmetry(m_scheme))
            m_scheme.symmetry = KvScheme().symmetry;
        QL_CHECK(m_scheme.check());
        return m_scheme;
    }

private:
    struct Number {
        std::string_view name;
        int KvScheme::*member;
    };
    static constexpr Number kNumbers[]{{"group", &KvScheme::groupSize},
                                       {"segment", &KvScheme::segment},
                                       {"recent", &KvScheme::recent},
                                       {"first", &KvScheme::first}};

    Status setKeys(std::string_view option, std::string_view value)
    {
        if (value != "token" && value != "channel")
            return badOption(option, "keys=token, keys=channel");
        m_scheme.keys = value == "token" ? KvScheme::KeyAxis::Token : KvScheme::KeyAxis::Channel;
        return {};
    }

    Status setNumber(std::string_view option, std::string_view value, int KvScheme::*member)
    {
        const auto number = parseSchemeNumber<int>(value);
        if (!number)
            return badOption(option, "a whole number");
        m_scheme.*member = *number;
        return {};
    }

    KvScheme m_scheme;
    GivenOptions m_given;
};

Status checkFormat(const KvScheme& scheme, Format format, const std::string& option)
{
    if (KvScheme::takes(format))
        return {};
    return conflict(scheme, option,
                    traits(format).kind == FormatKind::Keep ? "it has no grid; write \"keep\" for full precision"
                                                            : "it is a storage layout of weights");
}

Status checkNumber(const char* name, int value, int lowest, int highest)
{
    if (value >= lowest && value <= highest)
        return {};
    return schemeError(ErrorCode::SchemeBadOption, std::string(name) + "=" + std::to_string(value) +
                                                       " is out of range; valid: " + std::to_string(lowest) + " to " +
                                                       std::to_string(highest));
}

/// Bits of one element whose scale (f16) and zero point serve `shared` elements.
double bitsWith(Format format, Symmetry symmetry, double shared)
{
    const FormatTraits& row = traits(format);
    const bool zeros = symmetry == Symmetry::Asymmetric && row.choosesSymmetry;
    return row.bits + (16 + (zeros ? row.bits : 0)) / shared;
}

} // namespace

bool KvScheme::takes(Format format)
{
    const FormatKind kind = traits(format).kind;
    return kind == FormatKind::Integer || kind == FormatKind::Codebook || kind == FormatKind::Float8;
}

int64_t KvScheme::quantizedEnd(int64_t length) const
{
    const int64_t old = length - recent - first;
    return first + (old > 0 ? old / segment * segment : 0);
}

Scheme KvScheme::groupScheme(bool values) const
{
    Scheme scheme = Scheme::defaultsFor(values ? valueFormat : format);
    if (traits(scheme.format).choosesSymmetry)
        scheme.symmetry = symmetry;
    scheme.granularity = Granularity::Channel;
    scheme.scaleType = ScaleType::F32;
    return scheme.normalized();
}

double KvScheme::bitsPerElement(int headDim) const
{
    const int64_t groups = groupSize ? ceilDiv(int64_t(headDim), int64_t(groupSize)) : 1;
    const double perToken = double(headDim) / double(groups);
    const double keyBits = bitsWith(format, symmetry, keys == KeyAxis::Channel ? segment : perToken);
    return (keyBits + bitsWith(valueFormat, symmetry, perToken)) / 2;
}

Status KvScheme::check() const
{
    QL_CHECK(checkFormat(*this, format, ""));
    QL_CHECK(checkFormat(*this, valueFormat, ",values=" + std::string(traits(valueFormat).name)));
    if (groupSize != 0)
        QL_CHECK(checkNumber("group", groupSize, 8, 1024));
    QL_CHECK(checkNumber("segment", segment, 1, kMostTokens));
    QL_CHECK(checkNumber("recent", recent, 0, kMostTokens));
    return checkNumber("first", first, 0, kMostTokens);
}

std::string KvScheme::text() const
{
    const KvScheme usual;
    std::string out(traits(format).name);
    if (valueFormat != format)
        out += ",values=" + std::string(traits(valueFormat).name);
    if (symmetry != usual.symmetry && choosesSymmetry(*this))
        out += ",sym";
    if (keys != usual.keys)
        out += ",keys=channel";
    if (groupSize != usual.groupSize)
        out += ",group=" + std::to_string(groupSize);
    if (segment != usual.segment)
        out += ",segment=" + std::to_string(segment);
    if (recent != usual.recent)
        out += ",recent=" + std::to_string(recent);
    if (first != usual.first)
        out += ",first=" + std::to_string(first);
    return out;
}

Result<KvScheme> KvScheme::parse(std::string_view text)
{
    QL_TRY(const SchemeText parts, SchemeText::split(text, "int8,token"));
    OptionReader reader(parts.format);
    for (const std::string& option : parts.options)
        QL_CHECK(reader.read(SchemeOption(option)));
    return reader.finish();
}

} // namespace ql
