// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Recipes as users of the engines have them, and what one tensor of the bundled model gets from each.
#pragma once

#include <span>

namespace ql::test {

struct RecipeMeaning {
    const char* name;
    const char* dialect;
    const char* recipe;
    const char* tensor;
    const char* expected; ///< text of a scheme, or "as stored"
};
std::span<const RecipeMeaning> recipeMeanings();

} // namespace ql::test
