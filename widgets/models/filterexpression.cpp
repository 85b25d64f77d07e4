// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/models/filterexpression.h"

#include <QCoreApplication>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace ql {
namespace {

using Key = FilterExpression::Key;

struct Facet {
    const char* name;
    Key key;
    bool text;
};
constexpr Facet kFacets[] = {
    {"role", Key::Role, true},          {"type", Key::Type, true},           {"scheme", Key::Scheme, true},
    {"mark", Key::Mark, true},          {"layer", Key::Layer, false},        {"sqnr", Key::Sqnr, false},
    {"error", Key::RelativeError, false}, {"outerr", Key::OutputError, false}, {"kl", Key::Kl, false},
    {"kurtosis", Key::Kurtosis, false}, {"outliers", Key::Outliers, false},  {"params", Key::Parameters, false},
    {"bits", Key::Bits, false},          {"size", Key::Size, false},
};

struct FilterTexts {
    Q_DECLARE_TR_FUNCTIONS(FilterExpression)
};

QString facetNames()
{
    QStringList names;
    for (const Facet& facet : kFacets)
        names << QString::fromLatin1(facet.name);
    return names.join(QLatin1String(", "));
}

/// "1e6", "2.5", "1M", "64k"; decimal multiples.
std::optional<double> readNumber(QString text)
{
    double factor = 1;
    if (text.endsWith('k', Qt::CaseInsensitive))
        factor = 1e3;
    else if (text.endsWith('M', Qt::CaseInsensitive))
        factor = 1e6;
    else if (text.endsWith('G', Qt::CaseInsensitive) || text.endsWith('B', Qt::CaseInsensitive))
        factor = 1e9;
    if (factor > 1)
        text.chop(1);
    bool ok = false;
    const double value = text.toDouble(&ok);
    return ok && std::isfinite(value) ? std::optional(value * factor) : std::nullopt;
}

/// Reads up to the closing `mark`, which a backslash keeps from closing; an open end takes the rest of the line.
QString readUntil(const QString& text, qsizetype& at, QChar mark)
{
    QString found;
    for (; at < text.size() && text[at] != mark; ++at) {
        if (text[at] == '\\' && at + 1 < text.size()) {
            if (text[at + 1] != mark)
                found += text[at];
            ++at;
        }
        found += text[at];
    }
    ++at;
    return found;
}

} // namespace

FilterExpression FilterExpression::parse(const QString& text)
{
    FilterExpression expression;
    qsizetype at = 0;
    while (at < text.size()) {
        if (text[at].isSpace()) {
            ++at;
            continue;
        }
        const bool negated = text[at] == '-' && at + 1 < text.size() && !text[at + 1].isSpace();
        if (negated)
            ++at;
        if (text[at] == '/') {
            const QString pattern = readUntil(text, ++at, '/');
            const bool anyCase = at < text.size() && text[at] == 'i';
            at += anyCase ? 1 : 0;
            expression.addPattern(pattern, !anyCase, negated);
        } else if (text[at] == '"') {
            if (const QString phrase = readUntil(text, ++at, '"'); !phrase.isEmpty())
                expression.addText(Key::Name, phrase, negated);
        } else {
            const qsizetype start = at;
            while (at < text.size() && !text[at].isSpace())
                ++at;
            expression.addWord(text.mid(start, at - start), negated);
        }
    }
    return expression;
}

void FilterExpression::complain(const QString& message)
{
    if (m_message.isEmpty())
        m_message = message;
}

void FilterExpression::addPattern(const QString& pattern, bool caseSensitive, bool negated)
{
    if (pattern.isEmpty())
        return;
    Term term;
    term.test = Test::Matches;
    term.negated = negated;
    // The limit keeps a pattern that backtracks without end from freezing the window.
    term.pattern = QRegularExpression(QLatin1String("(*LIMIT_MATCH=100000)") + pattern,
                                      caseSensitive ? QRegularExpression::NoPatternOption
                                                    : QRegularExpression::CaseInsensitiveOption);
    if (!term.pattern.isValid()) {
        complain(FilterTexts::tr("The pattern /%1/ is not valid: %2.").arg(pattern, term.pattern.errorString()));
        return;
    }
    term.pattern.optimize();
    m_terms.push_back(std::move(term));
}

void FilterExpression::addWord(const QString& word, bool negated)
{
    static const QRegularExpression shape(QStringLiteral("^([A-Za-z_]+)(:|<=|>=|<|>|=)(.*)$"));
    const auto match = shape.match(word);
    if (!match.hasMatch()) {
        addText(Key::Name, word, negated);
        return;
    }
    const QString name = match.captured(1).toLower();
    const QString comparison = match.captured(2), value = match.captured(3);
    const auto facet = std::find_if(std::begin(kFacets), std::end(kFacets),
                                    [&](const Facet& f) { return name == QLatin1String(f.name); });
    if (facet == std::end(kFacets)) {
        complain(FilterTexts::tr("There is no facet “%1”. Known: %2.").arg(name, facetNames()));
    } else if (value.isEmpty()) {
        complain(FilterTexts::tr("“%1%2” still needs a value.").arg(name, comparison));
    } else if (facet->text) {
        if (comparison == ':' || comparison == '=')
            addText(facet->key, value, negated);
        else
            complain(FilterTexts::tr("“%1” is text: write %1:%2.").arg(name, value));
    } else if (comparison == ':') {
        if (facet->key == Key::Layer)
            addRanges(value, negated);
        else
            complain(FilterTexts::tr("“%1” is a number: write %1<%2 or %1>=%2.").arg(name, value));
    } else {
        addComparison(facet->key, name, comparison, value, negated);
    }
}

