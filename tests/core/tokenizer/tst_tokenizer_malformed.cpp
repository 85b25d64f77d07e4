// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every way a tokenizer can be wrong, by name and with its exact error; then seeded mutations of good ones, which must
// be read or refused but never crash or hang.
#include "badtokenizers.h"
#include "core/tokenizer/readers.h"
#include "support/ggufbuilder.h"
#include "support/mutations.h"

#include <QTemporaryDir>
#include <QTest>

using namespace ql;
using namespace ql::test;

namespace {

/// The same as the vocabulary of a GGUF file; `scores` and `types` may have any length.
GgufBuilder goodGguf(const char* model, std::vector<std::string> tokens = {"<unk>", "a", "b", "ab", "\u2581"},
                     size_t scores = 5, size_t types = 5, const char* merge = "a b")
{
    GgufBuilder file;
    Bytes names, marks, numbers;
    for (const std::string& token : tokens)
        names.string(token);
    for (size_t i = 0; i < scores; ++i)
        numbers.number(-float(i));
    for (size_t i = 0; i < types; ++i)
        marks.number(int32_t(i == 0 ? 2 : 1));
    file.text("general.architecture", "llama");
    if (model)
        file.text("tokenizer.ggml.model", model);
    file.array("tokenizer.ggml.tokens", uint32_t(GgufType::String), tokens.size(), names);
    file.array("tokenizer.ggml.scores", uint32_t(GgufType::F32), scores, numbers);
    file.array("tokenizer.ggml.token_type", uint32_t(GgufType::I32), types, marks);
    file.array("tokenizer.ggml.merges", uint32_t(GgufType::String), 1, Bytes().string(merge));
    return file;
}

} // namespace

class TestTokenizerMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void theGoodOneIsRead()
    {
        const auto tokenizer = Tokenizer::fromJson(goodTokenizer(), "good.json");
        QVERIFY2(tokenizer.ok(), tokenizer.ok() ? "" : tokenizer.error().text().c_str());
        QCOMPARE((*tokenizer)->encode("abc ab<s>x", true).value(), (std::vector<int32_t>{5, 4, 3, 5}));
        for (const char* model : {"gpt2", "llama"})
            QVERIFY(readGguf(goodGguf(model)).ok());
    }

    void isRefused_data()
    {
        QTest::addColumn<QString>("text");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("mentions");
        for (const BadTokenizer& bad : badTokenizers())
            QTest::newRow(bad.name.c_str())
                << QString::fromStdString(bad.text) << int(bad.code) << QString::fromStdString(bad.mentions);
    }
    void isRefused()
    {
        QFETCH(QString, text);
        QFETCH(int, code);
        QFETCH(QString, mentions);
        check(Tokenizer::fromJson(text.toStdString(), "bad.json"), ErrorCode(code), "bad.json", mentions);
    }

    void ggufIsRefused_data()
    {
        QTest::addColumn<GgufBuilder>("file");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("mentions");
        const auto row = [](const char* name, const GgufBuilder& file, ErrorCode code, const char* mentions) {
            QTest::newRow(name) << file << int(code) << mentions;
        };
        row("no vocabulary", goodGguf(nullptr), ErrorCode::TokenizerMissing, "tokenizer.ggml.model");
        row("unknown vocabulary", goodGguf("rwkv"), ErrorCode::TokenizerUnsupported, "rwkv");
        row("no tokens", goodGguf("llama", {}, 0, 0), ErrorCode::TokenizerInvalid, "empty");
        row("too few scores", goodGguf("llama", {"<unk>", "a", "b"}, 2, 3), ErrorCode::TokenizerInvalid, "scores");
        row("too many types", goodGguf("gpt2", {"<unk>", "a", "b"}, 3, 4), ErrorCode::TokenizerInvalid, "token_type");
        row("two equal tokens", goodGguf("llama", {"<unk>", "a", "a", "b", "c"}), ErrorCode::TokenizerInvalid,
            "two ids");
        row("a token that is no text", goodGguf("llama", {"<unk>", "a\xFF", "b", "c", "d"}),
            ErrorCode::TokenizerInvalid, "UTF-8");
        row("merge of one part", goodGguf("gpt2", {"<unk>", "a", "b", "ab", "c"}, 5, 5, "ab"),
            ErrorCode::TokenizerInvalid, "merge 0");
        row("merge of a missing part", goodGguf("gpt2", {"<unk>", "a", "c", "ab", "d"}), ErrorCode::TokenizerInvalid,
            "\"b\"");
        row("unknown pre-tokenizer", goodGguf("gpt2").text("tokenizer.ggml.pre", "my-own"),
            ErrorCode::TokenizerUnsupported, "my-own");
        row("begin beyond the vocabulary", goodGguf("llama").u32("tokenizer.ggml.bos_token_id", 5),
            ErrorCode::TokenizerInvalid, "bos_token_id");
        row("begin is text", goodGguf("llama").text("tokenizer.ggml.bos_token_id", "1"), ErrorCode::BadValueType,
            "bos_token_id");
        row("add_bos_token is a number", goodGguf("llama").u32("tokenizer.ggml.add_bos_token", 1),
            ErrorCode::BadValueType, "add_bos_token");
        row("an end that is none", goodGguf("llama").number("tokenizer.ggml.add_eos_token", GgufType::Bool, true),
            ErrorCode::TokenizerInvalid, "add_eos_token");
        row("no unknown token", goodGguf("bert", {"[CLS]", "a", "b", "c", "d"}), ErrorCode::TokenizerInvalid,
            "unknown");
        GgufBuilder wrong;
        wrong.text("tokenizer.ggml.model", "llama").text("tokenizer.ggml.tokens", "a b c");
        row("tokens are text", wrong, ErrorCode::BadValueType, "tokens");
        GgufBuilder numbers;
        numbers.text("tokenizer.ggml.model", "gpt2")
            .array("tokenizer.ggml.tokens", uint32_t(GgufType::U32), 2, Bytes().u32(1).u32(2));
        row("tokens are numbers", numbers, ErrorCode::BadValueType, "tokens");
        GgufBuilder none;
        none.text("tokenizer.ggml.model", "gpt2");
        row("tokens are missing", none, ErrorCode::JsonMissingKey, "tokens");
        GgufBuilder nan;
        nan.text("tokenizer.ggml.model", "llama")
            .array("tokenizer.ggml.tokens", uint32_t(GgufType::String), 1, Bytes().string("a"));
        nan.array("tokenizer.ggml.scores", uint32_t(GgufType::F32), 1,
                  Bytes().number(std::numeric_limits<float>::quiet_NaN()));
        row("a score is not a number", nan, ErrorCode::TokenizerInvalid, "score");
    }
    void ggufIsRefused()
    {
        QFETCH(GgufBuilder, file);
        QFETCH(int, code);
        QFETCH(QString, mentions);
        check(readGguf(file), ErrorCode(code), "vocabulary.gguf", mentions);
    }

    void tooLargeIsRefusedUnread()
    {
        QFile file(m_folder.filePath("large.json"));
        QVERIFY(file.open(QIODevice::WriteOnly));
        QVERIFY(file.resize((qint64(256) << 20) + 1)); // sparse
        check(Tokenizer::loadJson(file.fileName().toStdString()), ErrorCode::JsonTooLarge, "large.json", "");
    }

    void aPatternWithoutEndIsAnError()
    {
        const auto tokenizer = Tokenizer::fromJson(goodTokenizer("(?:a+)+$"), "slow.json");
        QVERIFY(tokenizer.ok());
        const auto ids = (*tokenizer)->encode(std::string(5000, 'a') + "b", false);
        QVERIFY(!ids.ok());
        QCOMPARE(ids.error().code, ErrorCode::TokenizerUnsupported);
    }

    /// Would take minutes if merging were quadratic.
    void veryLongWordsAreMerged_data()
    {
        QTest::addColumn<QString>("name");
        for (const char* name : {"gpt2", "llama2", "bert_cased", "added"})
            QTest::newRow(name) << name;
    }
    void veryLongWordsAreMerged()
    {
        QFETCH(QString, name);
        const auto tokenizer =
            Tokenizer::loadJson(QL_TEST_DATA "/tokenizers/" + name.toStdString() + ".tokenizer.json");
        QVERIFY(tokenizer.ok());
        std::string word;
        while (word.size() < 200000)
            word += "thequickbrown\u00E9\u6F22";
        const auto ids = (*tokenizer)->encode(word, false);
        QVERIFY(ids.ok());
        if (name == "gpt2" || name == "llama2")
            QCOMPARE((*tokenizer)->decode(*ids, false).value(), word);
        QVERIFY((*tokenizer)->encode(std::string(200000, ' ') + "\n", false).ok());
    }

    void mutationsAreRefusedOrSound()
    {
        const std::string text = goodTokenizer();
        const std::vector<std::byte> whole(reinterpret_cast<const std::byte*>(text.data()),
                                           reinterpret_cast<const std::byte*>(text.data()) + text.size());
        Mutator mutator(20240607);
        int refused = 0;
        const int count = mutationCount();
        for (int i = 0; i < count; ++i) {
            const std::vector<std::byte> bytes = mutator.mutate(whole);
            const auto tokenizer =
                Tokenizer::fromJson({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, "mutated.json");
            refused += !tokenizer.ok();
            if (tokenizer.ok())
                use(**tokenizer);
        }
        QVERIFY(refused > count / 4);
        QVERIFY(refused < count);
    }

    void ggufMutationsAreRefusedOrSound()
    {
        const std::vector<std::byte> whole = goodGguf("gpt2").build().data();
        Mutator mutator(7);
        int refused = 0;
        const int count = mutationCount() / 3;
        for (int i = 0; i < count; ++i) {
            const auto tokenizer = readGguf(mutator.mutate(whole));
            refused += !tokenizer.ok();
            if (tokenizer.ok())
                use(**tokenizer);
        }
        QVERIFY(refused > count / 4);
        QVERIFY(refused < count);
    }

private:
    static void use(const Tokenizer& tokenizer)
    {
        const auto ids = tokenizer.encode("abc <s> \u00E9\u6F22 cab", true);
        if (ids.ok()) {
            const auto text = tokenizer.decode(*ids, true);
            Q_UNUSED(text);
        }
    }

    static void check(const Result<std::shared_ptr<const Tokenizer>>& result, ErrorCode code, const char* file,
                      const QString& mentions)
    {
        QVERIFY2(!result.ok(), "was accepted");
        const Error& error = result.error();
        QVERIFY2(error.code == code, (std::string(codeName(error.code)) + " - " + error.text()).c_str());
        const QString text = QString::fromStdString(error.text());
        QVERIFY2(text.contains(file) && text.contains(mentions), qPrintable(text));
        QVERIFY2(!text.contains('\n') && text.size() < 500, qPrintable(text));
        QVERIFY(error.kind() == ErrorKind::BadInput);
    }

    static Result<std::shared_ptr<const Tokenizer>> readGguf(const GgufBuilder& file)
    {
        return readGguf(file.build().data());
    }
    static Result<std::shared_ptr<const Tokenizer>> readGguf(const std::vector<std::byte>& bytes)
    {
        QL_TRY(const GgufFile file, parseGguf(memorySource("vocabulary.gguf", bytes)));
        return tok::readTokenizerGguf(file);
    }

    QTemporaryDir m_folder;
};

QTEST_GUILESS_MAIN(TestTokenizerMalformed)
#include "tst_tokenizer_malformed.moc"
