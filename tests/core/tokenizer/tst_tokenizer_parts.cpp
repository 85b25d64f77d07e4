// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of tokenizers by themselves: Unicode, patterns written for Oniguruma, the alphabet of bytes, broken UTF-8.
#include "core/base/utf8.h"
#include "core/tokenizer/bytelevel.h"
#include "core/tokenizer/textpattern.h"
#include "core/tokenizer/unicode.h"

#include <QTest>

#include <random>

using namespace ql;
using namespace ql::tok;

Q_DECLARE_METATYPE(std::string)

class TestTokenizerParts : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void normalFormsAreThoseOfQt()
    {
        // Marks of many classes, letters that decompose, Hangul, and the Tibetan vowels that are made of two.
        const char32_t characters[] = {'a',     'e',     0xE9,   0x1EBF, 0x301,  0x323,  0x302,  0x344,
                                       0x345,   0x5B0,   0x5BC,  0xF71,  0xF72,  0xF73,  0xF75,  0xF81,
                                       0xAC01,  0x1112,  0x1161, 0x11AB, 0xFB01, 0x2126, 0x3099, 0x304B,
                                       0x1D15E, 0x1D165, 0x653,  0x627,  0x64B,  0x200D};
        std::mt19937 random(7);
        for (int i = 0; i < 3000; ++i) {
            std::string text;
            for (uint32_t n = random() % 12; n > 0; --n)
                appendUtf8(text, characters[random() % std::size(characters)]);
            const QString wide = QString::fromStdString(text);
            QCOMPARE(normalForm(text, NormalForm::C), wide.normalized(QString::NormalizationForm_C).toStdString());
            QCOMPARE(normalForm(text, NormalForm::D), wide.normalized(QString::NormalizationForm_D).toStdString());
            QCOMPARE(normalForm(text, NormalForm::KC), wide.normalized(QString::NormalizationForm_KC).toStdString());
            QCOMPARE(normalForm(text, NormalForm::KD), wide.normalized(QString::NormalizationForm_KD).toStdString());
        }
    }

    /// Would take minutes if ordering were quadratic.
    void longRunsOfMarksAreOrdered()
    {
        std::string text = "e", ordered = "e";
        for (int i = 0; i < 200000; ++i)
            text += "\u0301\u0323";
        for (int i = 0; i < 200000; ++i)
            ordered += "\u0323";
        for (int i = 0; i < 200000; ++i)
            ordered += "\u0301";
        QVERIFY(normalForm(text, NormalForm::D) == ordered);
    }

    void aByteOrderMarkIsACharacter()
    {
        QCOMPARE(normalForm("\uFEFFa\u0301", NormalForm::C), std::string("\uFEFF\u00E1"));
        QCOMPARE(lowerCase("\uFEFF\u00C1"), std::string("\uFEFF\u00E1"));
    }

    /// What Oniguruma 6.9 finds, as the Python package tokenizers 0.23.3 shows with Split(Regex(...), "isolated").
    void patternsMeanWhatTheyMeanToOniguruma_data()
    {
        QTest::addColumn<std::string>("pattern");
        QTest::addColumn<std::string>("text");
        QTest::addColumn<QStringList>("matches");
        const auto row = [](const char* name, const char* pattern, const char* text, const QStringList& matches) {
            QTest::newRow(name) << std::string(pattern) << std::string(text) << matches;
        };
        row("white space is no U+180E", "\\s", "a\u180Eb\u200Bc\u0085d\u2028e\u00A0", {"\u0085", "\u2028", "\u00A0"});
        row("white space in a class", "[^\\s]+", "a\u180Eb\u0085d", {"a\u180Eb", "d"});
        row("no white space in a class", "[\\S]+", "a\u180Eb\u0085d \u3000", {"a\u180Eb", "d"});
        row("word characters", "\\w+", "a_b \u2040c \u2460d \u24B6e\u200Cx \u00AA\u00BA\u0663 \u00B2x \u216B \u0301z",
            {"a_b", "\u2040c", "d", "\u24B6e", "x", "\u00AA\u00BA\u0663", "\u00B2x", "\u216B", "\u0301z"});
        row("digits", "\\d+", "a\u00B2b\u2460c\u0663", {"\u0663"});
        row("hexadecimal digits", "\\h+", "xyz 1fG", {"1f"});
        row("Han alone", "\\p{Han}", "a\u3001\u6F22\u5B57\u3007b", {"\u6F22", "\u5B57", "\u3007"});
        row("an interval repeated", "\\p{N}{1,3}+", "1234567 12", {"1234567", "12"});
        row("letter case across Unicode", "(?i:'s|'t)", "'\u017F 'S 'K", {"'\u017F", "'S"});
        row("lines begin and end", "^a|b$", "aab\nab\r\nab", {"a", "b", "a", "a", "b"});
        row("a dot stops at line feeds only", ".", "a\r\n\u2028b", {"a", "\r", "\u2028", "b"});
        row("nested classes", "[x[yz]]+", "axyzb[", {"xyz"});
        row("matches of nothing", "x*", "axxb", {"", "xx", ""});
        row("beyond the first plane", "\\p{L}", "\U00010428\U0001F642\U0002070E", {"\U00010428", "\U0002070E"});
    }
    void patternsMeanWhatTheyMeanToOniguruma()
    {
        QFETCH(std::string, pattern);
        QFETCH(std::string, text);
        QFETCH(QStringList, matches);
        const auto compiled = TextPattern::compile(pattern, "test");
        QVERIFY2(compiled.ok(), compiled.ok() ? "" : compiled.error().text().c_str());
        const auto found = compiled->matches(text);
        QVERIFY(found.ok());
        QStringList texts;
        for (const Span& span : *found)
            texts << QString::fromStdString(text.substr(span.begin, span.end - span.begin));
        QCOMPARE(texts, matches);
    }

    void everyByteHasALetter()
    {
        std::string bytes;
        for (int byte = 0; byte < 256; ++byte)
            bytes += static_cast<char>(byte);
        const std::string letters = toByteLetters(bytes);
        QVERIFY(isUtf8(letters));
        QCOMPARE(fromByteLetters(letters), bytes);
        QCOMPARE(toByteLetters(" \n~\x7F\xA0\xAD\xFF"), std::string("\u0120\u010A~\u0121\u0142\u0143\u00FF"));
        QCOMPARE(fromByteLetters("\u0120x y"), std::string("\u0120x y")); // a blank is no letter of the alphabet
    }

    void brokenTextIsReplacedByParts_data()
    {
        QTest::addColumn<QByteArray>("bytes");
        QTest::addColumn<QString>("text");
        const auto row = [](const char* name, const char* bytes, const QString& text) {
            QTest::newRow(name) << QByteArray(bytes) << text;
        };
        row("sound", "a\xC3\xA9\xF0\x9F\x99\x82", "a\u00E9\U0001F642");
        row("a lone continuation", "a\x80z", "a\uFFFDz");
        row("cut after two of three", "\xE6\xBC", "\uFFFD");
        row("cut after three of four", "\xF0\x9F\x99z", "\uFFFDz");
        row("overlong", "\xC0\x80", "\uFFFD\uFFFD");
        row("overlong of three", "\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD");
        row("surrogate", "\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD");
        row("beyond Unicode", "\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD");
        // Unicode 15, table 3-8: the example of the standard.
        row("the standard's example", "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
            "a\uFFFD\uFFFD\uFFFDb\uFFFDc\uFFFD\uFFFDd");
    }
    void brokenTextIsReplacedByParts()
    {
        QFETCH(QByteArray, bytes);
        QFETCH(QString, text);
        QCOMPARE(QString::fromStdString(replaceMalformed(bytes.toStdString())), text);
    }
};

QTEST_GUILESS_MAIN(TestTokenizerParts)
#include "tst_tokenizer_parts.moc"
