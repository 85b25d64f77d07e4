// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/ggufmixture.h"

#include "core/model/names.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <set>

namespace ql {
namespace {

enum class Kind : uint8_t { Value, Down, Output };

struct Part {
    Kind kind;
    MixtureShare share;
    std::string_view format;
};

struct Mixture {
    std::string_view name, base, head;
    std::vector<Part> parts; ///< the first that applies
    bool liftsOutputOfEight; ///< attention outputs of models with eight experts become q5_k
};

using Share = MixtureShare;

const std::vector<Mixture>& mixtures()
{
    static const std::vector<Mixture> kMixtures{
        {"q2_k", "q2_k", "q6_k",
         {{Kind::Value, Share::All, "q3_k"}, {Kind::Down, Share::All, "q3_k"}, {Kind::Output, Share::All, "q3_k"}}, true},
        {"q3_k_s", "q3_k", "q6_k", {}, true},
        {"q3_k_m", "q3_k", "q6_k",
         {{Kind::Value, Share::FirstTwo, "q5_k"}, {Kind::Value, Share::All, "q4_k"},
          {Kind::Down, Share::FirstSixteenth, "q5_k"}, {Kind::Down, Share::All, "q4_k"}, {Kind::Output, Share::All, "q4_k"}}, true},
        {"q3_k_l", "q3_k", "q6_k",
         {{Kind::Value, Share::All, "q5_k"}, {Kind::Down, Share::All, "q5_k"}, {Kind::Output, Share::All, "q5_k"}}, false},
        {"q4_0", "q4_0", "q6_k", {}, false},
        {"q4_1", "q4_1", "q6_k", {}, false},
        {"q4_k_s", "q4_k", "q6_k", {{Kind::Value, Share::FirstFour, "q5_k"}, {Kind::Down, Share::FirstEighth, "q5_k"}}, true},
        {"q4_k_m", "q4_k", "q6_k", {{Kind::Value, Share::MoreBits, "q6_k"}, {Kind::Down, Share::MoreBits, "q6_k"}}, true},
        {"iq4_nl", "iq4_nl", "q6_k", {{Kind::Down, Share::FirstEighth, "q5_k"}}, true},
        {"iq4_xs", "iq4_xs", "q6_k", {{Kind::Down, Share::FirstEighth, "q5_k"}}, true},
        {"q5_0", "q5_0", "q6_k", {}, false},
        {"q5_1", "q5_1", "q6_k", {}, false},
        {"q5_k_s", "q5_k", "q6_k", {}, false},
        {"q5_k_m", "q5_k", "q6_k", {{Kind::Value, Share::MoreBits, "q6_k"}, {Kind::Down, Share::MoreBits, "q6_k"}}, false},
        {"q6_k", "q6_k", "q6_k", {}, false},
        {"q8_0", "q8_0", "q8_0", {}, false},
    };
    return kMixtures;
}

const Mixture* mixtureNamed(std::string_view name)
{
    const auto found = std::find_if(mixtures().begin(), mixtures().end(), [&](const Mixture& m) { return m.name == name; });
    return found == mixtures().end() ? nullptr : &*found;
}

std::vector<TensorRole> rolesOf(Kind kind)
{
    switch (kind) {
    case Kind::Value: return {TensorRole::AttnV, TensorRole::AttnQkv};
    case Kind::Down: return {TensorRole::MlpDown, TensorRole::ExpertDown};
    case Kind::Output: break;
    }
    return {TensorRole::AttnOut};
}

const TensorInfo* firstOf(const Model& model, TensorRole role)
{
    const auto found = std::find_if(model.tensors().begin(), model.tensors().end(),
                                    [&](const TensorInfo& tensor) { return tensor.role == role; });
    return found == model.tensors().end() ? nullptr : &*found;
}

/// Query heads that share one value head.
int64_t queriesPerValue(const Model& model)
{
    const TensorInfo* q = firstOf(model, TensorRole::AttnQ);
    const TensorInfo* v = firstOf(model, TensorRole::AttnV);
    return q && v && v->rows() > 0 ? q->rows() / v->rows() : 1;
}

int64_t expertCount(const Model& model)
{
    int64_t count = 0;
    for (const TensorInfo& tensor : model.tensors()) {
        if (tensor.role != TensorRole::ExpertDown)
            continue;
        const NameFacts facts = classifyName(tensor.name, model.architecture());
        count = std::max(count, facts.expert >= 0 ? int64_t(facts.expert) + 1 : tensor.shape.size() == 3 ? tensor.shape[0] : 0);
    }
    return count;
}

/// Blocks that have such tensors, ascending.
std::vector<int> blocksWith(const Model& model, const std::vector<TensorRole>& roles)
{
    std::set<int> blocks;
    for (const TensorInfo& tensor : model.tensors()) {
        if (tensor.layer >= 0 && std::find(roles.begin(), roles.end(), tensor.role) != roles.end())
            blocks.insert(tensor.layer);
    }
    return {blocks.begin(), blocks.end()};
}

/// "layers" of "model.layers.7.mlp.up_proj.weight", for patterns that name blocks.
std::string blockWord(const Model& model)
{
    std::set<std::string> words;
    for (const TensorInfo& tensor : model.tensors()) {
        const std::string number = "." + std::to_string(tensor.layer) + ".";
        const size_t at = tensor.layer < 0 ? std::string::npos : tensor.name.find(number);
        if (at == std::string::npos)
            continue;
        const size_t dot = tensor.name.rfind('.', at == 0 ? 0 : at - 1);
        words.insert(tensor.name.substr(dot == std::string::npos ? 0 : dot + 1, at - (dot == std::string::npos ? 0 : dot + 1)));
    }
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : "|") + word;
    return words.size() == 1 ? text : "(" + text + ")";
}

/// A pattern is at most 1024 bytes long, so many blocks need several.
std::vector<std::string> blockPatterns(const Model& model, const std::vector<int>& blocks)
{
    constexpr size_t kMostNumbers = 150;
    const std::string word = blockWord(model);
    std::vector<std::string> patterns;
    for (size_t start = 0; start < blocks.size(); start += kMostNumbers) {
        std::string numbers;
        for (size_t i = start; i < std::min(blocks.size(), start + kMostNumbers); ++i)
            numbers += (numbers.empty() ? "" : "|") + std::to_string(blocks[i]);
        patterns.push_back("\\b" + word + "\\.(" + numbers + ")\\.");
    }
    return patterns;
}

Scheme formatScheme(std::string_view name)
{
    return Scheme::defaultsFor(formatFromName(name).value_or(Format::F16));
}

/// Output head and embedding: where there is no head, the embedding is used as one.
void addHead(const Model& model, const Mixture& mixture, std::vector<Rule>& rules)
{
    const TensorInfo* head = firstOf(model, TensorRole::LmHead);
    const TensorInfo* embedding = firstOf(model, TensorRole::Embedding);
    const TensorInfo* output = head ? head : embedding;
    if (!output)
        return;
    const bool whole = output->cols() % std::max(1, traits(formatScheme(mixture.base).format).blockSize) == 0;
    rules.push_back({"", {output->role}, -1, -1, formatScheme(whole ? mixture.head : "q8_0"),
                     head ? "the output head" : "the embedding is the output head too"});
    if (head && embedding)
        rules.push_back({"", {TensorRole::Embedding}, -1, -1, formatScheme(mixture.base), "token embedding"});
}

std::string shareNote(Share share)
{
    switch (share) {
    case Share::All: return "";
    case Share::MoreBits: return "first and last eighth of the blocks and every third between";
    case Share::FirstTwo: return "first two blocks";
    case Share::FirstFour: return "first four blocks";
    case Share::FirstEighth: return "first eighth of the blocks";
    case Share::FirstSixteenth: break;
    }
    return "first sixteenth of the blocks";
}

void append(std::vector<Rule>& rules, std::vector<Rule> more)
{
    std::move(more.begin(), more.end(), std::back_inserter(rules));
}

/// Exceptions for eight experts, for 70B models and for heads that share values.
std::optional<std::string_view> exceptionFor(const Mixture& mixture, const Part& part, const Model& model)
{
    if (part.kind != Kind::Value)
        return std::nullopt;
    const int64_t shared = queriesPerValue(model);
    std::string_view format = part.format;
    if (mixture.name == "q2_k" && shared >= 4)
        format = "q4_k";
    const bool seventy = model.layerCount() == 80 && shared > 1;
    return seventy && (format == "q3_k" || format == "q4_k") ? "q5_k" : format;
}

/// Down projections get other types where there is an importance matrix.
std::vector<Part> partsOf(const Mixture& mixture, bool importance)
{
    if (importance && mixture.name.starts_with("iq4"))
        return {};
    if (importance && (mixture.name == "q4_0" || mixture.name == "q5_0"))
        return {{Kind::Down, Share::FirstEighth, mixture.name == "q4_0" ? "q4_1" : "q5_1"}};
    return mixture.parts;
}

/// Whether a rule takes every tensor of these roles.
bool coversAll(const Rule& rule, const std::vector<TensorRole>& roles)
{
    return rule.match.empty() && rule.firstLayer < 0 && rule.lastLayer < 0 && rule.roles == roles;
}

} // namespace

