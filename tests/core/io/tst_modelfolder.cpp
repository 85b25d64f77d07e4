// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Model::open: folders, shards and their index, config.json, contents that decide the format, and what is refused.
#include "core/io/safetensorswriter.h"
#include "core/model/model.h"
#include "support/mutations.h"
#include "support/safetensorsbuilder.h"

#include <QTest>

#include <fcntl.h>
#include <numeric>
#include <sys/stat.h>
#include <unistd.h>

using namespace ql;
using namespace ql::test;

namespace {

using Opened = Result<std::shared_ptr<const Model>>;

std::string codeOf(const Opened& model)
{
    return model.ok() ? "" : std::string(codeName(model.error().code));
}

std::string whyOf(const Opened& model)
{
    return model.ok() ? "opened" : model.error().text();
}

QStringList namesOf(const Model& model)
{
    QStringList names;
    for (const TensorInfo& tensor : model.tensors())
        names << QString::fromStdString(tensor.name);
    return names;
}

const std::string kFirst = "model-00001-of-00002.safetensors";
const std::string kSecond = "model-00002-of-00002.safetensors";
const std::string kIndex = "model.safetensors.index.json";
const std::string kQ = "model.layers.0.self_attn.q_proj.weight";
const std::string kUp = "model.layers.1.mlp.up_proj.weight";
const std::string kNorm = "model.norm.weight";

std::string indexOf(const std::string& map, const std::string& more = {})
{
    return "{" + more + "\"weight_map\":{" + map + "}}";
}

const std::string kGoodMap = '"' + kQ + "\":\"" + kFirst + "\",\"" + kUp + "\":\"" + kSecond + "\",\"" + kNorm +
                             "\":\"" + kSecond + '"';

/// Two good shards, without an index.
void writeShards(const Folder& folder)
{
    folder.write(kFirst, vectorsFile({{kQ, 4}}));
    folder.write(kSecond, vectorsFile({{kUp, 8}, {kNorm, 2}}));
}

} // namespace

