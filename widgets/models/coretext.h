// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The core's texts and names as Qt's. Any thread.
#pragma once

#include <QString>

#include <string_view>

namespace ql {

inline QString fromStd(std::string_view utf8)
{
    return QString::fromUtf8(utf8.data(), qsizetype(utf8.size()));
}

} // namespace ql