bool isInShare(MixtureShare share, int index, int count)
{
    switch (share) {
    case Share::All: return true;
    case Share::MoreBits:
        return index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2;
    case Share::FirstTwo: return index < 2;
    case Share::FirstFour: return index < 4;
    case Share::FirstEighth: return index < count / 8;
    case Share::FirstSixteenth: return index < count / 16;
    }
    return false;
}

std::vector<Rule> rulesForShare(const Model& model, const std::vector<TensorRole>& roles, MixtureShare share,
                                const Scheme& scheme, const std::string& note)
{
    std::vector<TensorRole> present;
    std::copy_if(roles.begin(), roles.end(), std::back_inserter(present),
                 [&](TensorRole role) { return firstOf(model, role) != nullptr; });
    const std::vector<int> blocks = blocksWith(model, present);
    // With experts, blocks count by their number, else by their rank among those that have the tensor.
    const bool byNumber = std::find(present.begin(), present.end(), TensorRole::ExpertDown) != present.end();
    std::vector<int> chosen;
    for (size_t rank = 0; rank < blocks.size(); ++rank) {
        if (byNumber ? isInShare(share, blocks[rank], model.layerCount()) : isInShare(share, int(rank), int(blocks.size())))
            chosen.push_back(blocks[rank]);
    }
    if (chosen.empty())
        return {};
    if (chosen.size() == blocks.size())
        return {{"", present, -1, -1, scheme, note}};
    if (chosen.back() - chosen.front() + 1 == int(chosen.size()))
        return {{"", present, chosen.front(), chosen.back(), scheme, note}};
    std::vector<Rule> rules;
    for (const std::string& pattern : blockPatterns(model, chosen))
        rules.push_back({pattern, present, -1, -1, scheme, note});
    return rules;
}

