// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/fuzzymatch.h"

#include <algorithm>

namespace ql {
namespace {

constexpr int kPiece = 100, kWordStart = 40, kLetter = 8; ///< scores

bool startsWord(QStringView text, qsizetype at)
{
    return at == 0 || !text[at - 1].isLetterOrNumber() || (text[at].isUpper() && text[at - 1].isLower());
}

/// The word as one piece, preferably at the start of a word.
bool matchPiece(QStringView word, QStringView text, FuzzyMatch& match)
{
    qsizetype best = text.indexOf(word, 0, Qt::CaseInsensitive);
    if (best < 0)
        return false;
    for (qsizetype at = best; at >= 0; at = text.indexOf(word, at + 1, Qt::CaseInsensitive)) {
        if (startsWord(text, at)) {
            best = at;
            break;
        }
    }
    match.score += kPiece + (startsWord(text, best) ? kWordStart : 0) + int(word.size());
    for (qsizetype i = 0; i < word.size(); ++i)
        match.positions << int(best + i);
    return true;
}

/// The word's letters in order, each at the start of a word or right behind the one before: "cab" in "Compare A B".
bool matchLetters(QStringView word, QStringView text, FuzzyMatch& match)
{
    qsizetype at = -1;
    for (const QChar letter : word) {
        const QChar wanted = letter.toCaseFolded();
        const auto fits = [&](qsizetype i) { return text[i].toCaseFolded() == wanted; };
        qsizetype next = at + 1;
        if (at < 0 || next >= text.size() || !fits(next)) {
            while (next < text.size() && !(startsWord(text, next) && fits(next)))
                ++next;
        }
        if (next >= text.size())
            return false;
        match.score += kLetter;
        match.positions << int(next);
        at = next;
    }
    return true;
}

} // namespace

std::optional<FuzzyMatch> fuzzyMatch(QStringView query, QStringView text)
{
    FuzzyMatch match;
    const auto words = query.split(u' ', Qt::SkipEmptyParts);
    for (const QStringView word : words) {
        if (!matchPiece(word, text, match) && !matchLetters(word, text, match))
            return {};
    }
    if (words.isEmpty())
        return match;
    match.score -= int(text.size()) / 8;
    std::sort(match.positions.begin(), match.positions.end());
    match.positions.erase(std::unique(match.positions.begin(), match.positions.end()), match.positions.end());
    return match;
}

} // namespace ql
