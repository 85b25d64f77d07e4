// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Vocabularies of GGUF files: those of the golden tokenizer.json files give the same ids when they come as metadata,
// and a SentencePiece model the same as SentencePiece.
#include "core/base/utf8.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/tokenizer/tokenizer.h"
#include "support/ggufbuilder.h"

#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;
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

struct Entry {
    std::string token;
    int32_t type = 1;
    float score = 0;
};

/// The metadata of a vocabulary, but for its model.
GgufBuilder vocabularyFile(const std::vector<Entry>& entries)
{
    GgufBuilder file;
    Bytes tokens, types, scores;
    for (const Entry& entry : entries) {
        tokens.string(entry.token);
        types.number(entry.type);
        scores.number(entry.score);
    }
    file.text("general.architecture", "llama");
    file.array("tokenizer.ggml.tokens", uint32_t(GgufType::String), entries.size(), tokens);
    file.array("tokenizer.ggml.token_type", uint32_t(GgufType::I32), entries.size(), types);
    file.array("tokenizer.ggml.scores", uint32_t(GgufType::F32), entries.size(), scores);
    return file;
}

std::vector<Entry> entriesOf(const json& tokenizer)
{
    std::vector<Entry> entries;
    const auto put = [&](size_t id, const std::string& token, int32_t type) {
        if (entries.size() <= id)
            entries.resize(id + 1);
        entries[id] = {token, type, 0};
    };
    for (const auto& [token, id] : tokenizer.at("model").at("vocab").items())
        put(id.get<size_t>(), token, 1);
    for (const json& added : tokenizer.at("added_tokens"))
        put(added.at("id").get<size_t>(), added.at("content").get<std::string>(),
            added.at("special").get<bool>() ? 3 : 4);
    return entries;
}

void addMerges(GgufBuilder& file, const json& merges)
{
    Bytes lines;
    for (const json& merge : merges)
        lines.string(merge.is_array() ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                      : merge.get<std::string>());
    file.array("tokenizer.ggml.merges", uint32_t(GgufType::String), merges.size(), lines);
}

/// BERT's tokens as GGUF writes them: "##x" without its mark, whole words with a mark of their own.
std::string bertToken(const Entry& entry)
{
    if (entry.type == 3)
        return entry.token;
    return entry.token.starts_with("##") ? entry.token.substr(2) : "\u2581" + entry.token;
}

} // namespace

class TestTokenizerGguf : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase() { m_strings = load("strings.json").get<std::vector<std::string>>(); }

    void byteLevelAgrees_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("pre");
        QTest::newRow("gpt2") << "gpt2"
                              << "gpt-2";
        QTest::newRow("llama3") << "llama3"
                                << "llama-bpe";
        QTest::newRow("qwen2") << "qwen2"
                               << "qwen2";
        QTest::newRow("o200k") << "o200k"
                               << "gpt-4o";
        QTest::newRow("deepseek") << "deepseek"
                                  << "deepseek-v3";
    }
    void byteLevelAgrees()
    {
        QFETCH(QString, name);
        QFETCH(QString, pre);
        const json source = load(name.toStdString() + ".tokenizer.json");
        GgufBuilder file = vocabularyFile(entriesOf(source));
        file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre.toStdString());
        addMerges(file, source.at("model").at("merges"));
        if (pre == "llama-bpe")
            file.u32("tokenizer.ggml.bos_token_id", source.at("post_processor")
                                                        .at("processors")
                                                        .at(1)
                                                        .at("special_tokens")
                                                        .at("<|begin_of_text|>")
                                                        .at("ids")
                                                        .at(0)
                                                        .get<uint32_t>());
        const auto tokenizer = open(file);
        QVERIFY(tokenizer);
        QCOMPARE(std::string(tokenizer->kind()), std::string("byte-level BPE"));
        // GGUF files say nothing of normalizers, so text that is not in normal form C may differ.
        compare(*tokenizer, load(name.toStdString() + ".golden.json"), !source.at("normalizer").is_null(), true);
    }

    void wordPieceAgrees_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<bool>("lower");
        QTest::newRow("uncased") << "bert_uncased" << true;
        QTest::newRow("cased") << "bert_cased" << false;
    }
    void wordPieceAgrees()
    {
        QFETCH(QString, name);
        QFETCH(bool, lower);
        std::vector<Entry> entries = entriesOf(load(name.toStdString() + ".tokenizer.json"));
        for (Entry& entry : entries)
            entry.token = bertToken(entry);
        GgufBuilder file = vocabularyFile(entries);
        file.text("tokenizer.ggml.model", "bert");
        if (!lower)
            file.number("tokenizer.ggml.normalizer.lowercase", GgufType::Bool, false);
        const auto tokenizer = open(file);
        QVERIFY(tokenizer);
        QCOMPARE(tokenizer->beginId(), std::optional<int32_t>(2));
        QCOMPARE(tokenizer->endId(), std::optional<int32_t>(3));
        // U+2581 marks words in such a file, so a text that holds one itself cannot be told apart.
        compare(*tokenizer, load(name.toStdString() + ".golden.json"), false, false, "\u2581");
        const auto ids = tokenizer->encode("the drum", false);
        QCOMPARE(tokenizer->decode(*ids, false).value(), std::string("the drum"));
    }

    void sentencePieceAgrees()
    {
        GgufBuilder file = sentencePieceFile();
        file.number("tokenizer.ggml.add_bos_token", GgufType::Bool, false);
        const auto tokenizer = open(file);
        QVERIFY(tokenizer);
        QCOMPARE(std::string(tokenizer->kind()), std::string("SentencePiece BPE"));
        const json golden = load("spm.golden.json");
        QVERIFY(golden.at("index").size() >= 200);
        int wrong = 0;
        for (size_t i = 0; i < golden.at("index").size(); ++i) {
            const std::string& text = m_strings.at(golden["index"][i].get<size_t>());
            const auto wanted = golden["ids"][i].get<std::vector<int32_t>>();
            const std::string decoded = golden["text"][i].is_null() ? text : golden["text"][i].get<std::string>();
            wrong += differs(*tokenizer, text, wanted);
            if (tokenizer->decode(wanted, false).value() != decoded) {
                ++wrong;
                qWarning("decoded %s\n  wanted %s", printable(*tokenizer->decode(wanted, false), 500).c_str(),
                         printable(decoded, 500).c_str());
            }
        }
        QCOMPARE(wrong, 0);
    }

    void sentencePieceBeginsAndEnds()
    {
        GgufBuilder file = sentencePieceFile();
        file.u32("tokenizer.ggml.bos_token_id", 1).u32("tokenizer.ggml.eos_token_id", 2);
        file.number("tokenizer.ggml.add_eos_token", GgufType::Bool, true)
            .number("tokenizer.ggml.add_space_prefix", GgufType::Bool, false);
        const auto tokenizer = open(file);
        QVERIFY(tokenizer);
        const auto ids = tokenizer->encode("a</s>", true);
        QVERIFY(ids.ok());
        QCOMPARE(ids->front(), 1);
        QCOMPARE(ids->back(), 2);
        QCOMPARE(ids->size(), size_t(4));
        QCOMPARE(tokenizer->token(ids->at(1)), std::string("a"));
        QCOMPARE(tokenizer->decode(*ids, true).value(), std::string("a"));
    }

    void everyPreTokenizerCompiles_data()
    {
        QTest::addColumn<QString>("pre");
        for (const char* name :
             {"default", "gpt-2", "mpt", "roberta-bpe", "llama3", "llama-bpe", "dbrx", "qwen2", "qwen35", "gpt-4o",
              "tekken", "smollm", "command-r", "falcon", "deepseek-coder", "deepseek-v3", "bloom", "viking"})
            QTest::newRow(name) << name;
    }
    /// With one token per byte and no merges, whatever the pieces, the ids are the bytes.
    void everyPreTokenizerCompiles()
    {
        QFETCH(QString, pre);
        const json source = load("gpt2.tokenizer.json");
        GgufBuilder file = vocabularyFile(entriesOf(source));
        file.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre.toStdString());
        addMerges(file, json::array());
        const auto tokenizer = open(file);
        QVERIFY(tokenizer);
        for (const std::string& text : m_strings) {
            const auto ids = tokenizer->encode(text, false);
            QVERIFY2(ids.ok(), ids.ok() ? "" : ids.error().text().c_str());
            if (text.find("<|endoftext|>") == std::string::npos && pre != "llama3" && pre != "llama-bpe" &&
                pre != "tekken")
                QCOMPARE(ids->size(), text.size());
            QCOMPARE(tokenizer->decode(*ids, false).value(), text);
        }
    }

