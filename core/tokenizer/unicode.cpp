// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tokenizer/unicode.h"

#include <QString>

#include <algorithm>

namespace ql::tok {
namespace {

/// Not QString::fromUtf8, which swallows a leading U+FEFF.
QString toQString(std::string_view text)
{
    const std::u16string wide = toUtf16(text);
    return QString(reinterpret_cast<const QChar*>(wide.data()), qsizetype(wide.size()));
}

void appendUtf16(std::u16string& out, char32_t c)
{
    if (c < 0x10000) {
        out += static_cast<char16_t>(c);
    } else {
        out += static_cast<char16_t>(0xD7C0 + (c >> 10));
        out += static_cast<char16_t>(0xDC00 + (c & 0x3FF));
    }
}

/// Every run of combining marks in canonical order, which changes no normal form: QString::normalized() would take
/// quadratic time over a long run that is out of order.
QString inCanonicalOrder(std::string_view text)
{
    std::u16string out;
    std::u32string run;
    const auto flush = [&] {
        std::stable_sort(run.begin(), run.end(), [](char32_t a, char32_t b) {
            return QChar::combiningClass(a) < QChar::combiningClass(b);
        });
        for (const char32_t mark : run)
            appendUtf16(out, mark);
        run.clear();
    };
    for (size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        at += c.bytes;
        if (c.value == 0x0F73 || c.value == 0x0F75 || c.value == 0x0F81) { // no marks, but made of two
            run += {char32_t(0x0F71), c.value - 1};
        } else if (QChar::combiningClass(c.value) != 0) {
            run += c.value;
        } else {
            flush();
            appendUtf16(out, c.value);
        }
    }
    flush();
    return QString(reinterpret_cast<const QChar*>(out.data()), qsizetype(out.size()));
}

bool isAscii(std::string_view text)
{
    for (const char c : text) {
        if (static_cast<uint8_t>(c) >= 0x80)
            return false;
    }
    return true;
}

} // namespace

CodePoint codePointAt(std::string_view text, size_t at)
{
    const auto byte = [&](size_t i) { return char32_t(static_cast<uint8_t>(text[at + i])); };
    const char32_t lead = byte(0);
    if (lead < 0x80)
        return {lead, 1};
    if (lead < 0xE0)
        return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
    if (lead < 0xF0)
        return {(lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
    return {(lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

CodePoint codePointBefore(std::string_view text, size_t end)
{
    size_t at = end - 1;
    while (at > 0 && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80)
        --at;
    return codePointAt(text, at);
}

void appendUtf8(std::string& out, char32_t c)
{
    const auto add = [&](char32_t byte) { out += static_cast<char>(byte); };
    if (c < 0x80) {
        add(c);
    } else if (c < 0x800) {
        add(0xC0 | c >> 6);
        add(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        add(0xE0 | c >> 12);
        add(0x80 | (c >> 6 & 0x3F));
        add(0x80 | (c & 0x3F));
    } else {
        add(0xF0 | c >> 18);
        add(0x80 | (c >> 12 & 0x3F));
        add(0x80 | (c >> 6 & 0x3F));
        add(0x80 | (c & 0x3F));
    }
}

std::u16string toUtf16(std::string_view text)
{
    std::u16string out;
    out.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const CodePoint c = codePointAt(text, at);
        at += c.bytes;
        appendUtf16(out, c.value);
    }
    return out;
}

bool isSpace(char32_t c)
{
    return QChar::isSpace(c);
}

bool isWord(char32_t c)
{
    switch (QChar::category(c)) {
    case QChar::Mark_NonSpacing:
    case QChar::Mark_SpacingCombining:
    case QChar::Mark_Enclosing:
    case QChar::Number_DecimalDigit:
    case QChar::Number_Letter:
    case QChar::Punctuation_Connector: return true;
    default: break;
    }
    // Other_Alphabetic beyond the marks: circled and squared Latin letters. Join_Control: U+200C, U+200D.
    const bool alphabetic = (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
                            (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
    return QChar::isLetter(c) || alphabetic || c == 0x200C || c == 0x200D;
}

bool isPunctuation(char32_t c)
{
    return QChar::isPunct(c);
}

bool isNumeric(char32_t c)
{
    return QChar::isNumber(c);
}

bool isMark(char32_t c)
{
    return QChar::isMark(c);
}

bool isNonspacingMark(char32_t c)
{
    return QChar::category(c) == QChar::Mark_NonSpacing;
}

bool isOther(char32_t c)
{
    const QChar::Category category = QChar::category(c);
    return category >= QChar::Other_Control && category <= QChar::Other_NotAssigned;
}

bool isHan(char32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

std::string normalForm(std::string_view text, NormalForm form)
{
    if (isAscii(text))
        return std::string(text);
    constexpr QString::NormalizationForm kForms[] = {QString::NormalizationForm_C, QString::NormalizationForm_D,
                                                     QString::NormalizationForm_KC, QString::NormalizationForm_KD};
    return inCanonicalOrder(text).normalized(kForms[size_t(form)]).toStdString();
}

std::string lowerCase(std::string_view text)
{
    return toQString(text).toLower().toStdString();
}

} // namespace ql::tok
