// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Sequences from text, JSONL and ids, with a tokenizer whose tokens are bytes.
#include "core/calibration/textsource.h"
#include "core/io/digest.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <set>

using namespace ql;
using namespace ql::test;

namespace {

class ByteTokenizer final : public Tokenizer
{
public:
    explicit ByteTokenizer(bool begins = true) : m_begins(begins) {}
    std::string_view kind() const override { return "bytes"; }
    int64_t size() const override { return 257; }
    Result<std::vector<int32_t>> encode(std::string_view text, bool) const override
    {
        longest = std::max(longest, text.size());
        std::vector<int32_t> ids;
        for (const char c : text)
            ids.push_back(uint8_t(c));
        return ids;
    }
    Result<std::string> decode(std::span<const int32_t>, bool) const override { return std::string(); }
    std::string token(int32_t) const override { return {}; }
    std::optional<int32_t> beginId() const override { return m_begins ? std::optional(256) : std::nullopt; }
    std::optional<int32_t> endId() const override { return std::nullopt; }

    mutable size_t longest = 0; ///< text it was given

private:
    bool m_begins;
};

NetworkConfig configFor(int64_t vocabulary = 257, int64_t context = 64)
{
    NetworkConfig config;
    config.vocabulary = vocabulary;
    config.context = context;
    return config;
}

std::string textOf(const SequenceSet& set)
{
    std::string text;
    for (const TokenIds& sequence : set.sequences) {
        for (const int32_t id : sequence)
            text += id == 256 ? '^' : char(id);
        text += '|';
    }
    return text;
}

} // namespace

