// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// What the budget page says in words: its measures, and what a search found. Stateless.
#pragma once

#include "core/search/budgetsearch.h"

#include <QString>

namespace ql::budgettext {

QString title(SearchMeasure measure);   ///< "Relative weight error"
QString unit(SearchMeasure measure);    ///< "nats per token"; empty: none
QString meaning(SearchMeasure measure); ///< its formula, for tooltips
/// "2.29 MB, 5.001 bits per weight; relative weight error 2.44, the least there is."
QString result(const BudgetSearch& search, const Allocation& found);
/// "11 tensors stay as stored (663 kB). Measured in 1.2 s on CPU."
QString facts(const CostTable& table);

} // namespace ql::budgettext
