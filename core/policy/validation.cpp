// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/validation.h"

#include "core/policy/policyfields.h"
#include "core/policy/rulematcher.h"
#include "core/policy/sharing.h"
#include "core/quant/schemetable.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace ql {
namespace {

std::string countText(size_t count, const std::string& first)
{
    return count == 1 ? "tensor " + first : std::to_string(count) + " tensors, the first " + first;
}

/// For each rule the first of those before it that has the same conditions and another scheme; -1 for none.
std::vector<int> contradicted(const Policy& policy)
{
    std::map<std::tuple<std::string, std::string, int, int, std::string>, int> seen;
    std::vector<int> earlier;
    for (const Rule& rule : policy.rules) {
        const auto [at, fresh] = seen.try_emplace(
            {rule.match, rolesText(rule.roles), rule.firstLayer, rule.lastLayer, rule.shape.text()}, int(earlier.size()));
        const bool apart = !fresh && policy.rules[size_t(at->second)].scheme.normalized() != rule.scheme.normalized();
        earlier.push_back(apart ? at->second : -1);
    }
    return earlier;
}

std::string contradictionText(const Policy& policy, int rule, int earlier)
{
    return "(" + policy.rules[size_t(rule)].scheme.text() + ") contradicts rule " + std::to_string(earlier + 1) + " (" +
           policy.rules[size_t(earlier)].scheme.text() + "), which has the same conditions and comes first";
}

std::string rulesNumbered(const std::vector<int>& rules)
{
    std::string text = rules.size() == 1 ? "rule " : "rules ";
    for (size_t i = 0; i < rules.size(); ++i)
        text += (i == 0 ? "" : i + 1 == rules.size() ? " and " : ", ") + std::to_string(rules[i] + 1);
    return text;
}

class Validator
{
public:
    Validator(const Policy& policy, const Model& model) : m_policy(policy), m_model(model) {}

