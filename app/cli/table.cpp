// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/table.h"

#include <algorithm>
#include <ostream>

namespace ql::cli {

void Table::print(std::ostream& out) const
{
    std::vector<size_t> widths;
    for (size_t c = 0; c < m_columns.size(); ++c) {
        size_t width = m_columns[c].title.size();
        for (const auto& row : m_rows)
            width = std::max(width, row[c].size());
        widths.push_back(width);
    }
    const auto line = [&](const auto& cell) {
        std::string text;
        for (size_t c = 0; c < m_columns.size(); ++c) {
            const std::string& value = cell(c);
            const std::string padding(widths[c] - value.size(), ' ');
            text += (c ? "  " : "") + (m_columns[c].right ? padding + value : value + padding);
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out << text << '\n';
    };
    line([&](size_t c) -> const std::string& { return m_columns[c].title; });
    for (const auto& row : m_rows)
        line([&](size_t c) -> const std::string& { return row[c]; });
}

} // namespace ql::cli
