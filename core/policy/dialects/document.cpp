// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/dialects/document.h"

#include "core/base/utf8.h"
#include "core/io/json.h"

#include <cmath>

namespace ql {
namespace {

using Kind = RecipeNode::Kind;
using OrderedJson = nlohmann::ordered_json;

RecipeNode nodeOf(const OrderedJson& json, const std::string& pointer, const JsonLines& lines)
{
    RecipeNode node;
    if (const auto line = lines.find(pointer); line != lines.end())
        node.line = line->second;
    switch (json.type()) {
    case OrderedJson::value_t::boolean:
        node.kind = Kind::Bool;
        node.truth = json.get<bool>();
        break;
    case OrderedJson::value_t::string:
        node.kind = Kind::Text;
        node.text = json.get<std::string>();
        break;
    case OrderedJson::value_t::array:
        node.kind = Kind::List;
        for (size_t i = 0; i < json.size(); ++i)
            node.items.push_back(nodeOf(json[i], pointer + "/" + std::to_string(i), lines));
        break;
    case OrderedJson::value_t::object:
        node.kind = Kind::Map;
        for (const auto& [key, value] : json.items()) {
            const std::string inner = pointer + (OrderedJson::json_pointer() / key).to_string();
            node.members.emplace_back(key, nodeOf(value, inner, lines));
        }
        break;
    case OrderedJson::value_t::null:
        break;
    default:
        node.kind = Kind::Number;
        node.number = json.get<double>();
    }
    return node;
}

} // namespace

const RecipeNode* RecipeNode::find(std::string_view key) const
{
    for (const auto& [name, value] : members) {
        if (name == key)
            return &value;
    }
    return nullptr;
}

const RecipeNode& RecipeNode::inside(std::string_view key) const
{
    const RecipeNode* inner = find(key);
    return inner && inner->isMap() ? *inner : *this;
}

bool RecipeNode::says(std::string_view key, std::string_view value) const
{
    const RecipeNode* member = find(key);
    return member && member->kind == Kind::Text && member->text == value;
}

Result<RecipeNode> parseJsonRecipe(std::string_view text, const std::string& name)
{
    JsonLines lines;
    QL_TRY(const OrderedJson json, parseOrderedJson(text, name.empty() ? "recipe" : name, {}, &lines));
    return nodeOf(json, "", lines);
}

Result<RecipeNode> parseRecipe(std::string_view text, const std::string& name)
{
    const size_t first = text.find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && text[first] == '{' ? parseJsonRecipe(text, name)
                                                                 : parseYamlRecipe(text, name);
}

std::string recipePlace(const RecipeText& recipe, int line)
{
    const std::string number = line > 0 ? "line " + std::to_string(line) : "";
    return recipe.name.empty() || number.empty() ? recipe.name + number : recipe.name + ": " + number;
}

void warn(const RecipeText& recipe, int line, const std::string& message)
{
    if (recipe.warnings)
        recipe.warnings->push_back(recipePlace(recipe, line) + ": " + message);
}

Error recipeError(const RecipeText& recipe, int line, ErrorCode code, std::string message)
{
    return {code, std::move(message), recipePlace(recipe, line)};
}

Status expectMap(const RecipeText& recipe, const RecipeNode& node, const std::string& what)
{
    if (!node.isMap())
        return recipeError(recipe, node.line, ErrorCode::PolicySyntax, what + " must hold keys and values");
    return {};
}

RecipeFields::~RecipeFields()
{
    for (const auto& [key, value] : m_map.members) {
        if (!m_used.contains(key))
            warn(m_recipe, value.line, "unknown key \"" + printable(key) + "\" is ignored");
    }
}

const RecipeNode* RecipeFields::find(std::string_view key)
{
    m_used.emplace(key);
    const RecipeNode* node = m_map.find(key);
    return node && node->kind != Kind::Null ? node : nullptr;
}

Result<std::optional<std::string>> RecipeFields::text(std::string_view key)
{
    const RecipeNode* node = find(key);
    if (!node)
        return std::optional<std::string>();
    if (node->kind != Kind::Text)
        return wrongType(key, "a text");
    return std::optional(node->text);
}

Result<std::optional<bool>> RecipeFields::boolean(std::string_view key)
{
    const RecipeNode* node = find(key);
    if (!node)
        return std::optional<bool>();
    if (node->kind != Kind::Bool)
        return wrongType(key, "true or false");
    return std::optional(node->truth);
}

Result<std::optional<int>> RecipeFields::integer(std::string_view key)
{
    const RecipeNode* node = find(key);
    if (!node)
        return std::optional<int>();
    if (node->kind != Kind::Number || std::trunc(node->number) != node->number || std::abs(node->number) > 1e9)
        return wrongType(key, "a whole number");
    return std::optional(int(node->number));
}

Result<std::vector<const RecipeNode*>> RecipeFields::texts(std::string_view key)
{
    std::vector<const RecipeNode*> list;
    const RecipeNode* node = find(key);
    if (!node)
        return list;
    if (node->kind != Kind::List)
        return wrongType(key, "a list of texts");
    for (const RecipeNode& item : node->items) {
        if (item.kind != Kind::Text || item.text.empty())
            return recipeError(m_recipe, item.line, ErrorCode::PolicySyntax,
                               "\"" + std::string(key) + "\" must be a list of texts");
        list.push_back(&item);
    }
    return list;
}

Result<std::vector<const RecipeNode*>> RecipeFields::textOrTexts(std::string_view key)
{
    const RecipeNode* node = find(key);
    if (node && node->kind == Kind::Text && !node->text.empty())
        return std::vector<const RecipeNode*>{node};
    return texts(key);
}

void RecipeFields::known(std::initializer_list<std::string_view> keys)
{
    m_used.insert(keys.begin(), keys.end());
}

void RecipeFields::cannot(std::initializer_list<std::string_view> keys)
{
    for (const std::string_view key : keys) {
        const RecipeNode* node = find(key);
        const bool empty = !node || (node->kind == Kind::Bool && !node->truth) ||
                           (node->kind == Kind::List && node->items.empty()) || (node->isMap() && node->members.empty());
        if (!empty)
            warn(m_recipe, node->line, "\"" + std::string(key) + "\" has no counterpart in a policy and is left out");
    }
}

Error RecipeFields::error(std::string_view key, ErrorCode code, std::string message) const
{
    const RecipeNode* node = m_map.find(key);
    return recipeError(m_recipe, node ? node->line : m_map.line, code, std::move(message));
}

Error RecipeFields::wrongType(std::string_view key, const char* expected) const
{
    return error(key, ErrorCode::PolicySyntax, "\"" + std::string(key) + "\" must be " + expected);
}

} // namespace ql
