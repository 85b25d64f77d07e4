// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// PolicyBuilder: collects what a recipe says about modules or GGUF tensors and makes a policy of it, in the names of a
// model when one is given. Private to core/policy/dialects.
#pragma once

#include "core/policy/dialects/dialect.h"

#include <map>
#include <optional>

namespace ql {

/// What the names of a recipe mean.
enum class RecipeNames { Modules, GgufTensors };

/// What a recipe wants for some weights; no scheme: they stay as stored.
struct RecipeWish {
    std::optional<Scheme> scheme;
    std::optional<ActivationScheme> input;
    friend bool operator==(const RecipeWish&, const RecipeWish&) = default;
};

class PolicyBuilder
{
public:
    PolicyBuilder(const RecipeText& recipe, RecipeNames names);

    /// From here on patterns do not mean weights with this role: the engine leaves them alone.
    void leaveAlone(TensorRole role) { std::erase(m_roles, role); }
    /// For linear layers inside the blocks that nothing else names.
    void setDefault(const RecipeWish& wish);
    /// For every weight with one of these roles, after all that was added before.
    void addRoles(std::vector<TensorRole> roles, const RecipeWish& wish);
    /// Default and rules of `mixture`, after all that was added before.
    void setMixture(const Policy& mixture);
    /// A Perl-like pattern that is searched in the name of a weight; the first that matches decides. PolicyBadRule for a
    /// broken one, and for one that was there before with another wish.
    Status addPattern(const std::string& pattern, const RecipeWish& wish, int line);
    /// One weight by its name; comes before patterns. PolicyBadRule when it was there before with another wish.
    Status addName(const std::string& name, const RecipeWish& wish, int line);
    void setKvCache(const KvScheme& scheme) { m_policy.kvCache.defaultScheme = scheme; }

    /// Warns where "not quantized" had to become a type, because no model tells how its weights are stored.
    Result<Policy> finish();

private:
    struct Seen {
        RecipeWish wish;
        int line;
    };
    Status remember(std::map<std::string, Seen>& seen, const std::string& key, const RecipeWish& wish, int line);
    Scheme schemeOf(const RecipeWish& wish);
    Status dropNeedlessRoles();
    Status translateNames();

    const RecipeText& m_recipe;
    RecipeNames m_kind;
    std::vector<TensorRole> m_roles; ///< that a pattern can mean
    Policy m_policy;
    Scheme m_keep; ///< what "not quantized" means on this model
    bool m_inputs = false, m_kept = false, m_hasDefault = false;
    std::map<std::string, Seen> m_patterns, m_names;
};

/// `pattern` over names without ".weight", made to be searched in tensor names: every end of text becomes the place
/// before ".weight".
std::string onTensorNames(const std::string& pattern);
/// `text` as a pattern that matches only it.
std::string literalPattern(std::string_view text);
/// Shell wildcards (* and ?) as a pattern of the whole name.
std::string globPattern(std::string_view glob);
/// Scheme of `text` with a group size from a file: -1 is one group per row. SchemeBadOption for a size that cannot be.
Result<Scheme> withGroupSize(Scheme scheme, int groupSize);
/// The integer format of 2 to 8 bits. SchemeUnknownFormat.
Result<Format> integerOfBits(int bits);

} // namespace ql