std::vector<std::string_view> ggufMixtureFormats(std::string_view name)
{
    const Mixture* mixture = mixtureNamed(name);
    if (!mixture)
        return {};
    std::vector<std::string_view> formats{mixture->base, mixture->head, "q8_0"};
    for (const Part& part : mixture->parts)
        formats.push_back(part.format);
    if (mixture->name.find("_k") != std::string_view::npos)
        formats.insert(formats.end(), {"q4_k", "q5_k"});
    return formats;
}

std::optional<Policy> ggufMixture(std::string_view name, const Model& model, bool importance)
{
    const Mixture* mixture = mixtureNamed(name);
    if (!mixture)
        return std::nullopt;
    Policy policy;
    policy.defaultScheme = formatScheme(mixture->base);
    addHead(model, *mixture, policy.rules);
    const bool eight = expertCount(model) == 8;
    if (eight) {
        append(policy.rules, rulesForShare(model, {TensorRole::AttnV, TensorRole::AttnQkv, TensorRole::AttnK}, Share::All,
                                           formatScheme("q8_0"), "attention values and keys beside eight experts"));
        if (mixture->liftsOutputOfEight)
            append(policy.rules, rulesForShare(model, {TensorRole::AttnOut}, Share::All, formatScheme("q5_k"),
                                               "attention output beside eight experts"));
    }
    for (const Part& part : partsOf(*mixture, importance)) {
        if (eight && part.kind != Kind::Down)
            continue;
        const std::vector<Rule> rules =
            rulesForShare(model, rolesOf(part.kind), part.share,
                          formatScheme(exceptionFor(*mixture, part, model).value_or(part.format)), shareNote(part.share));
        // In shallow models the first blocks are all blocks.
        if (!rules.empty() && !policy.rules.empty() && coversAll(policy.rules.back(), rules.front().roles))
            continue;
        append(policy.rules, rules);
    }
    if (mixture->name.starts_with("iq4") && !eight && queriesPerValue(model) >= 4)
        append(policy.rules, rulesForShare(model, rolesOf(Kind::Value), Share::All, formatScheme("q5_k"), "shared value heads"));
    const auto weigh = [&](Scheme& scheme) { scheme.importance = importance && traits(scheme.format).choosesImportance; };
    weigh(policy.defaultScheme);
    for (Rule& rule : policy.rules)
        weigh(rule.scheme);
    return policy;
}

} // namespace ql
