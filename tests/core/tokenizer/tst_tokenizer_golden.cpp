// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every kind of tokenizer.json on difficult strings: the same ids and the same text as the reference implementation
// (tests/data/tokenizers/make_tokenizers.py).
#include "core/base/utf8.h"
#include "core/io/json.h"
#include "core/tokenizer/tokenizer.h"

#include <QTest>

#include <algorithm>
#include <array>
#include <thread>

using namespace ql;
using nlohmann::json;

namespace {

const std::string kFolder = QL_TEST_DATA "/tokenizers/";

json load(const std::string& name)
{
    auto document = readJson(kFolder + name);
    if (!document.ok())
        qFatal("%s", document.error().text().c_str());
    return *std::move(document);
}

std::string listed(const Tokenizer& tokenizer, const std::vector<int32_t>& ids)
{
    std::string out;
    for (const int32_t id : ids)
        out += " " + std::to_string(id) + "=" + tokenizer.token(id);
    return printable(out, 1500);
}

} // namespace

class TestTokenizerGolden : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase()
    {
        m_strings = load("strings.json").get<std::vector<std::string>>();
        QVERIFY(m_strings.size() >= 200);
    }

    void everyStringAgrees_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("kind");
        const auto row = [](const char* name, const char* kind) { QTest::newRow(name) << name << kind; };
        row("gpt2", "byte-level BPE");
        row("llama3", "byte-level BPE");
        row("qwen2", "byte-level BPE");
        row("o200k", "byte-level BPE");
        row("deepseek", "byte-level BPE");
        row("han", "byte-level BPE");
        row("added", "byte-level BPE");
        row("llama2", "SentencePiece BPE");
        row("mistral", "SentencePiece BPE");
        row("gemma", "SentencePiece BPE");
        row("metaspace", "SentencePiece BPE");
        row("steps", "BPE");
        row("whitespace", "BPE");
        row("bert_uncased", "WordPiece");
        row("bert_cased", "WordPiece");
    }
    void everyStringAgrees()
    {
        QFETCH(QString, name);
        QFETCH(QString, kind);
        const auto loaded = Tokenizer::loadJson(kFolder + name.toStdString() + ".tokenizer.json");
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().text().c_str());
        const Tokenizer& tokenizer = **loaded;
        QCOMPARE(QString::fromUtf8(tokenizer.kind().data(), qsizetype(tokenizer.kind().size())), kind);
        const json golden = load(name.toStdString() + ".golden.json");
        int wrong = 0;
        for (size_t i = 0; i < m_strings.size(); ++i) {
            const auto wanted = golden.at("ids").at(i).get<std::vector<int32_t>>();
            const auto ids = tokenizer.encode(m_strings[i], true);
            QVERIFY2(ids.ok(), ids.ok() ? "" : ids.error().text().c_str());
            if (*ids != wanted) {
                ++wrong;
                qWarning("%s\n  got   %s\n  wanted%s", printable(m_strings[i], 1000).c_str(),
                         listed(tokenizer, *ids).c_str(), listed(tokenizer, wanted).c_str());
            }
            const json& text = golden.at("text").at(i);
            const std::string expected = text.is_null() ? m_strings[i] : text.get<std::string>();
            const json& skipped = golden.at("skipped").at(i);
            wrong += decodesTo(tokenizer, plainIds(golden, wanted), false, expected) ? 0 : 1;
            wrong +=
                decodesTo(tokenizer, wanted, true, skipped.is_null() ? expected : skipped.get<std::string>()) ? 0 : 1;
        }
        QCOMPARE(wrong, 0);
    }

    void withoutSpecialTokens_data() { everyStringAgrees_data(); }
    void withoutSpecialTokens()
    {
        QFETCH(QString, name);
        const auto tokenizer = Tokenizer::loadJson(kFolder + name.toStdString() + ".tokenizer.json");
        QVERIFY(tokenizer.ok());
        const json golden = load(name.toStdString() + ".golden.json");
        for (size_t i = 0; i < (golden.contains("plain") ? golden["plain"].size() : m_strings.size()); ++i) {
            const json& wanted = golden.contains("plain") ? golden["plain"][i] : golden["ids"][i];
            QCOMPARE((*tokenizer)->encode(m_strings[i], false).value(), wanted.get<std::vector<int32_t>>());
        }
    }

    void threadsShareATokenizer()
    {
        const auto tokenizer = Tokenizer::loadJson(kFolder + "llama3.tokenizer.json");
        QVERIFY(tokenizer.ok());
        std::array<std::vector<std::vector<int32_t>>, 4> results;
        std::vector<std::thread> threads;
        for (auto& result : results) {
            threads.emplace_back([&result, &tokenizer, this] {
                for (const std::string& text : m_strings)
                    result.push_back((*tokenizer)->encode(text, true).value());
            });
        }
        for (std::thread& thread : threads)
            thread.join();
        for (const auto& result : results)
            QVERIFY(result == results[0]);
    }

private:
    static bool decodesTo(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool skipSpecial,
                          const std::string& expected)
    {
        const auto decoded = tokenizer.decode(ids, skipSpecial);
        if (decoded.ok() && *decoded == expected)
            return true;
        qWarning("decoded %s\n  wanted %s", decoded.ok() ? printable(*decoded, 1000).c_str() : "nothing",
                 printable(expected, 1000).c_str());
        return false;
    }

    /// The ids less what the template put around them, which is what was decoded.
    static std::vector<int32_t> plainIds(const json& golden, const std::vector<int32_t>& ids)
    {
        if (!golden.contains("plain"))
            return ids;
        const auto whole = golden.at("ids").at(0).get<std::vector<int32_t>>();
        const auto plain = golden.at("plain").at(0).get<std::vector<int32_t>>();
        const auto at = std::search(whole.begin(), whole.end(), plain.begin(), plain.end());
        const auto before = at - whole.begin(), after = whole.end() - at - ptrdiff_t(plain.size());
        return {ids.begin() + before, ids.end() - after};
    }

    std::vector<std::string> m_strings;
};

QTEST_GUILESS_MAIN(TestTokenizerGolden)
#include "tst_tokenizer_golden.moc"
