// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/policy/dialects/dialect.h"

#include "core/policy/dialects/dialecttable.h"
#include "core/policy/dialects/document.h"

#include <array>

namespace ql {
namespace {

Result<DialectText> writeOwn(const Policy& policy, const Model&)
{
    return DialectText{policy.toJson(), {}};
}

Result<Policy> readOwn(const RecipeText& recipe)
{
    auto policy = Policy::parse(recipe.text, recipe.warnings);
    if (policy.ok() || recipe.name.empty())
        return policy;
    Error error = policy.error();
    error.where = error.where.starts_with("policy: ") ? recipe.name + error.where.substr(6)
                  : error.where.empty()               ? recipe.name
                                                      : recipe.name + ": " + error.where;
    return error;
}

bool isOwn(const RecipeNode& document)
{
    return document.find("quantloupe_policy");
}

/// In the order in which they are asked whether a document is theirs.
const std::array<const Dialect*, 12>& table()
{
    static const std::array<const Dialect*, 12> rows{
        &kQuantloupeDialect, &kLlamaCppDialect,          &kLlamaCppArgumentsDialect, &kGptqModelDialect,
        &kAutoRoundDialect,  &kCompressedTensorsDialect, &kLlmCompressorDialect,     &kBitsAndBytesDialect,
        &kHqqDialect,        &kTorchAoDialect,           &kModelOptDialect,          &kMlxDialect};
    return rows;
}

} // namespace

const Dialect kQuantloupeDialect{"quantloupe", "Quantloupe policy", "policy.json",
                                 "The program's own policy file, which can say everything.",
                                 writeOwn, readOwn, isOwn};

std::span<const Dialect> dialects()
{
    static const std::vector<Dialect> rows = [] {
        std::vector<Dialect> all;
        for (const Dialect* row : table())
            all.push_back(*row);
        return all;
    }();
    return rows;
}

const Dialect* dialectFromId(std::string_view id)
{
    for (const Dialect& dialect : dialects()) {
        if (dialect.id == id)
            return &dialect;
    }
    return nullptr;
}

std::string dialectIds()
{
    std::string ids;
    for (const Dialect& dialect : dialects())
        ids += (ids.empty() ? "" : ", ") + std::string(dialect.id);
    return ids;
}

Result<const Dialect*> detectDialect(std::string_view text, const std::string& name)
{
    if (isTensorTypeArguments(text))
        return dialectFromId(kLlamaCppArgumentsDialect.id);
    if (isTensorTypeFile(text))
        return dialectFromId(kLlamaCppDialect.id);
    QL_TRY(const RecipeNode document, parseRecipe(text, name));
    for (const Dialect& dialect : dialects()) {
        if (dialect.recognizes && dialect.recognizes(document))
            return &dialect;
    }
    return Error{ErrorCode::UnknownFormat, "no recipe that is known here; name its dialect: " + dialectIds(), name};
}

} // namespace ql
