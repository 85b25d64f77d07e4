// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// YAML recipes, from the parser's events: bounded, without anchors (a few of which can stand for a whole disk of text).
#include "core/base/utf8.h"
#include "core/policy/dialects/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace ql {
namespace {

using Kind = RecipeNode::Kind;

constexpr size_t kLargestYaml = 4 << 20;
constexpr size_t kDeepest = 64;

/// Ends the parser's run from within an event.
struct Refused {
    ErrorCode code;
    int line;
    std::string message;
};

RecipeNode plainScalar(const std::string& text)
{
    const auto isOneOf = [&](std::initializer_list<std::string_view> words) {
        return std::find(words.begin(), words.end(), text) != words.end();
    };
    RecipeNode node;
    if (isOneOf({"", "~", "null", "Null", "NULL"}))
        return node;
    const bool yes = isOneOf({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"});
    if (yes || isOneOf({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) {
        node.kind = Kind::Bool;
        node.truth = yes;
        return node;
    }
    const char* begin = text.data() + (text[0] == '+' ? 1 : 0);
    const char* end = text.data() + text.size();
    const bool digits = text.find_first_of("0123456789") != std::string::npos;
    if (const auto read = std::from_chars(begin, end, node.number); digits && read.ec == std::errc() && read.ptr == end) {
        node.kind = Kind::Number;
        return node;
    }
    node.kind = Kind::Text;
    node.text = text;
    return node;
}

class Builder : public YAML::EventHandler
{
public:
    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add({}, mark, "?", anchor); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuseAnchors(mark); }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& value) override
    {
        if (!m_open.empty() && m_open.back()->isMap() && !m_hasKey.back())
            return takeKey(mark, value, anchor);
        RecipeNode node;
        node.kind = Kind::Text;
        node.text = value;
        add(tag == "?" || tag.empty() ? plainScalar(value) : std::move(node), mark, tag, anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override
    {
        open(Kind::List, mark, tag, anchor);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override
    {
        open(Kind::Map, mark, tag, anchor);
    }
    void OnMapEnd() override { close(); }

    RecipeNode root;

private:
    static int lineOf(const YAML::Mark& mark) { return mark.line + 1; }
    [[noreturn]] static void refuseAnchors(const YAML::Mark& mark)
    {
        throw Refused{ErrorCode::PolicySyntax, lineOf(mark), "anchors and aliases are not read; write the value out"};
    }
    void takeKey(const YAML::Mark& mark, const std::string& key, YAML::anchor_t anchor)
    {
        if (anchor)
            refuseAnchors(mark);
        if (!m_keys.back().insert(key).second)
            throw Refused{ErrorCode::DuplicateKey, lineOf(mark), "key \"" + printable(key) + "\" appears twice"};
        m_open.back()->members.emplace_back(key, RecipeNode());
        m_hasKey.back() = true;
    }
    RecipeNode* add(RecipeNode node, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor)
    {
        if (anchor)
            refuseAnchors(mark);
        if (!tag.empty() && tag != "?" && tag != "!")
            throw Refused{ErrorCode::PolicySyntax, lineOf(mark), "tag \"" + printable(tag) + "\" is not read"};
        node.line = lineOf(mark);
        if (m_open.empty())
            return &(root = std::move(node));
        RecipeNode& parent = *m_open.back();
        if (parent.kind == Kind::List)
            return &parent.items.emplace_back(std::move(node));
        if (!m_hasKey.back())
            throw Refused{ErrorCode::PolicySyntax, lineOf(mark), "a key must be a text"};
        m_hasKey.back() = false;
        return &(parent.members.back().second = std::move(node));
    }
    void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor)
    {
        if (m_open.size() >= kDeepest)
            throw Refused{ErrorCode::JsonTooDeep, lineOf(mark), "nested deeper than " + std::to_string(kDeepest) + " levels"};
        RecipeNode node;
        node.kind = kind;
        m_open.push_back(add(std::move(node), mark, tag, anchor));
        m_hasKey.push_back(false);
        m_keys.emplace_back();
    }
    void close()
    {
        m_open.pop_back();
        m_hasKey.pop_back();
        m_keys.pop_back();
    }

    std::vector<RecipeNode*> m_open; ///< a parent does not grow while its child is open
    std::vector<bool> m_hasKey;      ///< of each open map: its value is next
    std::vector<std::set<std::string>> m_keys;
};

} // namespace

Result<RecipeNode> parseYamlRecipe(std::string_view text, const std::string& name)
{
    const RecipeText recipe{text, name.empty() ? "recipe" : name};
    if (text.size() > kLargestYaml)
        return recipeError(recipe, 0, ErrorCode::JsonTooLarge, "larger than " + std::to_string(kLargestYaml) + " bytes");
    if (!isUtf8(text) || text.find('\0') != std::string_view::npos)
        return recipeError(recipe, 0, ErrorCode::InvalidUtf8, "the text is not valid UTF-8");
    Builder builder;
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder))
            return recipeError(recipe, 1, ErrorCode::PolicySyntax, "the recipe is empty");
        Builder second;
        if (parser.HandleNextDocument(second))
            return recipeError(recipe, second.root.line, ErrorCode::PolicySyntax, "a second document; one is read");
    } catch (const Refused& refused) {
        return recipeError(recipe, refused.line, refused.code, refused.message);
    } catch (const YAML::ParserException& error) {
        return recipeError(recipe, error.mark.line + 1, ErrorCode::PolicySyntax, "not valid YAML: " + printable(error.msg, 160));
    } catch (const YAML::Exception& error) {
        return recipeError(recipe, error.mark.line + 1, ErrorCode::PolicySyntax, "not valid YAML: " + printable(error.msg, 160));
    }
    return std::move(builder.root);
}

} // namespace ql
