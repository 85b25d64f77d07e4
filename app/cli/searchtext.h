// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What `search` prints. Stateless.
#pragma once

#include "core/search/budgetsearch.h"

#include <iosfwd>

namespace ql::cli {

struct SearchFindings {
    BudgetSearch search;
    Allocation found;
    uint64_t target = 0;
    double solveMs = 0;
    bool front = false; ///< wanted
    std::string policyPath; ///< empty: not written
};

void printSearch(const SearchFindings& findings, std::ostream& out);
std::string searchJson(const SearchFindings& findings);

} // namespace ql::cli