void FilterExpression::addText(Key key, const QString& value, bool negated)
{
    Term term;
    term.key = key;
    term.test = key == Key::Name ? Test::Contains : Test::StartsWith;
    term.negated = negated;
    // A scheme text has commas of its own, so only the other facets take lists.
    const bool list = key == Key::Role || key == Key::Type || key == Key::Mark;
    term.texts = list ? value.split(',', Qt::SkipEmptyParts) : QStringList{value};
    if (!term.texts.isEmpty())
        m_terms.push_back(std::move(term));
}

void FilterExpression::addComparison(Key key, const QString& name, const QString& comparison, const QString& value,
                                     bool negated)
{
    const auto number = readNumber(value);
    if (!number) {
        complain(FilterTexts::tr("“%1” in %2%3%1 is not a number.").arg(value, name, comparison));
        return;
    }
    Term term;
    term.key = key;
    term.negated = negated;
    term.number = *number;
    term.test = comparison == '<'                    ? Test::Less
                : comparison == '>'                  ? Test::Greater
                : comparison == QLatin1String("<=") ? Test::LessEqual
                : comparison == QLatin1String(">=") ? Test::GreaterEqual
                                                     : Test::Equal;
    m_terms.push_back(std::move(term));
}

void FilterExpression::addRanges(const QString& value, bool negated)
{
    Term term;
    term.key = Key::Layer;
    term.test = Test::InRanges;
    term.negated = negated;
    for (const QString& part : value.split(',', Qt::SkipEmptyParts)) {
        const qsizetype dash = part.indexOf('-');
        bool okFirst = false, okLast = false;
        const int first = part.left(dash < 0 ? part.size() : dash).toInt(&okFirst);
        const QString end = dash < 0 ? part : part.mid(dash + 1);
        const double last = end.isEmpty() ? std::numeric_limits<double>::infinity() : end.toInt(&okLast);
        if (!okFirst || !(okLast || end.isEmpty())) {
            complain(FilterTexts::tr("“layer:%1” is not a block number or a range such as layer:0-3.").arg(part));
            return;
        }
        term.ranges.emplace_back(first, last);
    }
    if (!term.ranges.empty())
        m_terms.push_back(std::move(term));
}

bool FilterExpression::holds(const Term& term, const QVariant& value)
{
    switch (term.test) {
    case Test::Contains: return value.toString().contains(term.texts.first(), Qt::CaseInsensitive);
    case Test::Matches: return term.pattern.match(value.toString()).hasMatch();
    case Test::StartsWith: {
        const QString text = value.toString();
        const QStringList parts = text.split(',');
        return std::any_of(term.texts.begin(), term.texts.end(), [&](const QString& wanted) {
            return text.startsWith(wanted, Qt::CaseInsensitive) || parts.contains(wanted, Qt::CaseInsensitive);
        });
    }
    case Test::InRanges: {
        const double number = value.toDouble();
        return std::any_of(term.ranges.begin(), term.ranges.end(),
                           [&](const auto& range) { return range.first <= number && number <= range.second; });
    }
    case Test::Less: return value.toDouble() < term.number;
    case Test::LessEqual: return value.toDouble() <= term.number;
    case Test::Greater: return value.toDouble() > term.number;
    case Test::GreaterEqual: return value.toDouble() >= term.number;
    case Test::Equal: return value.toDouble() == term.number;
    }
    return false;
}

bool FilterExpression::accepts(const Lookup& lookup) const
{
    return std::all_of(m_terms.begin(), m_terms.end(), [&](const Term& term) {
        const QVariant value = lookup(term.key);
        return value.isValid() && holds(term, value) != term.negated;
    });
}

QString FilterExpression::help()
{
    const QString row = QStringLiteral("<tr><td><code>%1</code>&nbsp;&nbsp;</td><td>%2</td></tr>");
    const auto line = [&row](const char* example, const char* meaning) {
        return row.arg(QString::fromLatin1(example).toHtmlEscaped(), FilterTexts::tr(meaning));
    };
    return QLatin1String("<p>") + FilterTexts::tr("All terms must hold; a minus before a term negates it.") +
           QLatin1String("</p><table>") + line("v_proj  \"two words\"", "text in the name") +
           line("/\\.(q|k)_proj/", "regular expression on the name; /…/i ignores case") +
           line("role:v_proj,k_proj", "role; likewise type:f16, scheme:int4, mark:locked") +
           line("layer:0-3,7", "block numbers") +
           line("sqnr<18  error>0.1", "error under the present scheme (dB, share)") +
           line("outerr>0.1  kl>0.001", "error at the output; KL divergence in nats per token") +
           line("kurtosis>4  outliers>10", "shape; outliers in ppm beyond 6σ") +
           line("params>=1e6  bits<5  size>1M", "values, bits per weight, stored bytes") +
           line("-role:norm", "everything but norms") + QLatin1String("</table>");
}

} // namespace ql
