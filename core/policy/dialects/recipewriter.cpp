// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/dialects/recipewriter.h"

#include "core/model/names.h"
#include "core/quant/schemetable.h"

#include <algorithm>

namespace ql {
namespace {

constexpr size_t kNamesShown = 2;

std::string plural(size_t count, const std::string& thing)
{
    return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

bool isEmbedding(TensorRole role)
{
    return role == TensorRole::Embedding || role == TensorRole::PositionEmbedding || role == TensorRole::TokenTypeEmbedding;
}

bool isNamed(const TensorInfo& tensor)
{
    return isLinear(tensor.role) || tensor.role == TensorRole::LmHead || tensor.role == TensorRole::Router ||
           tensor.role == TensorRole::Other || tensor.role == TensorRole::Embedding;
}

/// What differs between two schemes of the same bits, in words.
std::string differences(const Scheme& wanted, const Scheme& given)
{
    std::string text;
    const auto note = [&](bool differs, const char* what) { text += differs ? (text.empty() ? "" : ", ") + std::string(what) : ""; };
    note(wanted.symmetry != given.symmetry, "zero points");
    note(wanted.range != given.range && wanted.symmetry == given.symmetry, "code range");
    note(wanted.granularity != given.granularity || wanted.groupSize != given.groupSize, "groups");
    note(wanted.clip != given.clip || wanted.clipParameter != given.clipParameter, "clipping");
    note(wanted.rounding != given.rounding || wanted.seed != given.seed, "rounding");
    note(wanted.scaleType != given.scaleType, "type of the scales");
    note(wanted.doubleQuant != given.doubleQuant, "double quantization");
    note(wanted.importance != given.importance, "weighting by importance");
    return text.empty() ? "other options" : text;
}

std::string nameIn(RecipeNames names, const TensorInfo& tensor, const Model& model)
{
    const bool gguf = model.format() == ModelFormat::Gguf;
    if (names == RecipeNames::GgufTensors)
        return gguf ? tensor.name : ggufName(tensor.name, model.architecture()).value_or("");
    std::string name = gguf ? hfName(tensor.name, model.architecture()).value_or("") : tensor.name;
    constexpr std::string_view suffix = ".weight";
    if (!name.ends_with(suffix))
        return {};
    name.erase(name.size() - suffix.size());
    return name;
}

/// The format that leaves values of this type as they are.
std::optional<Format> floatFormatOf(DType type)
{
    return type == DType::F32    ? std::optional(Format::F32)
           : type == DType::F16  ? std::optional(Format::F16)
           : type == DType::BF16 ? std::optional(Format::BF16)
                                 : std::nullopt;
}

void loseRemarks(const Policy& policy, const RecipeTask::Abilities& abilities, RecipeLosses& losses)
{
    const auto hasNote = [](const auto& rule) { return !rule.note.empty(); };
    size_t notes = size_t(std::count_if(policy.rules.begin(), policy.rules.end(), hasNote));
    notes += size_t(std::count_if(policy.activations.rules.begin(), policy.activations.rules.end(), hasNote));
    size_t locks = 0;
    for (const auto& [name, entry] : policy.tensors) {
        notes += !entry.note.empty();
        locks += entry.locked;
    }
    const std::string engine(abilities.engine);
    if (notes)
        losses.add(plural(notes, "note") + ": " + engine + " has no place for them");
    if (locks)
        losses.add(plural(locks, "lock") + ": " + engine + " knows none");
    if (!abilities.inputs && !policy.activations.empty())
        losses.add("activations: " + engine + " quantizes weights only");
    if (!abilities.kvCache && !policy.kvCache.empty())
        losses.add("KV cache: not part of what " + engine + " is told here");
}

/// Why the dialect cannot name this tensor; empty when it can.
std::string whyUnnamed(const TensorInfo& tensor, const RecipeTask::Abilities& abilities)
{
    const std::string engine(abilities.engine);
    if (!tensor.isMatrix() || !isNamed(tensor))
        return engine + " leaves tensors of role " + std::string(roleName(tensor.role)) + " alone";
    if (isEmbedding(tensor.role) && !abilities.embeddings)
        return engine + " leaves embeddings alone";
    if (tensor.role == TensorRole::LmHead && !abilities.head)
        return engine + " leaves the output head alone";
    return {};
}

} // namespace

void RecipeLosses::add(const std::string& tensor, const std::string& what)
{
    auto& list = m_tensors[what];
    if (list.empty())
        m_order.push_back(what);
    list.push_back(tensor);
}

std::vector<std::string> RecipeLosses::lines() const
{
    std::vector<std::string> lines;
    for (const std::string& what : m_order) {
        const auto& tensors = m_tensors.at(what);
        std::string line = tensors[0];
        for (size_t i = 1; i < std::min(tensors.size(), kNamesShown); ++i)
            line += ", " + tensors[i];
        if (tensors.size() > kNamesShown)
            line += " and " + std::to_string(tensors.size() - kNamesShown) + " more";
        lines.push_back(line + ": " + what);
    }
    lines.insert(lines.end(), m_lines.begin(), m_lines.end());
    return lines;
}

Result<RecipeTask> RecipeTask::create(const Policy& policy, const Model& model, const Abilities& abilities)
{
    RecipeTask task{policy, model, abilities, {}, {}};
    QL_TRY(const auto decisions, policy.resolve(model));
    QL_TRY(const auto inputs, policy.activations.resolve(model));
    for (size_t i = 0; i < decisions.size(); ++i) {
        const TensorInfo& tensor = model.tensors()[i];
        const Decision& decision = decisions[i];
        if (!decision.fallback.empty())
            task.losses.add(tensor.name, decision.fallback);
        const bool cast = !decision.asStored && decision.scheme.keepsFloat();
        const bool kept = decision.asStored || (cast && decision.scheme.format == floatFormatOf(tensor.dtype));
        RecipeWish wish;
        if (!kept && !(cast && abilities.names == RecipeNames::Modules))
            wish.scheme = decision.scheme.normalized();
        if (abilities.inputs)
            wish.input = inputs[i];
        std::string why = whyUnnamed(tensor, abilities);
        std::string name = why.empty() ? nameIn(abilities.names, tensor, model) : "";
        if (why.empty() && name.empty())
            why = std::string(abilities.engine) + " has no name for it";
        const bool named = why.empty();
        if (named && cast && abilities.names == RecipeNames::Modules)
            why = "left as stored: " + std::string(abilities.engine) + " keeps the type of the checkpoint";
        if (!kept && !why.empty())
            task.losses.add(tensor.name, decision.scheme.text() + ": " + why);
        if (!named)
            continue;
        task.weights.push_back({&tensor, std::move(name), std::move(wish)});
    }
    loseRemarks(policy, abilities, task.losses);
    return task;
}

RecipeKinds RecipeTask::spelled(Result<Spelled> (*spell)(const RecipeWeight&))
{
    RecipeKinds result;
    std::map<std::string, int> known;
    std::vector<uint64_t> parameters;
    for (const RecipeWeight& weight : weights) {
        result.kindOf.push_back(-1);
        if (!weight.wish.scheme) {
            if (weight.wish.input)
                losses.add(weight.tensor->name, "inputs " + weight.wish.input->text() +
                                                    ": left in full precision: the weight is not quantized");
            continue;
        }
        const std::string wanted =
            weight.wish.scheme->text() + (weight.wish.input ? " with inputs " + weight.wish.input->text() : "");
        auto said = spell(weight);
        if (!said.ok()) {
            losses.add(weight.tensor->name, wanted + ": left unquantized: " + said.error().message);
            continue;
        }
        if (said->means.scheme != weight.wish.scheme)
            losses.add(weight.tensor->name, wanted + ": becomes " + said->means.scheme->text() + " (" +
                                                differences(*weight.wish.scheme, *said->means.scheme) + " of " +
                                                std::string(abilities.engine) + ")");
        if (!said->lost.empty())
            losses.add(weight.tensor->name, wanted + ": " + said->lost);
        if (abilities.inputs && said->means.input != weight.wish.input)
            losses.add(weight.tensor->name, wanted + ": inputs become " +
                                                (said->means.input ? said->means.input->text() : "full precision"));
        const auto [at, fresh] = known.try_emplace(said->json.dump(), int(result.kinds.size()));
        if (fresh) {
            result.kinds.push_back(std::move(*said));
            parameters.push_back(0);
        }
        result.kindOf.back() = at->second;
        parameters[size_t(at->second)] += weight.inBlock() ? weight.tensor->parameters() : 0;
    }
    if (!parameters.empty())
        result.base = int(std::max_element(parameters.begin(), parameters.end()) - parameters.begin());
    return result;
}

std::vector<std::string> namesOf(const RecipeTask& task, const RecipeKinds& kinds, int kind)
{
    std::vector<std::string> names;
    for (size_t i = 0; i < task.weights.size(); ++i) {
        if (kinds.kindOf[i] == kind)
            names.push_back(task.weights[i].name);
    }
    return names;
}

std::vector<std::string> allNames(const RecipeTask& task)
{
    std::vector<std::string> names;
    for (const RecipeWeight& weight : task.weights)
        names.push_back(weight.name);
    return names;
}

Error cannotSay(std::string why)
{
    return {ErrorCode::Unsupported, std::move(why), {}};
}

Error nothingToSay(const RecipeTask& task)
{
    std::string reason;
    for (const std::string& line : task.losses.lines()) {
        if (reason.empty() && line.find("left unquantized") != std::string::npos)
            reason = "; " + line;
    }
    return {ErrorCode::Unsupported,
            std::string(task.abilities.engine) + " can quantize none of these weights as the policy wants" + reason, {}};
}

Status wholeGroups(const RecipeWeight& weight, int groupSize)
{
    const int64_t cols = weight.tensor->cols();
    if (groupSize > 0 && cols % groupSize != 0)
        return cannotSay("rows of " + std::to_string(cols) + " values hold no whole groups of " + std::to_string(groupSize));
    return {};
}

Result<int> groupSizeOf(const Scheme& scheme)
{
    if (scheme.granularity == Granularity::Tensor)
        return cannotSay("one scale for the whole tensor is not known there");
    return scheme.granularity == Granularity::Channel ? -1 : scheme.groupSize;
}

void append(OrderedJson& object, const std::string& key, OrderedJson value)
{
    object.get_ref<OrderedJson::object_t&>().emplace_back(key, std::move(value));
}

std::string dumped(const OrderedJson& json)
{
    return json.dump(2) + "\n";
}

} // namespace ql
