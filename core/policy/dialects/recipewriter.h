// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RecipeTask: a policy resolved on a model, as the weights that a dialect can name, and the list of what it cannot say.
// Private to core/policy/dialects.
#pragma once

#include "core/policy/dialects/policybuilder.h"
#include "core/policy/policyfields.h"

#include <map>
#include <set>

namespace ql {

/// One weight matrix that a dialect can name.
struct RecipeWeight {
    const TensorInfo* tensor;
    std::string name; ///< of the module, or the GGUF tensor
    RecipeWish wish;  ///< nothing: as stored
    bool inBlock() const { return tensor->layer >= 0; }
};

/// What a dialect has no word for, gathered so that every reason is one line.
class RecipeLosses
{
public:
    void add(const std::string& tensor, const std::string& what);
    void add(std::string line) { m_lines.push_back(std::move(line)); }
    std::vector<std::string> lines() const;

private:
    std::vector<std::string> m_order;
    std::map<std::string, std::vector<std::string>> m_tensors; ///< by what is said of them
    std::vector<std::string> m_lines;
};

/// How a dialect says a wish, and what an engine that reads it would do.
struct Spelled {
    OrderedJson json;
    RecipeWish means;
    std::string lost{}; ///< what schemes do not tell; empty: nothing
};

/// The different spellings of a task, each once.
struct RecipeKinds {
    std::vector<Spelled> kinds;
    std::vector<int> kindOf; ///< one per weight; -1 stays as stored
    int base = -1;           ///< of most parameters; -1 when nothing is quantized
};

struct RecipeTask {
    struct Abilities {
        std::string_view engine; ///< "GPTQModel", for messages
        RecipeNames names = RecipeNames::Modules;
        bool embeddings = false; ///< can be named and quantized
        bool head = true;        ///< the output head, likewise
        bool headIsSafe = false; ///< it stays as stored unless it is named
        bool inputs = false;     ///< activations of linear layers
        bool kvCache = false;    ///< said by the dialect itself
    };

    /// PolicyBadRule. Lists as lost what no tensor of the dialect can carry: notes, locks, tensors without a name ...
    static Result<RecipeTask> create(const Policy& policy, const Model& model, const Abilities& abilities);

    /// Spells every weight; one that `spell` refuses stays as stored, and its message is the reason in the list. What
    /// an engine would do differently is listed too.
    RecipeKinds spelled(Result<Spelled> (*spell)(const RecipeWeight&));
    /// Whether the engine leaves this weight as stored without being told.
    bool leavesAlone(const RecipeWeight& weight) const
    {
        return abilities.headIsSafe && weight.tensor->role == TensorRole::LmHead && !weight.wish.scheme;
    }
    DialectText text(std::string written) const { return {std::move(written), losses.lines()}; }

    const Policy& policy;
    const Model& model;
    Abilities abilities;
    std::vector<RecipeWeight> weights;
    RecipeLosses losses;
};

/// Patterns that fit exactly `names` among `all` from beginning to end, numbers gathered; neither anchored nor with
/// top-level alternatives. Kept below 1024 bytes each.
std::vector<std::string> patternsFor(const std::vector<std::string>& names, const std::vector<std::string>& all);
/// Names of the weights whose kind is `kind`.
std::vector<std::string> namesOf(const RecipeTask& task, const RecipeKinds& kinds, int kind);
std::vector<std::string> allNames(const RecipeTask& task);

/// The policy's own patterns as a list in which the first that fits a name from its beginning decides, where that says
/// on this model exactly what `kinds` says; else nothing. What no pattern fits is of the base kind.
struct RecipePattern {
    std::string pattern;
    int kind;
};
std::optional<std::vector<RecipePattern>> ownPatterns(const RecipeTask& task, const RecipeKinds& kinds);
/// Own patterns where they serve, else gathered ones anchored at both ends.
std::vector<RecipePattern> patternsOf(const RecipeTask& task, const RecipeKinds& kinds);

/// Why a scheme cannot be written, for `spell`.
Error cannotSay(std::string why);
/// Unsupported, with the first reason in the list.
Error nothingToSay(const RecipeTask& task);
/// Refuses rows that do not hold whole groups.
Status wholeGroups(const RecipeWeight& weight, int groupSize);
/// -1 for one group per row, else the size. Refuses one scale for the whole tensor.
Result<int> groupSizeOf(const Scheme& scheme);
/// Appends a member that is not there yet; an object of this library looks for its key one by one.
void append(OrderedJson& object, const std::string& key, OrderedJson value);
std::string dumped(const OrderedJson& json); ///< two-space indent and a line feed

} // namespace ql
