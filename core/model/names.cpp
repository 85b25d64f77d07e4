// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/model/names.h"

#include "core/model/nametables.h"

#include <algorithm>
#include <charconv>

namespace ql {
namespace {

constexpr size_t kMostDigits = 4; ///< of a layer or expert number; longer numbers are just part of a name

/// A name taken apart: "model.layers.7.mlp.up_proj.weight" is pattern "model.layers.{}.mlp.up_proj", suffix ".weight".
struct ParsedName {
    std::string pattern;
    std::string_view suffix;
    bool companion = false;
    bool scaleSuffix = false; ///< ".scale", which some families call a norm's weight
    int layer = -1;
    int expert = -1;
};

constexpr std::string_view kWeightSuffixes[] = {".weight", ".bias",  ".qweight", ".weight_packed",
                                                ".gamma",  ".beta", "_blocks"};

std::optional<int> numberIn(std::string_view component)
{
    int value = 0;
    const bool digits = !component.empty() && component.size() <= kMostDigits &&
                        std::all_of(component.begin(), component.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || (component.size() > 1 && component[0] == '0'))
        return std::nullopt;
    std::from_chars(component.data(), component.data() + component.size(), value);
    return value;
}

bool removeSuffix(std::string_view& text, std::string_view suffix)
{
    if (!text.ends_with(suffix) || text.size() == suffix.size())
        return false;
    text.remove_suffix(suffix.size());
    return true;
}

bool removePrefix(std::string_view& text, std::string_view prefix)
{
    if (!text.starts_with(prefix) || text.size() == prefix.size())
        return false;
    text.remove_prefix(prefix.size());
    return true;
}

void stripSuffixes(std::string_view& stem, ParsedName& parsed)
{
    for (const std::string_view suffix : companionSuffixes()) {
        if (removeSuffix(stem, suffix)) {
            parsed.companion = true;
            parsed.scaleSuffix = suffix == ".scale";
            break;
        }
    }
    if (!parsed.companion)
        removeSuffix(stem, ".codes");
    for (const std::string_view suffix : kWeightSuffixes) {
        if (removeSuffix(stem, suffix)) {
            parsed.suffix = suffix;
            return;
        }
    }
}

ParsedName parseName(std::string_view name)
{
    ParsedName parsed;
    stripSuffixes(name, parsed);
    for (size_t begin = 0; begin <= name.size();) {
        const size_t end = std::min(name.find('.', begin), name.size());
        const std::string_view component = name.substr(begin, end - begin);
        const auto number = numberIn(component);
        if (begin > 0)
            parsed.pattern += '.';
        if (number && begin > 0 && parsed.layer < 0) {
            parsed.layer = *number;
            parsed.pattern += "{}";
        } else if (number && begin > 0 && parsed.expert < 0) {
            parsed.expert = *number;
            parsed.pattern += "{}";
        } else {
            parsed.pattern += component;
        }
        begin = end + 1;
    }
    return parsed;
}

/// Whether an HF pattern of a table means `pattern`; the prefix may be missing or lie inside a multimodal model.
bool matches(std::string_view row, std::string_view pattern, std::string_view prefix)
{
    if (row.empty())
        return false;
    if (removePrefix(pattern, "model.language_model."))
        prefix = {};
    else
        removePrefix(pattern, "language_model.");
    if (row.starts_with('~')) {
        removePrefix(pattern, prefix);
        row.remove_prefix(1);
    }
    return row == pattern;
}

const NameRow* findHf(const NameFamily& family, std::string_view pattern)
{
    for (const auto rows : {family.own, family.common}) {
        for (const NameRow& row : rows) {
            if (matches(row.hf, pattern, family.prefix))
                return &row;
        }
    }
    return nullptr;
}

const NameRow* findGguf(std::span<const NameRow> rows, std::string_view pattern)
{
    for (const NameRow& row : rows) {
        if (!row.gguf.empty() && row.gguf == pattern)
            return &row;
    }
    return nullptr;
}

const NameRow* findGguf(const NameFamily* family, std::string_view pattern)
{
    const NameRow* row = family ? findGguf(family->own, pattern) : nullptr;
    return row ? row : findGguf(ggufRows(), pattern);
}

/// What the names themselves say in families that no table lists.
TensorRole roleFromWords(const ParsedName& parsed)
{
    const std::string_view pattern = parsed.pattern;
    std::string last(pattern.substr(pattern.rfind('.') + 1));
    for (char& c : last)
        c = c >= 'A' && c <= 'Z' ? char(c + 32) : c;
    if (last.find("norm") != std::string::npos || last.starts_with("ln_"))
        return TensorRole::Norm;
    return TensorRole::Other;
}

std::string withNumbers(std::string_view pattern, int layer, int expert = -1)
{
    std::string text(pattern);
    for (const int number : {layer, expert}) {
        if (const auto at = text.find("{}"); at != std::string::npos)
            text.replace(at, 2, std::to_string(number));
    }
    return text;
}

} // namespace

NameFacts classifyName(std::string_view name, std::string_view architecture)
{
    const ParsedName parsed = parseName(name);
    const NameFamily* family = findFamily(architecture);
    const NameRow* row = family ? findHf(*family, parsed.pattern) : nullptr;
    NameFacts facts;
    facts.layer = parsed.layer;
    facts.expert = parsed.expert;
    facts.transposed = row && row->transposed && parsed.suffix == ".weight" && !parsed.companion;
    if (!row)
        row = findGguf(family, parsed.pattern);
    for (const NameFamily& other : nameFamilies()) {
        if (row || family)
            break;
        row = findHf(other, parsed.pattern);
    }
    facts.owner = row ? row->role : roleFromWords(parsed);
    const bool bias = parsed.suffix == ".bias" || parsed.suffix == ".beta";
    const bool mask = parsed.pattern.ends_with(".attn") || parsed.pattern.ends_with(".attention");
    if (parsed.companion && (!parsed.scaleSuffix || (row && row->role != TensorRole::Norm)))
        facts.role = TensorRole::Companion;
    else if (bias && (row || !mask))
        facts.role = TensorRole::Bias;
    else
        facts.role = facts.owner;
    return facts;
}

std::string canonicalArchitecture(std::string_view modelType)
{
    if (modelType.empty())
        return "unknown";
    for (const ArchitectureAlias& alias : modelTypeAliases()) {
        if (alias.name == modelType)
            return std::string(alias.architecture);
    }
    return std::string(modelType);
}

std::string architectureOfClass(std::string_view className)
{
    for (const ArchitectureAlias& prefix : classPrefixes()) {
        if (className.starts_with(prefix.name))
            return std::string(prefix.architecture);
    }
    return {};
}

std::string guessArchitecture(std::span<const TensorInfo> tensors)
{
    const auto markers = architectureMarkers();
    size_t best = markers.size();
    for (const TensorInfo& tensor : tensors) {
        const ParsedName parsed = parseName(tensor.name);
        const std::string whole = parsed.pattern + std::string(parsed.suffix);
        for (size_t i = 0; i < best; ++i) {
            const auto& [pattern, architecture] = markers[i];
            const std::string_view prefix = findFamily(architecture)->prefix;
            if (!matches(pattern, pattern.ends_with(".bias") ? whole : parsed.pattern, prefix))
                continue;
            // Other families use GPT-2's names for weights that are not transposed.
            const bool conv1d = tensor.shape.size() == 2 && tensor.shape[0] <= tensor.shape[1] / 3 &&
                                tensor.shape[1] == 3 * tensor.shape[0];
            if (architecture != "gpt2" || conv1d)
                best = i;
        }
    }
    return best < markers.size() ? std::string(markers[best].architecture) : "unknown";
}

std::optional<std::string> ggufArchitecture(std::string_view architecture)
{
    const NameFamily* family = findFamily(architecture);
    return family && !family->gguf.empty() ? std::optional<std::string>(family->gguf) : std::nullopt;
}

std::optional<std::string> ggufName(std::string_view hfName, std::string_view architecture)
{
    return ggufArchitecture(architecture) ? partName(hfName, architecture) : std::nullopt;
}

std::optional<std::string> partName(std::string_view hfName, std::string_view architecture)
{
    const NameFamily* family = findFamily(architecture);
    const ParsedName parsed = parseName(hfName);
    const NameRow* row = family ? findHf(*family, parsed.pattern) : nullptr;
    if (!row || row->gguf.empty() || parsed.companion)
        return std::nullopt;
    const bool bias = parsed.suffix == ".bias" || parsed.suffix == ".beta";
    if (!bias && parsed.suffix != ".weight" && parsed.suffix != ".gamma" && !parsed.suffix.empty())
        return std::nullopt;
    return withNumbers(row->gguf, parsed.layer) + (bias ? ".bias" : ".weight");
}

std::optional<std::string> hfName(std::string_view ggufName, std::string_view architecture)
{
    const NameFamily* family = findFamily(architecture);
    const ParsedName parsed = parseName(ggufName);
    if (!family || parsed.companion || (parsed.suffix != ".weight" && parsed.suffix != ".bias"))
        return std::nullopt;
    std::string_view stem = parsed.pattern;
    const bool apart = parsed.expert >= 0 && removeSuffix(stem, ".{}");
    const std::string pattern = std::string(stem) + (apart ? "_exps" : "");
    const NameRow* row = findGguf(family->own, pattern);
    if (!row)
        row = findGguf(family->common, pattern);
    const bool perExpert = row && row->hf.find("{}") != row->hf.rfind("{}");
    if (!row || row->hf.empty() || perExpert != (parsed.expert >= 0))
        return std::nullopt;
    const bool prefixed = row->hf.starts_with('~');
    return (prefixed ? std::string(family->prefix) : std::string()) +
           withNumbers(row->hf.substr(prefixed ? 1 : 0), parsed.layer, parsed.expert) + std::string(parsed.suffix);
}

} // namespace ql
