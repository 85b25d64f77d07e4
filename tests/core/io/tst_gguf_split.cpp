// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Split GGUF models on disk: any part opens the whole; parts that contradict each other or are missing are named.
#include "core/io/ggufsplit.h"
#include "core/io/mappedfile.h"
#include "core/model/readers.h"
#include "support/ggufbuilder.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <functional>

using namespace ql;
using namespace ql::test;

namespace {

/// Three parts: keys alone, one tensor, two tensors.
std::vector<GgufBuilder> threeParts()
{
    std::vector<GgufBuilder> parts(3);
    parts[0].text("general.architecture", "llama").text("general.name", "Split in three");
    for (int i = 0; i < 3; ++i) {
        parts[size_t(i)].u16("split.no", uint16_t(i)).u16("split.count", 3);
        parts[size_t(i)].number("split.tensors.count", GgufType::I32, int32_t(3));
    }
    parts[1].tensor("token_embd.weight", {2}, 0, Bytes().number(1.f).number(2.f));
    parts[2].tensor("blk.0.attn_q.weight", {1}, 0, Bytes().number(3.f));
    parts[2].tensor("blk.0.attn_k.weight", {1}, 0, Bytes().number(4.f));
    return parts;
}

QString partName(int i, int count = 3)
{
    return QString("model-%1-of-%2.gguf").arg(i + 1, 5, 10, QChar('0')).arg(count, 5, 10, QChar('0'));
}

bool write(const QString& path, const GgufBuilder& builder)
{
    QFile file(path);
    const Bytes bytes = builder.build();
    return file.open(QIODevice::WriteOnly) &&
           file.write(reinterpret_cast<const char*>(bytes.data().data()), qint64(bytes.size())) == qint64(bytes.size());
}

Result<Model::Contents> open(const QString& path, FileAccess access = FileAccess::Map)
{
    QL_TRY(auto file, openFile(path.toStdString(), access));
    return readGgufModel(std::move(file), access);
}

using Spoil = std::function<void(std::vector<GgufBuilder>&)>;

} // namespace

