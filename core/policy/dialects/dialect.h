// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Dialects: the recipe formats of other engines that a policy is written as and read from; one table row each, one pair
// of files per engine. Stateless; any thread.
#pragma once

#include "core/policy/policy.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ql {

struct RecipeNode;

struct DialectText {
    std::string text;
    std::vector<std::string> lost; ///< what the dialect cannot say, one line each: which tensors, which scheme, why
};

/// What is read.
struct RecipeText {
    std::string_view text;
    std::string name;             ///< of the file, for messages; may be empty
    const Model* model = nullptr; ///< whose tensor names and stored types the policy is to have; may be null
    std::vector<std::string>* warnings = nullptr; ///< unknown keys, and what a policy cannot say; may be null
};

struct Dialect {
    std::string_view id;       ///< on the command line: "gptqmodel"
    std::string_view label;    ///< in menus: "GPTQModel dynamic"
    std::string_view fileName; ///< under which its engine looks for it
    std::string_view summary;  ///< one sentence
    /// Resolves the policy on the model and spells it. PolicyBadRule; Unsupported when the dialect has no word for any
    /// of it.
    Result<DialectText> (*write)(const Policy& policy, const Model& model);
    /// Errors name file and line: JsonSyntax, JsonDuplicateKey ..., DuplicateKey (YAML), PolicySyntax for structure and
    /// types, PolicyBadRule for patterns and contradictions, SchemeUnknownFormat, SchemeBadOption for impossible values.
    Result<Policy> (*read)(const RecipeText& recipe);
    /// Whether a JSON or YAML document is one of its files; null for other texts.
    bool (*recognizes)(const RecipeNode& document);
};

std::span<const Dialect> dialects();
const Dialect* dialectFromId(std::string_view id); ///< null when not known
std::string dialectIds();                          ///< "quantloupe, llama.cpp, ..." for messages
/// By content. UnknownFormat when no dialect recognises the text, else what is wrong with its syntax.
Result<const Dialect*> detectDialect(std::string_view text, const std::string& name);

} // namespace ql
