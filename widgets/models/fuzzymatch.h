// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Fuzzy matching for the command palette: every word of the query as a piece of the text, or at least as the
// beginnings of its words. Free functions; any thread.
#pragma once

#include <QList>
#include <QStringView>

#include <optional>

namespace ql {

struct FuzzyMatch {
    int score = 0;        ///< higher is better
    QList<int> positions; ///< ascending indices into the text that were matched
};

/// Nothing when some word of the query is found in neither way. An empty query matches everything with score 0.
/// Case does not matter. Whole pieces beat scattered letters, word starts beat the middle, short texts beat long ones.
std::optional<FuzzyMatch> fuzzyMatch(QStringView query, QStringView text);

} // namespace ql
