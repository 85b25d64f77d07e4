// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Numbers as people read them; always the C locale, so files and the command line never depend on the desktop.
#pragma once

#include <cstdint>
#include <string>

namespace ql {

/// `digits` significant digits, no trailing noise: 0.00846, 20.7, 1.2e-07; "nan", "inf", "-inf" as such.
std::string formatSignificant(double value, int digits = 3);
/// Decimal units: "4.20 GB", "812 kB", "17 B" (1 GB = 1e9 bytes).
std::string formatBytes(uint64_t bytes);
/// "3.41 M", "7.24 B", "912".
std::string formatCount(uint64_t count);
/// "[4096, 11008]".
std::string formatShape(const int64_t* dims, size_t rank);
/// "4 s", "1 min 20 s", "2 h 5 min".
std::string formatDuration(double seconds);
/// Shortest text that reads back as the same double ("0.1", "1e+20").
std::string formatExact(double value);
/// Shortest text that reads back as the same float.
std::string formatExact(float value);

} // namespace ql
