// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/dialects/policybuilder.h"

#include "core/base/utf8.h"
#include "core/model/names.h"
#include "core/policy/dialects/document.h"
#include "core/policy/rulematcher.h"

namespace ql {
namespace {

/// Roles that the pattern of a recipe can mean: engines look at linear layers (GGUF: at matrices), whatever else the
/// pattern may fit.
std::vector<TensorRole> rolesOfWeights(RecipeNames names)
{
    std::vector<TensorRole> roles;
    for (const TensorRole role : allRoles()) {
        const bool embedding = role == TensorRole::Embedding;
        if (isLinear(role) || role == TensorRole::LmHead || role == TensorRole::Router || role == TensorRole::Other ||
            (embedding && names == RecipeNames::GgufTensors))
            roles.push_back(role);
    }
    return roles;
}

/// The float type that most matrices of the model are stored in: "not quantized" leaves them so.
Scheme keepScheme(const Model* model)
{
    std::map<Format, uint64_t> votes;
    for (const TensorInfo& tensor : model ? model->tensors() : std::vector<TensorInfo>()) {
        if (tensor.isMatrix())
            votes[tensor.dtype == DType::F32 || tensor.dtype == DType::F64 ? Format::F32
                  : tensor.dtype == DType::BF16                            ? Format::BF16
                                                                           : Format::F16] += tensor.parameters();
    }
    Format most = Format::F16;
    for (const auto& [format, parameters] : votes)
        most = parameters > votes[most] ? format : most;
    return Scheme::defaultsFor(most);
}

struct PatternShape {
    int ends = 0;              ///< places that mean the end of the text
    bool endsLast = false;     ///< the last character is one of them
    bool alternatives = false; ///< outside of any parentheses
    std::string onTensors;     ///< every end of the text replaced by the place before ".weight"
};

PatternShape shapeOf(const std::string& pattern)
{
    PatternShape shape;
    bool inClass = false;
    int depth = 0;
    for (size_t i = 0; i < pattern.size(); ++i) {
        const char c = pattern[i];
        if (c == '\\' && i + 1 < pattern.size()) {
            shape.onTensors += c;
            shape.onTensors += pattern[++i];
            continue;
        }
        inClass = c == '[' || (inClass && c != ']');
        depth += inClass ? 0 : c == '(' ? 1 : c == ')' ? -1 : 0;
        shape.alternatives |= !inClass && depth == 0 && c == '|';
        const bool end = c == '$' && !inClass;
        shape.ends += end;
        shape.endsLast |= end && i + 1 == pattern.size();
        shape.onTensors += end ? std::string("(?=\\.weight$)") : std::string(1, c);
    }
    return shape;
}

} // namespace

PolicyBuilder::PolicyBuilder(const RecipeText& recipe, RecipeNames names)
    : m_recipe(recipe), m_kind(names), m_roles(rolesOfWeights(names)), m_keep(keepScheme(recipe.model))
{
    m_policy.defaultScheme = m_keep;
}

Scheme PolicyBuilder::schemeOf(const RecipeWish& wish)
{
    m_kept |= !wish.scheme;
    return wish.scheme.value_or(m_keep);
}

void PolicyBuilder::setDefault(const RecipeWish& wish)
{
    m_hasDefault = true;
    m_policy.defaultScheme = schemeOf(wish);
    m_policy.activations.defaultScheme = wish.input;
    m_inputs |= wish.input.has_value();
}

void PolicyBuilder::addRoles(std::vector<TensorRole> roles, const RecipeWish& wish)
{
    m_policy.rules.push_back({"", roles, -1, -1, schemeOf(wish), ""});
    m_policy.activations.rules.push_back({"", std::move(roles), -1, -1, wish.input, ""});
    m_inputs |= wish.input.has_value();
}

void PolicyBuilder::setMixture(const Policy& mixture)
{
    m_hasDefault = true;
    m_policy.defaultScheme = mixture.defaultScheme;
    for (const Rule& rule : mixture.rules) {
        m_policy.rules.push_back(rule);
        m_policy.activations.rules.push_back({rule.match, rule.roles, rule.firstLayer, rule.lastLayer, {}, ""});
    }
}

Status PolicyBuilder::remember(std::map<std::string, Seen>& seen, const std::string& key, const RecipeWish& wish, int line)
{
    const auto [at, fresh] = seen.try_emplace(key, Seen{wish, line});
    if (fresh || at->second.wish == wish)
        return {};
    return recipeError(m_recipe, line, ErrorCode::PolicyBadRule,
                       "\"" + printable(key) + "\" contradicts line " + std::to_string(at->second.line) +
                           ", which gives it another scheme");
}

Status PolicyBuilder::addPattern(const std::string& pattern, const RecipeWish& wish, int line)
{
    const bool repeated = m_patterns.contains(pattern);
    QL_CHECK(remember(m_patterns, pattern, wish, line));
    if (repeated)
        return {};
    Rule rule{m_kind == RecipeNames::Modules ? onTensorNames(pattern) : pattern, m_roles, -1, -1,
              schemeOf(wish), ""};
    if (const auto compiled = RuleMatcher::create(std::vector<Rule>{rule}, "pattern"); !compiled.ok())
        return recipeError(m_recipe, line, ErrorCode::PolicyBadRule, compiled.error().message);
    m_policy.activations.rules.push_back({rule.match, rule.roles, -1, -1, wish.input, ""});
    m_policy.rules.push_back(std::move(rule));
    m_inputs |= wish.input.has_value();
    return {};
}

Status PolicyBuilder::addName(const std::string& name, const RecipeWish& wish, int line)
{
    QL_CHECK(remember(m_names, name, wish, line));
    const std::string tensor = m_kind == RecipeNames::Modules ? name + ".weight" : name;
    m_policy.tensors[tensor] = {schemeOf(wish), false, ""};
    m_policy.activations.tensors[tensor] = wish.input;
    m_inputs |= wish.input.has_value();
    return {};
}

/// On a known model a rule needs its roles only where its pattern fits more than weights.
Status PolicyBuilder::dropNeedlessRoles()
{
    constexpr size_t mostTrials = 5'000'000;
    if (m_policy.rules.size() * m_recipe.model->tensors().size() > mostTrials)
        return {};
    for (size_t i = 0; i < m_policy.rules.size(); ++i) {
        Rule bare = m_policy.rules[i];
        if (bare.match.empty())
            continue;
        bare.roles.clear();
        QL_TRY(const RuleMatcher both, RuleMatcher::create(std::vector<Rule>{m_policy.rules[i], bare}, "rule"));
        bool needless = true;
        for (const TensorInfo& tensor : m_recipe.model->tensors()) {
            QL_TRY(const int rule, both.find(tensor));
            needless = needless && rule != 1;
        }
        if (needless)
            m_policy.rules[i].roles = m_policy.activations.rules[i].roles = {};
    }
    return {};
}

/// Gives every weight that the recipe names by another convention than the model its own entry.
Status PolicyBuilder::translateNames()
{
    const Model& model = *m_recipe.model;
    QL_TRY(const RuleMatcher matcher, RuleMatcher::create(m_policy.rules, "rule"));
    Policy result = m_policy;
    result.rules.clear();
    result.tensors.clear();
    result.activations.rules.clear();
    result.activations.tensors.clear();
    for (const TensorInfo& tensor : model.tensors()) {
        const auto name = m_kind == RecipeNames::Modules ? hfName(tensor.name, model.architecture())
                                                         : ggufName(tensor.name, model.architecture());
        if (!name)
            continue;
        TensorInfo renamed = tensor;
        renamed.name = *name;
        const auto own = m_policy.tensors.find(*name);
        QL_TRY(const int rule, own == m_policy.tensors.end() ? matcher.find(renamed) : Result<int>(-1));
        if (own != m_policy.tensors.end()) {
            result.tensors[tensor.name] = own->second;
            result.activations.tensors[tensor.name] = m_policy.activations.tensors[*name];
        } else if (rule >= 0) {
            result.tensors[tensor.name] = {m_policy.rules[size_t(rule)].scheme, false, ""};
            result.activations.tensors[tensor.name] = m_policy.activations.rules[size_t(rule)].scheme;
        }
    }
    m_policy = std::move(result);
    return {};
}

Result<Policy> PolicyBuilder::finish()
{
    if (m_recipe.model) {
        const bool gguf = m_recipe.model->format() == ModelFormat::Gguf;
        const bool foreign = gguf == (m_kind == RecipeNames::Modules);
        if (const Status fitted = foreign ? translateNames() : dropNeedlessRoles(); !fitted.ok())
            return recipeError(m_recipe, 0, fitted.error().code, fitted.error().message);
        m_policy.modelFingerprint = m_recipe.model->fingerprint();
    } else if (m_kept || !m_hasDefault) {
        warn(m_recipe, 0, "what stays unquantized is written as " + m_keep.text() + "; a model tells how it is stored");
    }
    if (!m_inputs)
        m_policy.activations = {};
    return std::move(m_policy);
}

std::string onTensorNames(const std::string& pattern)
{
    const PatternShape shape = shapeOf(pattern);
    const auto whole = [&](const std::string& body) { return shape.alternatives ? "(?:" + body + ")" : body; };
    if (shape.ends == 0)
        return whole(pattern) + (pattern.ends_with(".*") ? "" : ".*") + "\\.weight$";
    if (shape.ends == 1 && shape.endsLast && !shape.alternatives)
        return pattern.substr(0, pattern.size() - 1) + "\\.weight$";
    return shape.onTensors;
}

std::string literalPattern(std::string_view text)
{
    std::string pattern;
    for (const char c : text) {
        if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos)
            pattern += '\\';
        pattern += c;
    }
    return pattern;
}

std::string globPattern(std::string_view glob)
{
    std::string pattern = "^";
    for (const char c : glob)
        pattern += c == '*' ? ".*" : c == '?' ? "." : literalPattern(std::string_view(&c, 1));
    return pattern + "$";
}

Result<Scheme> withGroupSize(Scheme scheme, int groupSize)
{
    scheme.granularity = groupSize == -1 ? Granularity::Channel : Granularity::Group;
    scheme.groupSize = groupSize;
    scheme = groupSize == -1 ? scheme.normalized() : scheme;
    if (const Status valid = scheme.check(); !valid.ok())
        return Error{ErrorCode::SchemeBadOption,
                     "group size " + std::to_string(groupSize) + " is impossible: 16 to 1024, or -1 for one per row", {}};
    return scheme.normalized();
}

Result<Format> integerOfBits(int bits)
{
    if (bits < 2 || bits > 8)
        return Error{ErrorCode::SchemeUnknownFormat, std::to_string(bits) + " bits are not known here; 2 to 8 are", {}};
    return Format(int(Format::Int2) + bits - 2);
}

} // namespace ql