class TestModelFolder : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void opensAShardedFolder()
    {
        const Folder folder;
        writeShards(folder);
        folder.write(kIndex, indexOf(kGoodMap, "\"metadata\":{\"total_size\":56,\"note\":\"x\"},"));
        folder.write("config.json", "{\"model_type\":\"qwen2\",\"architectures\":[\"Qwen2ForCausalLM\"]}");
        for (const FileAccess access : {FileAccess::Map, FileAccess::Read}) {
            const auto model = Model::open(folder.path(), access);
            QVERIFY2(model.ok(), whyOf(model).c_str());
            QVERIFY((*model)->format() == ModelFormat::ShardedSafetensors);
            QCOMPARE((*model)->architecture(), std::string("qwen2"));
            QCOMPARE(namesOf(**model), QStringList({QString::fromStdString(kQ), QString::fromStdString(kUp),
                                                    QString::fromStdString(kNorm)}));
            QCOMPARE((*model)->files().size(), size_t(2));
            QCOMPARE((*model)->parameters(), uint64_t(14));
            QCOMPARE((*model)->bytes(), uint64_t(56));
            QCOMPARE((*model)->layerCount(), 2);
            QVERIFY((*model)->warnings().empty());
            QCOMPARE((*model)->metadata().at("note"), std::string("x"));
            float values[8];
            const auto view = (*model)->view((*model)->indexOf(kUp));
            QVERIFY(view->readFlat(0, 8, values).ok());
            QCOMPARE(values[7], 7.0f);
        }
    }

    void everyDoorLeadsToTheSameModel_data()
    {
        QTest::addColumn<QString>("door");
        for (const auto& door : {kIndex, kFirst, kSecond, std::string("config.json"), std::string("/")})
            QTest::newRow(door.c_str()) << QString::fromStdString(door);
    }
    void everyDoorLeadsToTheSameModel()
    {
        QFETCH(QString, door);
        const Folder folder;
        writeShards(folder);
        folder.write(kIndex, indexOf(kGoodMap));
        folder.write("config.json", "{\"model_type\":\"llama\"}");
        const auto whole = Model::open(folder.path());
        const auto model = Model::open(folder.path() + "/" + door.toStdString());
        QVERIFY2(model.ok(), whyOf(model).c_str());
        QCOMPARE(namesOf(**model), namesOf(**whole));
        QCOMPARE((*model)->fingerprint(), (*whole)->fingerprint());
        QCOMPARE((*model)->architecture(), std::string("llama"));
        QVERIFY(!(*model)->displayName().empty());
    }

    void shardsThatAreLinksOpen()
    {
        const Folder folder;
        QVERIFY(mkdir(folder.path("blobs").c_str(), 0777) == 0);
        QVERIFY(mkdir(folder.path("snapshot").c_str(), 0777) == 0);
        folder.write("blobs/abc", vectorsFile({{kQ, 4}}));
        QVERIFY(symlink("../blobs/abc", folder.path("snapshot/" + kFirst).c_str()) == 0);
        folder.write("snapshot/" + kIndex, indexOf('"' + kQ + "\":\"" + kFirst + '"'));
        const auto model = Model::open(folder.path("snapshot"));
        QVERIFY2(model.ok(), whyOf(model).c_str());
    }

    void oddButHarmless()
    {
        const Folder folder;
        folder.write(kFirst, vectorsFile({{kQ, 4}, {"extra", 1}, {kNorm, 5}}));
        folder.write(kSecond, vectorsFile({{kUp, 8}, {kNorm, 2}}));
        folder.write(kIndex, indexOf(kGoodMap, "\"metadata\":{\"total_size\":99},"));
        const auto model = Model::open(folder.path());
        QVERIFY2(model.ok(), whyOf(model).c_str());
        QCOMPARE((*model)->tensors().size(), size_t(4));
        QCOMPARE((*model)->tensors()[size_t((*model)->indexOf(kNorm))].bytes, uint64_t(8));
        std::string warnings;
        for (const std::string& warning : (*model)->warnings())
            warnings += warning;
        for (const char* word : {"99", "not in the index", "second shard", "config.json"})
            QVERIFY2(warnings.find(word) != std::string::npos, word);
    }

    void withoutAnIndex()
    {
        const Folder folder;
        writeShards(folder);
        const auto model = Model::open(folder.path());
        QVERIFY2(model.ok(), whyOf(model).c_str());
        QCOMPARE((*model)->tensors().size(), size_t(3));
        const auto one = Model::open(folder.path(kSecond));
        QVERIFY(one.ok());
        QCOMPARE((*one)->tensors().size(), size_t(2));
        QVERIFY((*one)->warnings().at(0).find("part 2 of 2") != std::string::npos);
    }

    void theIndexIsWrong_data()
    {
        QTest::addColumn<QByteArray>("index");
        QTest::addColumn<QString>("code");
        QTest::addColumn<QString>("mentions");
        const auto row = [](const char* name, const std::string& index, const char* code, const char* mentions) {
            QTest::newRow(name) << QByteArray::fromStdString(index) << code << mentions;
        };
        const auto shard = [](const std::string& name) { return indexOf('"' + kQ + "\":\"" + name + '"'); };
        row("empty file", "", "JsonSyntax", "line 1");
        row("cut", "{\"weight_map\":{\n\"a\":", "JsonSyntax", "line 2");
        row("not UTF-8", "{\"\xFF\":1}", "InvalidUtf8", "UTF-8");
        row("nested too deep", "{\"a\":" + std::string(1000, '[') + std::string(1000, ']') + "}", "JsonTooDeep", "16");
        row("tensor listed twice", indexOf(kGoodMap + ",\"" + kQ + "\":\"" + kSecond + '"'), "JsonDuplicateKey",
            "q_proj");
        row("map twice", "{\"weight_map\":{},\"weight_map\":{}}", "JsonDuplicateKey", "weight_map");
        row("too large", std::string(33 << 20, ' '), "JsonTooLarge", "33554432");
        row("a list", "[]", "IndexInvalid", "object");
        row("a string", "\"weight_map\"", "IndexInvalid", "object");
        row("no map", "{\"metadata\":{}}", "IndexInvalid", "weight_map");
        row("map is a list", "{\"weight_map\":[]}", "IndexInvalid", "weight_map");
        row("map is null", "{\"weight_map\":null}", "IndexInvalid", "weight_map");
        row("map is empty", indexOf(""), "IndexInvalid", "no tensors");
        row("shard is a number", indexOf("\"w\":1"), "IndexInvalid", "tensor w");
        row("shard is a list", indexOf("\"w\":[\"" + kFirst + "\"]"), "IndexInvalid", "tensor w");
        row("config in place of the index", "{\"model_type\":\"llama\"}", "IndexInvalid", "weight_map");
        row("absolute path", shard("/etc/passwd"), "IndexUnsafePath", "/etc/passwd");
        row("parent folder", shard("../secret.safetensors"), "IndexUnsafePath", "../secret");
        row("subfolder", shard("sub/model.safetensors"), "IndexUnsafePath", "sub/model");
        row("this folder", shard("./" + kFirst), "IndexUnsafePath", "./");
        row("backslashes", shard("..\\\\secret.safetensors"), "IndexUnsafePath", "secret");
        row("dot", shard("."), "IndexUnsafePath", "\".\"");
        row("two dots", shard(".."), "IndexUnsafePath", "\"..\"");
        row("no name", shard(""), "IndexUnsafePath", "\"\"");
        row("zero byte in the name", shard("a\\u0000b.safetensors"), "IndexUnsafePath", "\\x00");
        row("line break in the name", shard("a\\nb.safetensors"), "IndexUnsafePath", "\\x0A");
        row("pickle shard", shard("pytorch_model-00001-of-00002.bin"), "PickleRefused", "safetensors");
        row("missing shard", shard("model-00003-of-00003.safetensors"), "IndexMissingShard", "00003");
        row("name too long", shard(std::string(300, 'n')), "CannotOpen", "nnn");
        row("shard is a folder", shard("folder"), "CannotOpen", "folder");
        row("shard is broken", shard("broken.safetensors"), "HeaderTooSmall", "broken.safetensors");
        row("shard is the index", shard(kIndex), "HeaderTooLarge", "index.json");
        row("tensor not in its shard", indexOf(kGoodMap + ",\"nowhere\":\"" + kFirst + '"'), "IndexMissingTensor",
            "nowhere");
        row("tensor in another shard", indexOf('"' + kQ + "\":\"" + kSecond + "\",\"" + kUp + "\":\"" + kSecond + '"'),
            "IndexMissingTensor", "q_proj");
    }
    void theIndexIsWrong()
    {
        QFETCH(QByteArray, index);
        QFETCH(QString, mentions);
        const Folder folder;
        writeShards(folder);
        folder.write("broken.safetensors", "x");
        QVERIFY(mkdir(folder.path("folder").c_str(), 0777) == 0);
        folder.write(kIndex, index.toStdString());
        const auto model = Model::open(folder.path());
        QTEST(QString::fromStdString(codeOf(model)), "code");
        const QString text = QString::fromStdString(whyOf(model));
        QVERIFY2(text.contains(mentions) && !text.contains('\n'), qPrintable(text));
        QVERIFY(model.error().kind() == ErrorKind::BadInput);
    }

    void mutatedIndexesAreRefusedOrOpen()
    {
        const Folder folder;
        writeShards(folder);
        const std::string good = indexOf(kGoodMap, "\"metadata\":{\"total_size\":56},");
        Mutator mutator(20240610);
        const int count = mutationCount() / 10;
        int refused = 0;
        for (int i = 0; i < count; ++i) {
            const auto bytes = mutator.mutate(bytesOf(good));
            folder.write(kIndex, std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
            const auto model = Model::open(folder.path());
            QVERIFY(model.ok() || (model.error().kind() == ErrorKind::BadInput && !model.error().message.empty()));
            refused += !model.ok();
        }
        QVERIFY(refused > count / 4);
    }

    void duplicateTensorsNeedAnIndex()
    {
        const Folder folder;
        folder.write(kFirst, vectorsFile({{kQ, 4}}));
        folder.write(kSecond, vectorsFile({{kQ, 4}}));
        QCOMPARE(codeOf(Model::open(folder.path())), std::string("DuplicateTensor"));
    }

    void foldersThatAreNoModel_data()
    {
        QTest::addColumn<QStringList>("files");
        QTest::addColumn<QString>("code");
        QTest::newRow("empty") << QStringList() << "NotAModel";
        QTest::newRow("only a config") << QStringList("config.json") << "NotAModel";
        QTest::newRow("pickles") << QStringList{"config.json", "pytorch_model.bin"} << "PickleRefused";
        QTest::newRow("old pickles") << QStringList("model.pth") << "PickleRefused";
        QTest::newRow("two unrelated files") << QStringList{"a.safetensors", "b.safetensors"} << "NotAModel";
        QTest::newRow("one of three shards and one of two")
            << QStringList{"model-00001-of-00003.safetensors", "model-00002-of-00002.safetensors"} << "NotAModel";
        QTest::newRow("two of three shards")
            << QStringList{"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"}
            << "IndexMissingShard";
        QTest::newRow("two GGUF files") << QStringList{"a.gguf", "b.gguf"} << "NotAModel";
        QTest::newRow("hidden file only") << QStringList(".model.safetensors") << "NotAModel";
    }
    void foldersThatAreNoModel()
    {
        QFETCH(QStringList, files);
        const Folder folder;
        for (const QString& file : files)
            folder.write(file.toStdString(), file.endsWith(".json") ? "{}" : vectorsFile({{"w", 1}}));
        const auto model = Model::open(folder.path());
        QTEST(QString::fromStdString(codeOf(model)), "code");
        QVERIFY(whyOf(model).find(folder.path()) != std::string::npos);
    }

    void contentsDecide_data()
    {
        QTest::addColumn<QString>("name");
        QTest::addColumn<QByteArray>("content");
        QTest::addColumn<QString>("code");
        const QByteArray good = QByteArray::fromStdString(vectorsFile({{"w", 1}}));
        QTest::newRow("safetensors by another name") << "model.bin" << good << "";
        QTest::newRow("safetensors called GGUF") << "model.gguf" << good << "";
        QTest::newRow("text") << "model.txt" << QByteArray("Once upon a time") << "UnknownFormat";
        QTest::newRow("text called safetensors") << "model.safetensors" << QByteArray("Once upon a time")
                                               << "HeaderTooLarge";
        QTest::newRow("nothing") << "model" << QByteArray() << "UnknownFormat";
        QTest::newRow("nothing called safetensors") << "model.safetensors" << QByteArray() << "HeaderTooSmall";
        QTest::newRow("pickle, protocol 2") << "model.safetensors" << QByteArray("\x80\x02}q\x00.", 6)
                                           << "PickleRefused";
        QTest::newRow("pickle, protocol 5") << "model" << QByteArray("\x80\x05\x95", 3) << "PickleRefused";
        QTest::newRow("pickle of torch") << "model.safetensors"
                                         << QByteArray("PK\x03\x04" + QByteArray(26, '\0') + "archive/data.pkl")
                                         << "PickleRefused";
        QTest::newRow("GGUF cut after its magic") << "model.safetensors" << QByteArray("GGUF") << "UnexpectedEnd";
        QTest::newRow("NPY cut after its magic") << "model" << QByteArray("\x93NUMPY") << "UnexpectedEnd";
        QTest::newRow("empty archive, cut") << "model" << QByteArray("PK\x05\x06") << "ZipInvalid";
        QTest::newRow("other JSON") << "some.json" << QByteArray("{\"a\":1}") << "IndexInvalid";
        QTest::newRow("program") << "model" << QByteArray("\x7F" "ELF\x02\x01\x01") << "UnknownFormat";
    }
    void contentsDecide()
    {
        QFETCH(QString, name);
        QFETCH(QByteArray, content);
        const Folder folder;
        const auto model = Model::open(folder.write(name.toStdString(), content.toStdString()));
        QTEST(QString::fromStdString(codeOf(model)), "code");
    }

    void pickleMessageNamesTheWayOut()
    {
        const Folder folder;
        const auto model = Model::open(folder.write("m.pt", std::string("\x80\x02}.")));
        QVERIFY(whyOf(model).find("convert it to safetensors") != std::string::npos);
    }

    void pathsThatAreNothing()
    {
        const Folder folder;
        QCOMPARE(codeOf(Model::open(folder.path("missing"))), std::string("FileNotFound"));
        QCOMPARE(codeOf(Model::open("")), std::string("FileNotFound"));
        QCOMPARE(codeOf(Model::open("/dev/null")), std::string("CannotOpen"));
        QCOMPARE(codeOf(Model::open(std::string("a\0b", 3))), std::string("FileNotFound"));
    }

    void configurations_data()
    {
        QTest::addColumn<QByteArray>("config");
        QTest::addColumn<QString>("code");
        QTest::addColumn<QString>("architecture");
        QTest::newRow("model type") << QByteArray("{\"model_type\":\"gpt_neox\"}") << "" << "gptneox";
        QTest::newRow("class only") << QByteArray("{\"architectures\":[\"Qwen3ForCausalLM\"]}") << "" << "qwen3";
        QTest::newRow("unknown type stays") << QByteArray("{\"model_type\":\"mamba\"}") << "" << "mamba";
        QTest::newRow("multimodal")
            << QByteArray("{\"model_type\":\"llava\",\"text_config\":{\"model_type\":\"mistral\"}}") << "" << "mistral";
        QTest::newRow("says nothing") << QByteArray("{}") << "" << "llama";
        QTest::newRow("wrong types") << QByteArray("{\"model_type\":7,\"architectures\":{},\"text_config\":[]}") << ""
                                     << "llama";
        QTest::newRow("broken") << QByteArray("{\"model_type\":") << "ConfigInvalid" << "";
        QTest::newRow("list") << QByteArray("[]") << "ConfigInvalid" << "";
        QTest::newRow("duplicate key") << QByteArray("{\"a\":1,\"a\":2}") << "ConfigInvalid" << "";
        QTest::newRow("not UTF-8") << QByteArray("\"\xFF\"") << "ConfigInvalid" << "";
        QTest::newRow("too large") << QByteArray(9 << 20, ' ') << "ConfigInvalid" << "";
    }
    void configurations()
    {
        QFETCH(QByteArray, config);
        QFETCH(QString, code);
        const Folder folder;
        const std::string file = folder.write("model.safetensors", vectorsFile({{kQ, 4}}));
        folder.write("config.json", config.toStdString());
        const auto model = Model::open(folder.path());
        QCOMPARE(QString::fromStdString(codeOf(model)), code);
        const auto alone = Model::open(file);
        QVERIFY2(alone.ok(), whyOf(alone).c_str());
        if (model.ok()) {
            QTEST(QString::fromStdString((*model)->architecture()), "architecture");
            QCOMPARE((*model)->configJson(), config.toStdString());
            QCOMPARE((*alone)->architecture(), (*model)->architecture());
        } else {
            QCOMPARE((*alone)->warnings().size(), size_t(1));
        }
    }

    void gpt2WeightsAreSeenTheRightWayRound()
    {
        auto writer = SafetensorsWriter::plan({{"h.0.attn.c_attn.weight", DType::F32, {2, 6}}});
        std::vector<float> values(12);
        std::iota(values.begin(), values.end(), 0.0f);
        const Folder folder;
        QVERIFY(writer->begin(folder.path("model.safetensors")).ok());
        QVERIFY(writer->write(std::as_bytes(std::span(values))).ok());
        QVERIFY(writer->finish().ok());
        const auto model = Model::open(folder.path());
        QCOMPARE((*model)->architecture(), std::string("gpt2"));
        const auto view = (*model)->view(0);
        QCOMPARE(view->rows(), int64_t(6));
        QCOMPARE(view->cols(), int64_t(2));
        float row[2];
        QVERIFY(view->readRows(4, 1, row).ok());
        QCOMPARE(row[0], 4.0f);
        QCOMPARE(row[1], 10.0f);
    }

    void fingerprintsFollowTheContents()
    {
        const Folder folder;
        const auto fingerprint = [](const std::string& path, FileAccess access = FileAccess::Map) {
            return Model::open(path, access).value()->fingerprint();
        };
        const std::string content = vectorsFile({{"w", 4}, {"v", 400000}}); // 1.6 MB: probed in places
        const std::string path = folder.write("a.safetensors", content);
        const std::string first = fingerprint(path);
        QCOMPARE(first.size(), size_t(16));
        QCOMPARE(fingerprint(path, FileAccess::Read), first);
        QCOMPARE(fingerprint(folder.write("b.safetensors", content)), first); // a copy
        const timespec past[2] = {{1'000'000'000, 5}, {1'000'000'000, 5}};
        QVERIFY(utimensat(AT_FDCWD, path.c_str(), past, 0) == 0);
        QCOMPARE(fingerprint(path), first);
        const auto changedAt = [&](size_t fromEnd) {
            std::string other = content;
            other[other.size() - fromEnd] ^= 1;
            return fingerprint(folder.write("c.safetensors", other));
        };
        QVERIFY(changedAt(1) != first);
        QVERIFY(changedAt(4000) != first);
        QVERIFY(changedAt(1600016) != first);
        const auto ofTensors = [&](const std::vector<std::pair<std::string, int>>& tensors) {
            return fingerprint(folder.write("d.safetensors", vectorsFile(tensors)));
        };
        QVERIFY(ofTensors({{"v", 400000}, {"w", 4}}) != first);
        QVERIFY(ofTensors({{"w", 4}, {"x", 400000}}) != first);
        QVERIFY(ofTensors({{"w", 4}, {"v", 400001}}) != first);
    }

    void fingerprintsSeeEveryByteOfSmallModels()
    {
        const Folder folder;
        const std::string content = vectorsFile({{"w", 700}, {"v", 700}});
        const std::string first = Model::open(folder.write("a.safetensors", content)).value()->fingerprint();
        for (size_t fromEnd = 1; fromEnd <= 5600; fromEnd += 97) {
            std::string other = content;
            other[other.size() - fromEnd] ^= 1;
            QVERIFY(Model::open(folder.write("b.safetensors", other)).value()->fingerprint() != first);
        }
    }

    void askingForTensorsThatAreNotThere()
    {
        const Folder folder;
        const auto model = Model::open(folder.write("a.safetensors", vectorsFile({{"w", 4}})));
        QCOMPARE((*model)->indexOf("w"), 0);
        QCOMPARE((*model)->indexOf("x"), -1);
        for (const int index : {-1, 1, 1000})
            QCOMPARE(codeName((*model)->view(index).error().code), codeName(ErrorCode::NoSuchTensor));
    }
};

QTEST_GUILESS_MAIN(TestModelFolder)
#include "tst_modelfolder.moc"
