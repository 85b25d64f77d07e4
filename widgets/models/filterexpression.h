// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// FilterExpression: the filter line of the layers table, read once and then asked per row. A value; any thread.
// Terms are combined by AND; "-" before a term negates it:
//   text  "quoted text"  /regex/  /regex/i  role:v_proj,k_proj  type:f16  scheme:int4  mark:locked  layer:0-3,7
//   sqnr<18  error>0.1  outerr>0.1  kl>0.001  kurtosis>=4  outliers>10  params>=1e6  bits<5  size>1M  layer>=20
#pragma once

#include <QRegularExpression>
#include <QString>
#include <QVariant>

#include <functional>
#include <vector>

namespace ql {

class FilterExpression
{
public:
    enum class Key {
        Name, Role, Type, Scheme, Mark, Layer, Sqnr, RelativeError, OutputError, Kl, Kurtosis, Outliers, Parameters, Bits, Size,
    };
    /// The row's value: text for Name to Mark, a number for the others; invalid while unknown.
    using Lookup = std::function<QVariant(Key)>;

    /// Never fails: a term that cannot be understood is left out, and message() says so.
    static FilterExpression parse(const QString& text);

    bool isEmpty() const { return m_terms.empty(); }
    /// Whether every term holds. A comparison with an unknown figure does not hold, negated or not.
    bool accepts(const Lookup& lookup) const;
    /// What could not be understood and what would be; empty when all is well.
    const QString& message() const { return m_message; }
    /// The grammar as rich text, for a tooltip.
    static QString help();

private:
    enum class Test { Contains, Matches, StartsWith, InRanges, Less, LessEqual, Greater, GreaterEqual, Equal };
    struct Term {
        Key key = Key::Name;
        Test test = Test::Contains;
        bool negated = false;
        QStringList texts; ///< any of these
        QRegularExpression pattern;
        double number = 0;
        std::vector<std::pair<double, double>> ranges;
    };
    void addPattern(const QString& pattern, bool caseSensitive, bool negated);
    void addWord(const QString& word, bool negated);
    void addText(Key key, const QString& value, bool negated);
    void addComparison(Key key, const QString& name, const QString& comparison, const QString& value, bool negated);
    void addRanges(const QString& value, bool negated);
    void complain(const QString& message);
    static bool holds(const Term& term, const QVariant& value);

    std::vector<Term> m_terms;
    QString m_message;
};

} // namespace ql
