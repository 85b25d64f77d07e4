// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Digests for provenance: which text, which file. Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ql {

/// SHA-256 (FIPS 180-4) as 64 lower-case hex digits.
std::string sha256(std::string_view bytes);

} // namespace ql