class TestTextSource : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void windows_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<int>("length");
        QTest::addColumn<int>("count");
        QTest::addColumn<bool>("begin");
        QTest::addColumn<QByteArray>("expected");
        const auto row = [](const char* title, const char* name, const char* content, int length, int count, bool begin,
                            const char* expected) {
            QTest::newRow(title) << QByteArray(name) << QByteArray(content) << length << count << begin << QByteArray(expected);
        };
        row("text, each with its beginning", "a.txt", "abcdefgh", 4, 0, true, "^abc|^def|");
        row("text without", "a.txt", "abcdefgh", 4, 0, false, "abcd|efgh|");
        row("fewer than there are", "a.txt", "abcdefgh", 2, 3, false, "ab|cd|ef|");
        row("more than there are", "a.txt", "abcdefgh", 3, 99, false, "abc|def|");
        row("a byte order mark is no text", "a.txt", "\xEF\xBB\xBF" "abcd", 2, 0, false, "ab|cd|");
        row("any other extension", "README", "abcd", 2, 1, false, "ab|");
        row("JSON lines", "a.jsonl", "{\"text\":\"ab\",\"x\":1}\n\n{\"text\":\"cd\"}", 2, 0, false, "ab|\n\n|cd|");
        row("JSON lines, one", "a.jsonl", "{\"text\":\"abcdef\"}\n", 3, 0, false, "abc|def|");
        row("ids", "a.ids", " 97 98\n99\t100 101 ", 2, 0, true, "ab|cd|");
        row("a list of ids", "a.json", "[97, 98, 99, 100, 101]", 2, 0, true, "ab|cd|");
        row("lists of ids", "a.json", "[[97], [98, 99, 100], [101, 102]]", 2, 0, true, "a|bc|ef|");
        row("some lists of ids", "a.json", "[[97], [98, 99, 100], [101, 102]]", 2, 2, true, "a|bc|");
    }
    void windows()
    {
        QFETCH(QByteArray, name);
        QFETCH(QByteArray, content);
        QFETCH(int, length);
        QFETCH(int, count);
        QFETCH(bool, begin);
        QFETCH(QByteArray, expected);
        const Folder folder;
        SequenceSettings settings;
        settings.path = folder.write(name.toStdString(), content.toStdString());
        settings.length = length;
        settings.count = count;
        settings.addBegin = begin;
        const ByteTokenizer tokenizer;
        const auto set = loadSequences(settings, configFor(), &tokenizer);
        QVERIFY2(set.ok(), set.ok() ? "" : set.error().text().c_str());
        QCOMPARE(QByteArray::fromStdString(textOf(*set)), expected);
        QCOMPARE(set->source, name.toStdString() + " (SHA-256 " + sha256(content.toStdString()).substr(0, 16) + ")");
        QCOMPARE(set->settings.length, int64_t(length));
    }

    void tokenizersWithoutBeginning()
    {
        const Folder folder;
        SequenceSettings settings;
        settings.path = folder.write("a.txt", "abcd");
        settings.length = 2;
        const ByteTokenizer tokenizer(false);
        QCOMPARE(textOf(*loadSequences(settings, configFor(), &tokenizer)), std::string("ab|cd|"));
        settings.path = folder.write("a.ids", "97 98");
        QCOMPARE(textOf(*loadSequences(settings, configFor(), nullptr)), std::string("ab|"));
    }

    void randomWindowsFollowTheSeedAndDoNotOverlap()
    {
        const Folder folder;
        std::string ids;
        for (int i = 0; i < 1000; ++i)
            ids += std::to_string(i) + ' ';
        SequenceSettings settings;
        settings.path = folder.write("a.ids", ids);
        settings.length = 10;
        settings.count = 30;
        std::set<std::vector<TokenIds>> draws;
        for (const uint64_t seed : {1u, 2u, 3u}) {
            settings.seed = seed;
            const auto set = loadSequences(settings, configFor(1000), nullptr);
            QVERIFY(set.ok());
            QCOMPARE(set->sequences.size(), size_t(30));
            std::set<int32_t> seen;
            for (const TokenIds& sequence : set->sequences) {
                for (size_t i = 0; i < sequence.size(); ++i) {
                    QCOMPARE(sequence[i], sequence[0] + int32_t(i));
                    QVERIFY(seen.insert(sequence[i]).second);
                }
            }
            QVERIFY(set->sequences == loadSequences(settings, configFor(1000), nullptr)->sequences);
            draws.insert(set->sequences);
        }
        QCOMPARE(draws.size(), size_t(3));
        settings.seed = 0;
        QCOMPARE(loadSequences(settings, configFor(1000), nullptr)->sequences.back().back(), 299);
    }

    void onlyAsMuchIsReadAsIsNeeded_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::addColumn<quint64>("seed");
        QTest::addColumn<qulonglong>("most");
        QTest::newRow("text") << QByteArray("a.txt") << quint64(0) << qulonglong(70'000);
        QTest::newRow("JSON lines") << QByteArray("a.jsonl") << quint64(0) << qulonglong(70'000);
        QTest::newRow("random windows") << QByteArray("a.txt") << quint64(7) << qulonglong(9'000'000);
    }
    void onlyAsMuchIsReadAsIsNeeded()
    {
        QFETCH(QByteArray, name);
        QFETCH(quint64, seed);
        QFETCH(qulonglong, most);
        const Folder folder;
        const std::string line = name == "a.jsonl" ? "{\"text\": \"some words\"}\n" : "caf\xC3\xA9 words\n";
        std::string content;
        while (content.size() < 100'000)
            content += line;
        SequenceSettings settings;
        settings.path = folder.write(name.toStdString(), content);
        QFile file(QString::fromStdString(settings.path));
        QVERIFY(file.resize(qint64(5) << 30)); // 5 GiB, mostly a hole of zero bytes
        settings.length = 64;
        settings.count = 20;
        settings.seed = seed;
        const ByteTokenizer tokenizer;
        const auto set = loadSequences(settings, configFor(), &tokenizer);
        QVERIFY2(set.ok(), set.ok() ? "" : set.error().text().c_str());
        QCOMPARE(set->sequences.size(), size_t(20));
        QVERIFY(tokenizer.longest > 0 && tokenizer.longest < most);
        settings.count = 0;
        QCOMPARE(codeName(loadSequences(settings, configFor(), &tokenizer).error().code),
                 codeName(ErrorCode::InvalidArgument));
    }

    void moreIsReadWhenTokensAreLong()
    {
        // 40 bytes of blanks for every id: the first portion of the file does not hold enough of them.
        const Folder folder;
        std::string ids;
        for (int i = 0; i < 20000; ++i)
            ids += std::to_string(i % 250) + std::string(40, ' ');
        SequenceSettings settings;
        settings.path = folder.write("a.ids", ids);
        settings.length = 50;
        settings.count = 300;
        const auto set = loadSequences(settings, configFor(), nullptr);
        QVERIFY(set.ok());
        QCOMPARE(set->tokens(), uint64_t(15000));
        for (int i = 0; i < 15000; ++i)
            QCOMPARE(set->sequences[size_t(i / 50)][size_t(i % 50)], i % 250);
    }

    void errors_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<int>("length");
        QTest::addColumn<QByteArray>("code");
        QTest::addColumn<QByteArray>("where");
        const auto row = [](const char* title, const char* name, const QByteArray& content, const char* code,
                            const char* where = "", int length = 4) {
            QTest::newRow(title) << QByteArray(name) << content << length << QByteArray(code) << QByteArray(where);
        };
        row("empty file", "a.txt", "", "EmptyText");
        row("nothing but blanks", "a.txt", " \n\t\r\n ", "EmptyText");
        row("nothing but a byte order mark", "a.txt", "\xEF\xBB\xBF", "EmptyText");
        row("too short", "a.txt", "ab", "InvalidArgument", "2 tokens");
        row("invalid UTF-8", "a.txt", "abc\xFFx defghi", "InvalidUtf8", "byte 3");
        row("cut UTF-8 at the end", "a.txt", "abcdefg\xE2\x82", "InvalidUtf8", "byte 7");
        row("a surrogate", "a.txt", "abc\xED\xA0\x80xyz", "InvalidUtf8", "byte 3");
        row("longer than the context", "a.txt", "abc", "ContextTooLong", "64", 65);
        row("one token is no sequence", "a.txt", "abc", "InvalidArgument", "2 tokens", 1);
        row("empty JSON lines", "a.jsonl", "\n\n", "EmptyText");
        row("empty texts in JSON lines", "a.jsonl", "{\"text\":\"\"}\n{\"text\":\" \"}", "EmptyText");
        row("broken JSON line", "a.jsonl", "{\"text\":\"a\"}\n{\"text\":", "JsonSyntax", "line 2");
        row("a JSON line without text", "a.jsonl", "{\"text\":\"a\"}\n\n{\"body\":\"a\"}", "JsonMissingKey", "line 3");
        row("a JSON line that is a list", "a.jsonl", "[1]", "JsonWrongType", "line 1");
        row("a text that is a number", "a.jsonl", "{\"text\":1}", "JsonWrongType", "line 1");
        row("invalid UTF-8 in JSON lines", "a.jsonl", "{\"text\":\"a\xFF\"}", "InvalidUtf8", "byte 10");
        row("a word among ids", "a.ids", "1 2 three 4", "InvalidArgument", "byte 4");
        row("an id with a tail", "a.ids", "1 2x", "InvalidArgument", "byte 2");
        row("a fraction", "a.ids", "1 2.5", "InvalidArgument", "byte 2");
        row("an id that wraps", "a.ids", "1 99999999999999999999", "InvalidArgument", "byte 2");
        row("an id outside", "a.ids", "1 2 257", "InvalidArgument", "token 2");
        row("a negative id", "a.ids", "-1", "InvalidArgument", "token 0");
        row("too few ids", "a.ids", "1 2 3", "InvalidArgument", "3 tokens");
        row("blank ids", "a.ids", "  \n", "EmptyText");
        row("ids as an object", "a.json", "{\"ids\":[1]}", "JsonWrongType");
        row("an empty list", "a.json", "[]", "EmptyText");
        row("an empty list inside", "a.json", "[[1,2],[]]", "JsonWrongType", "list 1");
        row("a list and a number", "a.json", "[[1,2],3]", "JsonWrongType", "list 1");
        row("a number and a list", "a.json", "[1,[2,3]]", "JsonWrongType", "token 1");
        row("a fraction in a list", "a.json", "[1,2.5]", "JsonWrongType", "token 1");
        row("a large id in a list", "a.json", "[1,18446744073709551615]", "JsonWrongType", "token 1");
        row("an id outside in a list", "a.json", "[[1,2],[3,999]]", "InvalidArgument", "token 1");
        row("broken list", "a.json", "[1,2", "JsonSyntax", "line 1");
        row("list nested deep", "a.json", QByteArray(100, '['), "JsonTooDeep");
        row("no such file", "", "", "FileNotFound");
    }
    void errors()
    {
        QFETCH(QByteArray, name);
        QFETCH(QByteArray, content);
        QFETCH(int, length);
        QFETCH(QByteArray, code);
        QFETCH(QByteArray, where);
        const Folder folder;
        SequenceSettings settings;
        settings.path = name.isEmpty() ? folder.path("none.txt") : folder.write(name.toStdString(), content.toStdString());
        settings.length = length;
        settings.addBegin = false;
        const ByteTokenizer tokenizer;
        const auto set = loadSequences(settings, configFor(), &tokenizer);
        QVERIFY(!set.ok());
        const std::string text = set.error().text();
        QVERIFY2(QByteArray(codeName(set.error().code).data()) == code, text.c_str());
        QVERIFY2(QByteArray::fromStdString(text).contains(where), text.c_str());
        QVERIFY2(text.find('\n') == std::string::npos, text.c_str());
    }

    void textWithoutTokenizer()
    {
        const Folder folder;
        SequenceSettings settings;
        settings.path = folder.write("a.txt", "abc");
        QCOMPARE(codeName(loadSequences(settings, configFor(257, 4096), nullptr).error().code),
                 codeName(ErrorCode::TokenizerMissing));
    }

    void digestOfKnownText()
    {
        // FIPS 180-4, the examples "abc" and the empty message.
        QCOMPARE(sha256("abc"), std::string("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        QCOMPARE(sha256(""), std::string("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    }
};

QTEST_GUILESS_MAIN(TestTextSource)
#include "tst_textsource.moc"
