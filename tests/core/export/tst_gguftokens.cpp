// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Tokenizers written into GGUF files: read from there they give the ids that the packages which trained them give.
#include "core/base/utf8.h"
#include "core/export/gguftokens.h"
#include "core/io/atomicfile.h"
#include "core/io/json.h"
#include "core/tokenizer/tokenizer.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <algorithm>
#include <map>
#include <tuple>

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

/// A vocabulary and its scores as merges, the way transformers converts SentencePiece models.
json mergesOf(const std::map<std::string, size_t>& ids, const std::vector<float>& scores)
{
    struct Merge {
        float score;
        std::string left, right;
        size_t leftId, rightId;
    };
    std::vector<Merge> merges;
    for (const auto& [token, id] : ids) {
        for (size_t at = 1; at < token.size(); ++at) {
            const auto left = ids.find(token.substr(0, at)), right = ids.find(token.substr(at));
            if (left != ids.end() && right != ids.end())
                merges.push_back({scores[id], left->first, right->first, left->second, right->second});
        }
    }
    std::sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
        return std::tuple(-a.score, a.leftId, a.rightId) < std::tuple(-b.score, b.leftId, b.rightId);
    });
    json list = json::array();
    for (const Merge& merge : merges)
        list.push_back({merge.left, merge.right});
    return list;
}

/// The model that sentencepiece trained, as a tokenizer.json.
json sentencePieceJson()
{
    const json source = load("spm.vocab.json");
    std::map<std::string, size_t> ids;
    json vocab = json::object(), added = json::array();
    for (size_t id = 0; id < source.at("tokens").size(); ++id) {
        const auto token = source["tokens"][id].get<std::string>();
        const int type = source["types"][id].get<int>();
        vocab[token] = id;
        if (type == 1)
            ids.emplace(token, id);
        if (type == 2 || type == 3 || type == 4)
            added.push_back({{"id", id}, {"content", token}, {"special", type != 4}, {"normalized", false}});
    }
    const json blank = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
    const json prepend = {{"type", "Prepend"}, {"prepend", "\u2581"}};
    return {{"added_tokens", added},
            {"normalizer", {{"type", "Sequence"}, {"normalizers", {prepend, blank}}}},
            {"model",
             {{"type", "BPE"},
              {"unk_token", "<unk>"},
              {"fuse_unk", true},
              {"byte_fallback", true},
              {"vocab", vocab},
              {"merges", mergesOf(ids, source.at("scores").get<std::vector<float>>())}}}};
}

} // namespace

class TestGgufTokens : public QObject
{
    Q_OBJECT

    std::vector<std::string> m_strings;

    struct Written {
        std::shared_ptr<const Tokenizer> before, after;
        std::vector<std::string> warnings;
        std::string error;
    };

    /// Through a folder with this tokenizer.json and a GGUF file.
    static Written written(const json& tokenizer, int64_t spare = 0)
    {
        const test::Folder folder;
        folder.write("model.safetensors", test::vectorsFile({{"x", 1}}));
        Written out;
        if (!tokenizer.is_null()) {
            folder.write("tokenizer.json", tokenizer.dump());
            const auto before = Tokenizer::loadJson(folder.path("tokenizer.json"));
            out.before = before.ok() ? *before : nullptr;
        }
        const auto model = Model::open(folder.path("model.safetensors"));
        NetworkConfig config;
        config.vocabulary = (out.before ? out.before->size() : 8) + spare;
        GgufWriter writer;
        writer.setText("general.architecture", "llama");
        setGgufTokens(writer, **model, config, out.warnings);
        if (!writer.begin(folder.path("out.gguf")).ok() || !writer.finish().ok())
            qFatal("cannot write");
        const auto after = Tokenizer::loadGguf(folder.path("out.gguf"));
        out.after = after.ok() ? *after : nullptr;
        out.error = after.ok() ? std::string() : after.error().text();
        return out;
    }

private Q_SLOTS:
    void initTestCase() { m_strings = load("strings.json").get<std::vector<std::string>>(); }