private:
    std::shared_ptr<const Tokenizer> open(const GgufBuilder& file)
    {
        const Bytes bytes = file.build();
        const std::string path = m_folder.filePath("vocabulary.gguf").toStdString();
        const std::string_view text(reinterpret_cast<const char*>(bytes.data().data()), bytes.size());
        if (!writeFileAtomically(path, text).ok())
            return nullptr;
        const auto tokenizer = Tokenizer::loadGguf(path);
        if (!tokenizer.ok())
            qWarning("%s", tokenizer.error().text().c_str());
        return tokenizer.ok() ? *tokenizer : nullptr;
    }

    static GgufBuilder sentencePieceFile()
    {
        const json source = load("spm.vocab.json");
        std::vector<Entry> entries;
        for (size_t i = 0; i < source.at("tokens").size(); ++i)
            entries.push_back({source["tokens"][i].get<std::string>(), source["types"][i].get<int32_t>(),
                               source["scores"][i].get<float>()});
        GgufBuilder file = vocabularyFile(entries);
        file.text("tokenizer.ggml.model", "llama");
        return file;
    }

    static int differs(const Tokenizer& tokenizer, const std::string& text, const std::vector<int32_t>& wanted)
    {
        const auto ids = tokenizer.encode(text, true);
        if (ids.ok() && *ids == wanted)
            return 0;
        qWarning("%s", printable(text, 500).c_str());
        return 1;
    }

    void compare(const Tokenizer& tokenizer, const json& golden, bool onlyNormal, bool decodes,
                 const char* without = nullptr) const
    {
        int wrong = 0, compared = 0;
        for (size_t i = 0; i < m_strings.size(); ++i) {
            const QString wide = QString::fromStdString(m_strings[i]);
            if (onlyNormal && wide.normalized(QString::NormalizationForm_C) != wide)
                continue;
            if (without && m_strings[i].find(without) != std::string::npos)
                continue;
            ++compared;
            wrong += differs(tokenizer, m_strings[i], golden.at("ids").at(i).get<std::vector<int32_t>>());
            const json& text = golden.at("text").at(i);
            const auto plain = tokenizer.encode(m_strings[i], false);
            if (decodes &&
                tokenizer.decode(*plain, false).value() != (text.is_null() ? m_strings[i] : text.get<std::string>()))
                ++wrong;
        }
        QCOMPARE(wrong, 0);
        QVERIFY(compared >= 200);
    }

    std::vector<std::string> m_strings;
    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(TestTokenizerGguf)
#include "tst_tokenizer_gguf.moc"
