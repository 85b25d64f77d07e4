// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Patterns for many names at once: numbers of layers and experts gathered, or the policy's own rules where they serve.
#include "core/policy/dialects/recipewriter.h"
#include "core/policy/rulematcher.h"

#include <algorithm>

namespace ql {
namespace {

constexpr size_t kNumbersPerPattern = 150; ///< keeps patterns below what RuleMatcher takes
constexpr std::string_view kAnyNumber = "[0-9]+";

/// "model.layers.7.mlp.experts.3.w1" is head "model\.layers\.", number 7, middle "\.mlp\.experts\.", number 3, tail
/// "\.w1"; numbers are empty where the name has none.
struct NumberedName {
    std::string head, layer, middle, expert, tail;
};

NumberedName parse(const std::string& name)
{
    NumberedName parts;
    std::string* text = &parts.head;
    for (size_t begin = 0; begin <= name.size();) {
        const size_t end = std::min(name.find('.', begin), name.size());
        const std::string component = name.substr(begin, end - begin);
        const bool digits = !component.empty() && component.find_first_not_of("0123456789") == std::string::npos;
        if (begin > 0)
            *text += "\\.";
        if (digits && parts.layer.empty()) {
            parts.layer = component;
            text = &parts.middle;
        } else if (digits && parts.expert.empty()) {
            parts.expert = component;
            text = &parts.tail;
        } else {
            *text += literalPattern(component);
        }
        begin = end + 1;
    }
    return parts;
}

using Numbers = std::set<std::string>;

/// One pattern for some numbers, all of them when `every`; several when they are very many.
std::vector<std::string> alternatives(const Numbers& numbers, bool every)
{
    if (numbers.size() == 1)
        return {*numbers.begin()};
    if (every)
        return {std::string(kAnyNumber)};
    std::vector<std::string> ordered(numbers.begin(), numbers.end());
    std::sort(ordered.begin(), ordered.end(), [](const std::string& a, const std::string& b) {
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    std::vector<std::string> patterns;
    for (size_t begin = 0; begin < ordered.size(); begin += kNumbersPerPattern) {
        std::string text;
        for (size_t i = begin; i < std::min(ordered.size(), begin + kNumbersPerPattern); ++i)
            text += (text.empty() ? "" : "|") + ordered[i];
        patterns.push_back("(" + text + ")");
    }
    return patterns;
}

/// What is known of all names of one shape: its layers, and the experts of each.
using Shape = std::map<std::string, Numbers>;
using ShapeKey = std::tuple<std::string, std::string, std::string>; ///< head, middle, tail

struct ShapedNames {
    std::vector<ShapeKey> order;
    std::map<ShapeKey, Shape> shapes;

    explicit ShapedNames(const std::vector<std::string>& names)
    {
        for (const std::string& name : names) {
            const NumberedName parts = parse(name);
            const ShapeKey key{parts.head, parts.middle, parts.tail};
            if (!shapes.contains(key))
                order.push_back(key);
            shapes[key][parts.layer].insert(parts.expert);
        }
    }
};

/// Layer and expert patterns that fit exactly the chosen names of one shape.
std::vector<std::pair<std::string, std::string>> numberPatterns(const Shape& chosen, const Shape& all)
{
    std::map<Numbers, Numbers> layersByExperts; ///< an empty set stands for every expert of the layer
    for (const auto& [layer, experts] : chosen)
        layersByExperts[experts == all.at(layer) ? Numbers() : experts].insert(layer);
    std::vector<std::pair<std::string, std::string>> patterns;
    for (const auto& [experts, layers] : layersByExperts) {
        const bool every = experts.empty() && layers.size() == all.size();
        const bool expertless = chosen.begin()->second == Numbers{""};
        for (const std::string& layer : alternatives(layers, every)) {
            for (const std::string& expert : alternatives(experts.empty() ? Numbers{"", "0"} : experts, experts.empty()))
                patterns.emplace_back(layer, expertless ? "" : expert);
        }
    }
    return patterns;
}

/// "\.weight" where all of several have it.
std::string commonEnd(const std::vector<std::string>& patterns)
{
    const std::string end = "\\.weight";
    const bool common = std::all_of(patterns.begin(), patterns.end(),
                                    [&](const std::string& pattern) { return pattern.ends_with(end) && pattern != end; });
    return common ? end : "";
}

/// A pattern for names as a dialect has them, from one that is searched in tensor names; nothing when it speaks of more
/// than the module's name.
std::optional<std::string> onModuleNames(std::string pattern)
{
    for (const std::string_view suffix : {"\\.weight$", "\\.weight"}) {
        if (pattern.ends_with(suffix)) {
            pattern.erase(pattern.size() - suffix.size());
            pattern += '$';
            break;
        }
    }
    if (pattern.find("weight") != std::string::npos || pattern.size() > 900)
        return std::nullopt;
    const bool bars = pattern.find('|') != std::string::npos;
    if (pattern.starts_with('^') && !bars)
        return pattern;
    return bars ? ".*(?:" + pattern + ")" : ".*" + pattern;
}

} // namespace

std::vector<std::string> patternsFor(const std::vector<std::string>& names, const std::vector<std::string>& all)
{
    const ShapedNames chosen(names), known(all);
    // Modules of the same numbers share a pattern: "layers\.[0-9]+\.(mlp\.up_proj|mlp\.gate_proj)".
    std::vector<std::string> order;
    std::map<std::string, std::vector<std::string>> tails;
    std::vector<std::string> patterns;
    for (const ShapeKey& key : chosen.order) {
        const auto& [head, middle, tail] = key;
        for (const auto& [layer, expert] : numberPatterns(chosen.shapes.at(key), known.shapes.at(key))) {
            const std::string front = head + layer + (layer.empty() ? "" : "\\.");
            const std::string rest = middle.starts_with("\\.") ? middle.substr(2) : middle;
            auto& list = tails[front];
            if (list.empty())
                order.push_back(front);
            list.push_back(rest + expert + tail);
        }
    }
    for (const std::string& front : order) {
        const std::string end = commonEnd(tails[front]);
        std::string joined;
        for (const std::string& rest : tails[front])
            joined += (joined.empty() ? "" : "|") + rest.substr(0, rest.size() - end.size());
        const bool several = tails[front].size() > 1;
        if (front.size() + joined.size() < 900) {
            patterns.push_back(front + (several ? "(" + joined + ")" : joined) + end);
            continue;
        }
        for (const std::string& rest : tails[front])
            patterns.push_back(front + rest);
    }
    return patterns;
}

std::optional<std::vector<RecipePattern>> ownPatterns(const RecipeTask& task, const RecipeKinds& kinds)
{
    const bool gguf = task.model.format() == ModelFormat::Gguf;
    if (task.policy.rules.empty() || gguf != (task.abilities.names == RecipeNames::GgufTensors))
        return std::nullopt;
    std::vector<Rule> rules;
    for (const Rule& rule : task.policy.rules) {
        const auto pattern = gguf ? std::optional(rule.match) : onModuleNames(rule.match);
        if (rule.match.empty() || !rule.roles.empty() || !rule.shape.any() || rule.firstLayer >= 0 || rule.lastLayer >= 0 || !pattern)
            return std::nullopt;
        rules.push_back({gguf || pattern->starts_with('^') ? *pattern : "^" + *pattern, {}, -1, -1, {}, ""});
    }
    const auto matcher = RuleMatcher::create(rules, "rule");
    if (!matcher.ok())
        return std::nullopt;
    std::vector<std::optional<int>> kindOfRule(rules.size());
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (task.leavesAlone(task.weights[i]))
            continue;
        TensorInfo named = *task.weights[i].tensor;
        named.name = task.weights[i].name;
        const auto found = matcher->find(named);
        if (!found.ok())
            return std::nullopt;
        const int rule = *found;
        if (rule < 0 && kinds.kindOf[i] != kinds.base)
            return std::nullopt;
        if (rule >= 0 && kindOfRule[size_t(rule)].value_or(kinds.kindOf[i]) != kinds.kindOf[i])
            return std::nullopt;
        if (rule >= 0)
            kindOfRule[size_t(rule)] = kinds.kindOf[i];
    }
    std::vector<RecipePattern> patterns;
    for (size_t i = 0; i < rules.size(); ++i) {
        if (!kindOfRule[i])
            return std::nullopt; // it fits nothing here, so what it means cannot be told
        const std::string& match = rules[i].match;
        patterns.push_back({!gguf && match.starts_with("^.*") ? match.substr(1) : match, *kindOfRule[i]});
    }
    return patterns;
}

std::vector<RecipePattern> patternsOf(const RecipeTask& task, const RecipeKinds& kinds)
{
    if (auto own = ownPatterns(task, kinds))
        return *own;
    std::vector<RecipePattern> patterns;
    for (int kind = -1; kind < int(kinds.kinds.size()); ++kind) {
        if (kind == kinds.base)
            continue;
        std::vector<std::string> names;
        for (size_t i = 0; i < task.weights.size(); ++i) {
            if (kinds.kindOf[i] == kind && !(kind < 0 && task.leavesAlone(task.weights[i])))
                names.push_back(task.weights[i].name);
        }
        for (const std::string& pattern : patternsFor(names, allNames(task)))
            patterns.push_back({"^" + pattern + "$", kind});
    }
    return patterns;
}

} // namespace ql