    void idsAreThoseOfTheJson_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("warning");
        const auto row = [](const char* name, const char* warning) { QTest::newRow(name) << name << warning; };
        row("gpt2", "");
        row("llama3", "");
        row("o200k", "");
        row("deepseek", "");
        row("qwen2", "NFC");
        row("bert_uncased", "");
        row("bert_cased", "");
    }
    void idsAreThoseOfTheJson()
    {
        QFETCH(QString, name);
        QFETCH(QString, warning);
        const Written out = written(load(name.toStdString() + ".tokenizer.json"), 3);
        QVERIFY2(out.before && out.after, out.error.c_str());
        QCOMPARE(out.after->kind(), out.before->kind());
        QCOMPARE(out.after->size(), out.before->size() + 3);
        QCOMPARE(out.after->beginId(), out.before->beginId());
        QCOMPARE(out.after->endId(), out.before->endId());
        QVERIFY2(out.warnings.size() == (warning.isEmpty() ? 0 : 1), out.warnings.empty() ? "" : out.warnings[0].c_str());
        QVERIFY(warning.isEmpty() || QString::fromStdString(out.warnings[0]).contains(warning));
        const json golden = load(name.toStdString() + ".golden.json").at("ids");
        int compared = 0;
        for (size_t i = 0; i < m_strings.size(); ++i) {
            const QString wide = QString::fromStdString(m_strings[i]);
            const bool apart = name.startsWith("bert") && wide.contains(QChar(0x2581)); // marks words in such a file
            if (apart || (!warning.isEmpty() && wide.normalized(QString::NormalizationForm_C) != wide))
                continue;
            const auto ids = out.after->encode(m_strings[i], true);
            QVERIFY2(ids.ok() && *ids == golden.at(i).get<std::vector<int32_t>>(), printable(m_strings[i], 500).c_str());
            ++compared;
        }
        QVERIFY(compared >= 200);
    }

    void sentencePieceKeepsItsIds()
    {
        const Written out = written(sentencePieceJson());
        QVERIFY2(out.before && out.after, out.error.c_str());
        QVERIFY2(out.warnings.empty(), out.warnings.empty() ? "" : out.warnings[0].c_str());
        QCOMPARE(out.after->kind(), std::string_view("SentencePiece BPE"));
        const json golden = load("spm.golden.json");
        for (size_t i = 0; i < golden.at("index").size(); ++i) {
            const std::string& text = m_strings.at(golden["index"][i].get<size_t>());
            const auto ids = out.after->encode(text, true);
            QVERIFY2(ids.ok() && *ids == golden["ids"][i].get<std::vector<int32_t>>(), printable(text, 500).c_str());
        }
    }

    void whatGgufCannotSayIsTold_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QString>("part");
        QTest::addColumn<bool>("written");
        // These were trained by merges alone, so a score per token does not say everything.
        QTest::newRow("llama2") << "llama2" << "not those of a SentencePiece model" << true;
        QTest::newRow("mistral") << "mistral" << "first piece of a text" << true;
        QTest::newRow("gemma") << "gemma" << "not those of a SentencePiece model" << true;
        QTest::newRow("han") << "han" << "has no name for" << true;
        QTest::newRow("whitespace") << "whitespace" << "no tokenizer" << false;
        QTest::newRow("added") << "added" << "take blanks with them" << true;
    }
    void whatGgufCannotSayIsTold()
    {
        QFETCH(QString, name);
        QFETCH(QString, part);
        QFETCH(bool, written);
        const Written out = TestGgufTokens::written(load(name.toStdString() + ".tokenizer.json"));
        QVERIFY(out.before);
        QVERIFY2(written == (out.after != nullptr), out.error.c_str());
        QString all;
        for (const std::string& warning : out.warnings)
            all += QString::fromStdString(warning) + '\n';
        QVERIFY2(all.contains(part), qPrintable(all));
    }

    void missingAndBrokenTokenizers()
    {
        const Written none = written(json());
        QCOMPARE(none.warnings.size(), size_t(1));
        QVERIFY2(none.warnings[0].find("no tokenizer.json") != std::string::npos, none.warnings[0].c_str());
        QVERIFY2(none.error.find("no vocabulary") != std::string::npos, none.error.c_str());
        json broken = load("gpt2.tokenizer.json");
        broken["model"]["merges"].push_back({"no such", "token"});
        const Written bad = written(broken);
        QVERIFY(!bad.after && bad.warnings.size() == 1);
        QVERIFY2(bad.warnings[0].find("merge") != std::string::npos, bad.warnings[0].c_str());
    }

    void moreTokensThanRows()
    {
        const json source = load("llama3.tokenizer.json");
        const Written fewer = written(source, -2); // added tokens only
        QVERIFY2(fewer.after, fewer.error.c_str());
        QCOMPARE(fewer.warnings.size(), size_t(1));
        QVERIFY(fewer.warnings[0].find("2 added tokens") != std::string::npos);
        const Written tooFew = written(source, -100);
        QVERIFY(!tooFew.after && tooFew.warnings[0].find("without a row") != std::string::npos);
    }
};

QTEST_GUILESS_MAIN(TestGgufTokens)
#include "tst_gguftokens.moc"