    std::vector<Finding> run()
    {
        checkRanges();
        const bool sound = checkPatterns();
        checkNames();
        checkRuntime();
        if (sound) {
            checkUses();
            if (const auto decisions = m_policy.resolve(m_model); decisions.ok()) {
                checkFits(*decisions);
                checkSharing(*decisions);
            }
        }
        std::stable_sort(m_findings.begin(), m_findings.end(),
                         [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
        return std::move(m_findings);
    }

private:
    void add(Finding::Severity severity, int rule, std::string text, std::string tensor = {})
    {
        m_findings.push_back({severity, rule, std::move(tensor), std::move(text)});
    }
    static std::string numbered(int rule) { return "rule " + std::to_string(rule + 1); }

    void checkRanges()
    {
        for (int i = 0; i < int(m_policy.rules.size()); ++i) {
            const Rule& rule = m_policy.rules[size_t(i)];
            if (rule.lastLayer >= 0 && rule.firstLayer > rule.lastLayer)
                add(Finding::Error, i, numbered(i) + ": block " + std::to_string(rule.firstLayer) + " lies behind block " +
                                           std::to_string(rule.lastLayer));
            if (rule.match.empty() && rule.roles.empty() && rule.firstLayer < 0 && rule.lastLayer < 0 && rule.shape.any())
                add(Finding::Warning, i, numbered(i) + " has no conditions: it takes every tensor, norms and biases too");
        }
    }

    /// Whether all patterns can be matched.
    bool checkPatterns()
    {
        bool sound = true;
        for (int i = 0; i < int(m_policy.rules.size()); ++i) {
            const auto matcher = RuleMatcher::create(std::vector<Rule>{m_policy.rules[size_t(i)]}, "rule");
            if (!matcher.ok())
                add(Finding::Error, i, numbered(i) + ": " + matcher.error().message);
            sound = sound && matcher.ok();
        }
        return sound;
    }

    void checkUses()
    {
        const auto uses = ruleUses(m_policy, m_model);
        if (!uses.ok())
            return addGivenUp(uses.error());
        const std::vector<int> earlier = contradicted(m_policy);
        for (int i = 0; i < int(uses->size()); ++i) {
            const Rule& rule = m_policy.rules[size_t(i)];
            const RuleUse& use = (*uses)[size_t(i)];
            if (earlier[size_t(i)] >= 0)
                add(Finding::Error, i, numbered(i) + " " + contradictionText(m_policy, i, earlier[size_t(i)]));
            else if (rule.firstLayer >= m_model.layerCount())
                add(Finding::Warning, i, numbered(i) + " begins at block " + std::to_string(rule.firstLayer) +
                                             ", but the model's last block is " + std::to_string(m_model.layerCount() - 1));
            else if (use.matches.empty())
                add(Finding::Warning, i, numbered(i) + " matches no tensor");
            else if (use.shadowed())
                add(Finding::Warning, i, numbered(i) + " decides nothing: shadowed by " + takersText(use));
        }
    }

    /// A pattern that could not be matched to its end.
    void addGivenUp(const Error& error)
    {
        int rule = 0;
        while (rule < int(m_policy.rules.size()) && numbered(rule) != error.where)
            ++rule;
        add(Finding::Error, rule < int(m_policy.rules.size()) ? rule : -1, error.text());
    }

    void checkNames()
    {
        for (const auto& [name, entry] : m_policy.tensors) {
            if (m_model.indexOf(name) < 0)
                add(Finding::Warning, -1, "the override of " + name + " has no tensor: the model has none of that name", name);
        }
        if (!m_policy.modelFingerprint.empty() && m_policy.modelFingerprint != m_model.fingerprint())
            add(Finding::Note, -1, "written for another model (fingerprint " + m_policy.modelFingerprint + ")");
    }

    void checkRuntime()
    {
        if (const auto inputs = m_policy.activations.resolve(m_model); !inputs.ok())
            add(Finding::Error, -1, inputs.error().text());
        for (const auto& [name, scheme] : m_policy.activations.tensors) {
            if (m_model.indexOf(name) < 0)
                add(Finding::Warning, -1, "the activation scheme of " + name + " has no tensor: the model has none of that name",
                    name);
        }
        for (const KvPolicy::LayerRange& range : m_policy.kvCache.layers) {
            if (range.last >= m_model.layerCount())
                add(Finding::Warning, -1, "kv_cache: blocks " + layersText(range.first, range.last) +
                                              " reach beyond the model's last block, " + std::to_string(m_model.layerCount() - 1));
        }
    }

    /// What several tensors have in common is said once.
    struct Group {
        int rule;
        std::string text;
        auto operator<=>(const Group&) const = default;
    };
    using Grouped = std::map<Group, std::vector<int>>;

    void checkFits(const std::vector<Decision>& decisions)
    {
        Grouped fallbacks, ragged;
        for (size_t i = 0; i < decisions.size(); ++i) {
            const Decision& decision = decisions[i];
            if (!decision.fallback.empty())
                fallbacks[{decision.rule, decision.fallback}].push_back(int(i));
            const int64_t cols = m_model.tensors()[i].cols();
            const bool grouped = !decision.asStored && traits(decision.scheme.format).choosesGranularity &&
                                 decision.scheme.granularity == Granularity::Group;
            if (grouped && cols % decision.scheme.groupSize != 0)
                ragged[{decision.rule, "groups of " + std::to_string(decision.scheme.groupSize) + " do not divide " +
                                           std::to_string(cols) + " columns"}]
                    .push_back(int(i));
        }
        for (const auto& [group, tensors] : fallbacks)
            addGrouped(Finding::Warning, group, tensors, "");
        for (const auto& [group, tensors] : ragged)
            addGrouped(Finding::Warning, group, tensors,
                       "; GPTQ, AWQ, compressed-tensors and MLX hold no shorter last group");
    }

    void addGrouped(Finding::Severity severity, const Group& group, const std::vector<int>& tensors, const std::string& tail)
    {
        const std::string& first = m_model.tensors()[size_t(tensors.front())].name;
        add(severity, group.rule, countText(tensors.size(), first) + ": " + group.text + tail, first);
    }

    void checkSharing(const std::vector<Decision>& decisions)
    {
        if (!m_policy.share)
            return;
        const auto apart = [&](int a, int b) {
            const Decision &first = decisions[size_t(a)], &second = decisions[size_t(b)];
            return first.asStored != second.asStored || first.scheme.normalized() != second.scheme.normalized();
        };
        for (std::vector<int> group : shareGroups(m_model)) {
            // Locks are what keeps a group apart, so they are named first.
            std::stable_partition(group.begin(), group.end(), [&](int i) { return decisions[size_t(i)].locked; });
            const auto other = std::find_if(group.begin(), group.end(), [&](int i) { return apart(i, group.front()); });
            if (other == group.end())
                continue;
            const auto named = [&](int i) {
                return m_model.tensors()[size_t(i)].name + " (" + decisions[size_t(i)].scheme.text() + ")";
            };
            const bool locks = decisions[size_t(*other)].locked;
            add(Finding::Error, -1, named(group.front()) + " and " + named(*other) + " run as one matrix, but " +
                                        (locks ? "are locked to different schemes" : "do not both take one scheme"),
                m_model.tensors()[size_t(*other)].name);
        }
    }

    const Policy& m_policy;
    const Model& m_model;
    std::vector<Finding> m_findings;
};

} // namespace

std::string_view severityName(Finding::Severity severity)
{
    constexpr std::string_view kNames[] = {"error", "warning", "note"};
    return kNames[severity];
}

Status checkContradictions(const Policy& policy)
{
    const std::vector<int> earlier = contradicted(policy);
    for (int i = 0; i < int(earlier.size()); ++i) {
        if (earlier[size_t(i)] >= 0)
            return Error{ErrorCode::PolicyBadRule, contradictionText(policy, i, earlier[size_t(i)]),
                         "rule " + std::to_string(i + 1)};
    }
    return {};
}

std::vector<Finding> validate(const Policy& policy, const Model& model)
{
    return Validator(policy, model).run();
}

Result<std::vector<RuleUse>> ruleUses(const Policy& policy, const Model& model)
{
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(policy.rules, "rule"));
    std::vector<RuleUse> uses(policy.rules.size());
    std::vector<std::set<int>> takers(policy.rules.size());
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        const bool overridden = policy.tensors.contains(model.tensors()[i].name);
        int first = -1;
        QL_TRY(const std::vector<int> found, matcher.findAll(model.tensors()[i]));
        for (const int rule : found) {
            RuleUse& use = uses[size_t(rule)];
            use.matches.push_back(int(i));
            if (overridden)
                ++use.overridden;
            else if (first < 0)
                ++use.decides;
            if (first >= 0)
                takers[size_t(rule)].insert(first);
            first = first < 0 ? rule : first;
        }
    }
    for (size_t i = 0; i < uses.size(); ++i)
        uses[i].takenBy.assign(takers[i].begin(), takers[i].end());
    return uses;
}

Result<std::vector<int>> matchingTensors(const Rule& rule, const Model& model)
{
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(std::vector<Rule>{rule}, "rule"));
    std::vector<int> tensors;
    for (size_t i = 0; i < model.tensors().size(); ++i) {
        QL_TRY(const int found, matcher.find(model.tensors()[i]));
        if (found == 0)
            tensors.push_back(int(i));
    }
    return tensors;
}

std::string takersText(const RuleUse& use)
{
    std::string text = use.takenBy.empty() ? "" : rulesNumbered(use.takenBy);
    if (use.overridden > 0)
        text += std::string(text.empty() ? "" : " and ") + "overrides";
    return text;
}

} // namespace ql
