// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Text for HTML, SVG and XML. Stateless; any thread.
#pragma once

#include <string>
#include <string_view>

namespace ql {

/// Safe as content and inside quoted attributes: & < > " ' become entities; malformed UTF-8 and control characters,
/// which XML cannot hold, become U+FFFD.
std::string htmlEscaped(std::string_view text);

} // namespace ql
