// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Malformed recipes of every dialect, each with the error it must give.
#pragma once

#include "core/base/error.h"

#include <span>

namespace ql::test {

struct BadRecipe {
    const char* name;
    const char* dialect;
    const char* text;
    ErrorCode code;
    int line; ///< 0: the error names none
};

std::span<const BadRecipe> badRecipes();

} // namespace ql::test
