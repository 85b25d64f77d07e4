// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// A small good tokenizer.json, and every way to spoil it.
#pragma once

#include "core/base/error.h"

#include <string>
#include <vector>

namespace ql::test {

struct BadTokenizer {
    std::string name;
    std::string text;
    ErrorCode code;
    std::string mentions; ///< must stand in the message
};

/// Splits by `pattern`.
std::string goodTokenizer(const std::string& pattern = "\\s+|\\S+");
std::vector<BadTokenizer> badTokenizers();

} // namespace ql::test
