// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// RecipeNode: a JSON or YAML document with its order and lines, and RecipeFields, which reads the members of one map.
// Private to core/policy/dialects.
#pragma once

#include "core/policy/dialects/dialect.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

namespace ql {

struct RecipeNode {
    enum class Kind : uint8_t { Null, Bool, Number, Text, List, Map };
    Kind kind = Kind::Null;
    int line = 0; ///< from 1
    bool truth = false;
    double number = 0;
    std::string text;
    std::vector<RecipeNode> items;
    std::vector<std::pair<std::string, RecipeNode>> members; ///< in the order of the text, keys unique

    bool isMap() const { return kind == Kind::Map; }
    const RecipeNode* find(std::string_view key) const; ///< null when there is no such member, or no map
    /// The map under `key`, or this one: files wrap a recipe or hold it alone.
    const RecipeNode& inside(std::string_view key) const;
    /// Whether the member is a text equal to `value`.
    bool says(std::string_view key, std::string_view value) const;
};

Result<RecipeNode> parseJsonRecipe(std::string_view text, const std::string& name);
/// A single document of maps, lists and scalars; anchors, aliases and tags are refused. PolicySyntax, DuplicateKey,
/// InvalidUtf8, JsonTooDeep, JsonTooLarge.
Result<RecipeNode> parseYamlRecipe(std::string_view text, const std::string& name);
/// JSON when it begins with a brace, else YAML.
Result<RecipeNode> parseRecipe(std::string_view text, const std::string& name);

/// "NAME: line 7".
std::string recipePlace(const RecipeText& recipe, int line);
void warn(const RecipeText& recipe, int line, const std::string& message);
Error recipeError(const RecipeText& recipe, int line, ErrorCode code, std::string message);
/// PolicySyntax unless `node` is a map.
Status expectMap(const RecipeText& recipe, const RecipeNode& node, const std::string& what);

/// Reads members of one map, remembers which were used, and reports the others as unknown. A null counts as missing.
/// Wrong types are PolicySyntax.
class RecipeFields
{
public:
    RecipeFields(const RecipeText& recipe, const RecipeNode& map) : m_recipe(recipe), m_map(map) {}
    RecipeFields(const RecipeFields&) = delete;
    RecipeFields& operator=(const RecipeFields&) = delete;
    ~RecipeFields();

    const RecipeNode* find(std::string_view key);
    Result<std::optional<std::string>> text(std::string_view key);
    Result<std::optional<bool>> boolean(std::string_view key);
    Result<std::optional<int>> integer(std::string_view key);
    Result<std::vector<const RecipeNode*>> texts(std::string_view key); ///< a list of texts
    Result<std::vector<const RecipeNode*>> textOrTexts(std::string_view key); ///< or a single one
    /// Keys that are known and change nothing here.
    void known(std::initializer_list<std::string_view> keys);
    /// What the dialect knows and this program does not do; named in a warning when present.
    void cannot(std::initializer_list<std::string_view> keys);
    /// At the line of the member, or of the map.
    Error error(std::string_view key, ErrorCode code, std::string message) const;

private:
    Error wrongType(std::string_view key, const char* expected) const;

    const RecipeText& m_recipe;
    const RecipeNode& m_map;
    std::set<std::string, std::less<>> m_used;
};

} // namespace ql
