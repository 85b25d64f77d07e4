// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Malformed GGUF files by name, each with the one error it must give; grouped by what is wrong.
#pragma once

#include "core/base/error.h"
#include "support/ggufbuilder.h"

namespace ql::test {

struct BadFile {
    std::string name;
    ErrorCode code;
    std::vector<std::byte> bytes;
    std::string mentions; ///< text that the error must hold, so that the culprit can be found
};

using BadFiles = std::vector<BadFile>;
BadFiles badGgufHeaders();
BadFiles badGgufKeys();
BadFiles badGgufAlignments();
BadFiles badGgufTensors();
BadFiles badGgufLayouts();

} // namespace ql::test
