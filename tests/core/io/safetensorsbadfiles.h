// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Safetensors files that are wrong, each in one way, with the error that they must give.
#pragma once

#include "core/base/error.h"

#include <string>
#include <vector>

namespace ql::test {

struct BadSafetensors {
    std::string name;
    ErrorCode code;
    std::string bytes;
    std::string mentions; ///< what the message must contain besides the file
};

std::vector<BadSafetensors> badSafetensorsFrames();  ///< length word, UTF-8, JSON syntax
std::vector<BadSafetensors> badSafetensorsEntries(); ///< keys and their types
std::vector<BadSafetensors> badSafetensorsLayouts(); ///< shapes, offsets, cover

} // namespace ql::test