class TestGgufSplit : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void namesAreReadStrictly_data()
    {
        QTest::addColumn<QString>("path");
        QTest::addColumn<QString>("prefix");
        QTest::addColumn<int>("number");
        QTest::newRow("first") << "a/b-00001-of-00003.gguf" << "a/b" << 1;
        QTest::newRow("last") << "b-00003-of-00003.gguf" << "b" << 3;
        QTest::newRow("dashes in the prefix") << "x-00001-of-00002-00002-of-00002.gguf" << "x-00001-of-00002" << 2;
        QTest::newRow("no prefix") << "-00001-of-00001.gguf" << "" << 1;
        QTest::newRow("number zero") << "b-00000-of-00003.gguf" << QString() << 0;
        QTest::newRow("number beyond the count") << "b-00004-of-00003.gguf" << QString() << 0;
        QTest::newRow("four digits") << "b-0001-of-0003.gguf" << QString() << 0;
        QTest::newRow("a sign") << "b--0001-of-00003.gguf" << QString() << 0;
        QTest::newRow("a plus") << "b-+0001-of-00003.gguf" << QString() << 0;
        QTest::newRow("a space") << "b- 0001-of-00003.gguf" << QString() << 0;
        QTest::newRow("hexadecimal") << "b-0000a-of-0000f.gguf" << QString() << 0;
        QTest::newRow("other extension") << "b-00001-of-00003.ggml" << QString() << 0;
        QTest::newRow("plain") << "model.gguf" << QString() << 0;
        QTest::newRow("empty") << "" << QString() << 0;
    }
    void namesAreReadStrictly()
    {
        QFETCH(QString, path);
        QFETCH(QString, prefix);
        QFETCH(int, number);
        const auto name = parseSplitName(path.toStdString());
        QCOMPARE(name.has_value(), number > 0);
        if (name) {
            QCOMPARE(QString::fromStdString(name->prefix), prefix);
            QCOMPARE(name->number, number);
            QCOMPARE(QString::fromStdString(splitPath(*name)), path);
        }
    }

    void anyPartOpensTheWhole_data()
    {
        QTest::addColumn<int>("part");
        QTest::addColumn<FileAccess>("access");
        for (int i = 0; i < 3; ++i) {
            QTest::addRow("part %d, mapped", i + 1) << i << FileAccess::Map;
            QTest::addRow("part %d, read", i + 1) << i << FileAccess::Read;
        }
    }
    void anyPartOpensTheWhole()
    {
        QFETCH(int, part);
        QFETCH(FileAccess, access);
        QTemporaryDir folder;
        const auto parts = threeParts();
        for (int i = 0; i < 3; ++i)
            QVERIFY(write(folder.filePath(partName(i)), parts[size_t(i)]));
        const auto contents = open(folder.filePath(partName(part)), access);
        QVERIFY2(contents, contents ? "" : contents.error().text().c_str());
        QCOMPARE(contents->architecture, std::string("llama"));
        QCOMPARE(contents->displayName, std::string("Split in three"));
        QCOMPARE(contents->files.size(), size_t(3));
        QCOMPARE(contents->tensors.size(), size_t(3));
        const std::vector<uint32_t> files = {1, 2, 2};
        const std::vector<float> values = {1, 3, 4};
        for (size_t i = 0; i < 3; ++i) {
            const TensorInfo& info = contents->tensors[i];
            QCOMPARE(info.file, files[i]);
            const auto view = TensorView::create(contents->files[info.file], info.offset, info.dtype, info.shape);
            QVERIFY(view);
            float value = 0;
            QVERIFY(view->readFlat(0, 1, &value));
            QCOMPARE(value, values[i]);
        }
    }

    void contradictionsAreNamed_data()
    {
        QTest::addColumn<Spoil>("spoil");
        QTest::addColumn<ErrorCode>("code");
        QTest::addColumn<QString>("mentions");
        const auto row = [](const char* name, ErrorCode code, const QString& mentions, const Spoil& spoil) {
            QTest::newRow(name) << spoil << code << mentions;
        };
        row("part 2 says it is part 3", ErrorCode::SplitInconsistent, partName(1), [](auto& parts) {
            parts[1].keys = Bytes().append(parts[2].keys);
        });
        row("part 3 has no split keys", ErrorCode::SplitInconsistent, partName(2), [](auto& parts) {
            parts[2].keys = Bytes();
            parts[2].keysWritten = 0;
        });
        row("part 3 says there are four parts", ErrorCode::SplitInconsistent, partName(2), [](auto& parts) {
            parts[2].keys = Bytes();
            parts[2].keysWritten = 0;
            parts[2].u16("split.no", 2).u16("split.count", 4);
        });
        row("the first says there are seven parts", ErrorCode::SplitInconsistent, partName(0), [](auto& parts) {
            parts[0].keys = Bytes();
            parts[0].keysWritten = 0;
            parts[0].u16("split.no", 0).u16("split.count", 7);
        });
        row("no parts", ErrorCode::SplitInconsistent, partName(0), [](auto& parts) {
            parts[0].keys = Bytes();
            parts[0].keysWritten = 0;
            parts[0].u16("split.no", 0).u16("split.count", 0);
        });
        row("split.count is a text", ErrorCode::SplitInconsistent, partName(0), [](auto& parts) {
            parts[0].keys = Bytes();
            parts[0].keysWritten = 0;
            parts[0].u16("split.no", 0).text("split.count", "3");
        });
        row("split.count is beyond 16 bits", ErrorCode::SplitInconsistent, partName(0), [](auto& parts) {
            parts[0].keys = Bytes();
            parts[0].keysWritten = 0;
            parts[0].u16("split.no", 0).number("split.count", GgufType::U64, UINT64_MAX);
        });
        row("more tensors promised than there are", ErrorCode::SplitInconsistent, "promises 3",
            [](auto& parts) { parts[2].tensors.pop_back(); });
        row("fewer tensors promised than there are", ErrorCode::SplitInconsistent, "promises 3",
            [](auto& parts) { parts[0].tensor("extra", {1}, 0, Bytes().zeros(4)); });
        row("one tensor in two parts", ErrorCode::DuplicateTensor, "token_embd.weight",
            [](auto& parts) { parts[2].tensors[0].name = "token_embd.weight"; });
        row("part 2 is damaged", ErrorCode::TensorOutOfFile, partName(1), [](auto& parts) { parts[1].dropped = 30; });
        row("part 2 is no GGUF file", ErrorCode::BadMagic, partName(1), [](auto& parts) { parts[1].magic = "GGML"; });
    }
    void contradictionsAreNamed()
    {
        QFETCH(Spoil, spoil);
        QTemporaryDir folder;
        auto parts = threeParts();
        spoil(parts);
        for (int i = 0; i < 3; ++i)
            QVERIFY(write(folder.filePath(partName(i)), parts[size_t(i)]));
        const auto contents = open(folder.filePath(partName(0)));
        QVERIFY(!contents);
        QTEST(contents.error().code, "code");
        QFETCH(QString, mentions);
        const QString text = QString::fromStdString(contents.error().text());
        QVERIFY2(text.contains(mentions) && !text.contains('\n'), qPrintable(text));
    }

    void aMissingPartIsNamed()
    {
        QTemporaryDir folder;
        const auto parts = threeParts();
        QVERIFY(write(folder.filePath(partName(0)), parts[0]));
        QVERIFY(write(folder.filePath(partName(2)), parts[2]));
        const auto contents = open(folder.filePath(partName(2)));
        QVERIFY(!contents);
        QCOMPARE(contents.error().code, ErrorCode::FileNotFound);
        QVERIFY(QString::fromStdString(contents.error().text()).contains(folder.filePath(partName(1))));
    }

    void aRenamedPartIsExplained()
    {
        QTemporaryDir folder;
        QVERIFY(write(folder.filePath("renamed.gguf"), threeParts()[0]));
        const auto contents = open(folder.filePath("renamed.gguf"));
        QVERIFY(!contents);
        QCOMPARE(contents.error().code, ErrorCode::SplitInconsistent);
        QVERIFY(QString::fromStdString(contents.error().text()).contains("-00001-of-00003.gguf"));
    }

    void aPartOfOneIsAWhole()
    {
        QTemporaryDir folder;
        GgufBuilder builder;
        builder.u16("split.no", 0).u16("split.count", 1).number("split.tensors.count", GgufType::I32, int32_t(1));
        builder.tensor("w", {1}, 0, Bytes().zeros(4));
        QVERIFY(write(folder.filePath("one.gguf"), builder));
        QVERIFY(open(folder.filePath("one.gguf")));
        QVERIFY(write(folder.filePath(partName(0, 1)), builder));
        QVERIFY(open(folder.filePath(partName(0, 1))));
    }

    void namedAsAPartWithoutKeysOpensAloneAndSaysSo()
    {
        QTemporaryDir folder;
        QVERIFY(write(folder.filePath(partName(1)), smallGguf()));
        const auto contents = open(folder.filePath(partName(1)));
        QVERIFY(contents);
        QCOMPARE(contents->tensors.size(), size_t(3));
        QCOMPARE(contents->warnings.size(), size_t(1));
    }

    void metadataAreAbbreviatedForReading()
    {
        GgufBuilder builder = smallGguf();
        Bytes many;
        for (int i = 0; i < 1000; ++i)
            many.string("token number " + std::to_string(i) + " with a long tail of text behind it");
        builder.array("many", uint32_t(GgufType::String), 1000, many);
        builder.text("general.description", "two\nlines, \x1B[2J and \xFF");
        const auto contents = readGgufModel(builder.source(), FileAccess::Map);
        QVERIFY(contents);
        const auto& metadata = contents->metadata;
        QCOMPARE(metadata.at("tokenizer.ggml.tokens"), std::string("[a, , bc, 3 string]"));
        QCOMPARE(metadata.at("tokenizer.ggml.scores"), std::string("[0.5, -1, 2 f32]"));
        QVERIFY(metadata.at("many").ends_with(", ... 1000 string]"));
        QVERIFY(metadata.at("many").size() < 200);
        QCOMPARE(metadata.at("general.description"), std::string("two\nlines, \\x1B[2J and \\xFF"));
        QCOMPARE(metadata.at("llama.block_count"), std::string("1"));
    }
};

QTEST_GUILESS_MAIN(TestGgufSplit)
#include "tst_gguf_split.moc"
