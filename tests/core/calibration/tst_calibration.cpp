// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Calibration files: what is saved comes back, and what is wrong is refused by name.
#include "core/calibration/calibration.h"
#include "core/io/safetensorswriter.h"
#include "support/safetensorsbuilder.h"
#include "support/samplecalibration.h"
#include "support/testmodels.h"

#include <nlohmann/json.hpp>

#include <QTest>

#include <functional>

using namespace ql;
using namespace ql::test;

namespace {

using Json = nlohmann::json;

/// A calibration file taken apart, so that one thing at a time can be made wrong.
struct Parts {
    std::map<std::string, std::string> metadata;
    std::map<std::string, std::pair<SafetensorsWriter::Entry, std::vector<std::byte>>> entries;

    Json json(const char* key) const { return Json::parse(metadata.at(key)); }
    void changeInput(const std::function<void(Json&)>& change)
    {
        Json inputs = json("quantloupe.inputs");
        change(inputs[0]);
        metadata["quantloupe.inputs"] = inputs.dump();
    }
    template <class T>
    T* values(const std::string& name)
    {
        return reinterpret_cast<T*>(entries.at(name).second.data());
    }
};

Parts takeApart(const std::string& path)
{
    Parts parts;
    const auto model = Model::open(path).value();
    const auto all = model->metadata();
    for (const auto& [key, value] : all) {
        if (key.starts_with("quantloupe."))
            parts.metadata[key] = value;
    }
    for (size_t i = 0; i < model->tensors().size(); ++i) {
        const TensorInfo& info = model->tensors()[i];
        const auto bytes = *model->view(int(i))->bytes();
        parts.entries[info.name] = {{info.name, info.dtype, info.shape}, {bytes.begin(), bytes.end()}};
    }
    return parts;
}

std::string putTogether(const Parts& parts, const std::string& path)
{
    std::vector<SafetensorsWriter::Entry> entries;
    for (const auto& [name, entry] : parts.entries)
        entries.push_back(entry.first);
    auto writer = SafetensorsWriter::plan(entries, parts.metadata).value();
    Status status = writer.begin(path);
    for (const auto& entry : writer.order())
        status = status.ok() ? writer.write(parts.entries.at(entry.name).second) : status;
    status = status.ok() ? writer.finish() : status;
    return status.ok() ? path : status.error().text();
}

using Damage = std::function<void(Parts&)>;

} // namespace

Q_DECLARE_METATYPE(Damage)

class TestCalibration : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void findsInputsByTensor()
    {
        const auto model = tinyLlama();
        const auto calibration = sampleCalibration(*model);
        QCOMPARE(calibration->inputs().size(), size_t(5)); // q and v, down, twice; the head
        const auto* input = calibration->find("model.layers.1.self_attn.v_proj.weight");
        QVERIFY(input && input->layer == 1 && input->tensors.size() == 2);
        QCOMPARE(calibration->find("model.layers.1.self_attn.q_proj.weight"), input);
        QCOMPARE(calibration->inputOf("model.embed_tokens.weight"), -1);
        QVERIFY(calibration->find("nothing") == nullptr);
    }

    void whatIsSavedComesBack()
    {
        const auto model = tinyLlama();
        const Folder folder;
        const std::string path = folder.path("c.safetensors");
        const auto saved = sampleCalibration(*model);
        const Status status = saved->save(path);
        QVERIFY2(status.ok(), status.ok() ? "" : status.error().text().c_str());
        const auto loaded = Calibration::load(path, model.get());
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().text().c_str());
        const CalibrationSource& source = (*loaded)->source();
        QCOMPARE(source.text, saved->source().text);
        QCOMPARE(source.tokens, uint64_t(128));
        QCOMPARE(source.created, saved->source().created);
        QCOMPARE((*loaded)->inputs().size(), saved->inputs().size());
        for (size_t i = 0; i < saved->inputs().size(); ++i)
            compareInputs((*loaded)->inputs()[i], saved->inputs()[i]);
        // Once more, now from the mapped file, over itself.
        QVERIFY((*loaded)->save(path).ok());
        compareInputs(Calibration::load(path, model.get()).value()->inputs()[0], saved->inputs()[0]);
    }

    void importedMomentsAndExpertsComeBack()
    {
        InputStatistics input;
        input.tensors = {"blk.0.ffn_up_exps.weight"};
        input.channels = 3;
        input.tokens = 9;
        input.channelMeanSquare = {1, 2, 3};
        input.expertTokens = {4, 5};
        input.expertMeanSquare = {1, 2, 3, 1, 2, 3};
        const Folder folder;
        QVERIFY(Calibration({}, {input}).save(folder.path("e.safetensors")).ok());
        const auto loaded = Calibration::load(folder.path("e.safetensors"), nullptr);
        QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().text().c_str());
        compareInputs((*loaded)->inputs()[0], input);
        QVERIFY(!(*loaded)->inputs()[0].hasDistribution() && !(*loaded)->inputs()[0].hasSample());
    }

    void cancelledSavingLeavesNothing()
    {
        const Folder folder;
        std::stop_source stop;
        stop.request_stop();
        const Status status = sampleCalibration(*tinyLlama())->save(folder.path("c.safetensors"), {stop.get_token(), {}});
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::Cancelled));
        QVERIFY(folder.entries().isEmpty());
    }

    void anotherModelIsRefused()
    {
        const Folder folder;
        const std::string path = folder.path("c.safetensors");
        QVERIFY(sampleCalibration(*tinyLlama())->save(path).ok());
        const auto other = makeModel({{"model.layers.0.self_attn.q_proj.weight", normalValues(64, 1), {8, 8}}});
        const auto loaded = Calibration::load(path, other.get());
        QVERIFY(!loaded.ok());
        QCOMPARE(codeName(loaded.error().code), codeName(ErrorCode::CalibrationMismatch));
        QVERIFY(loaded.error().text().find(other->fingerprint()) != std::string::npos);
    }

    void widthsAreComparedWithTheModel()
    {
        const auto model = tinyLlama();
        CalibrationSource source;
        source.modelFingerprint = model->fingerprint();
        const Folder folder;
        for (const char* name : {"model.layers.0.mlp.down_proj.weight", "model.layers.9.mlp.down_proj.weight"}) {
            QVERIFY(Calibration(source, {sampleInput({}, {name}, 0)}).save(folder.path("w.safetensors")).ok());
            const auto loaded = Calibration::load(folder.path("w.safetensors"), model.get());
            QCOMPARE(codeName(loaded.error().code), codeName(ErrorCode::CalibrationMismatch));
            QVERIFY(loaded.error().text().find(name) != std::string::npos);
        }
    }

    void damagedFiles_data()
    {
        QTest::addColumn<Damage>("damage");
        QTest::addColumn<QString>("code");
        QTest::addColumn<QString>("named");
        const auto row = [](const char* name, const Damage& damage, const char* named,
                            const char* code = "CalibrationInvalid") {
            QTest::newRow(name) << damage << QString(code) << QString(named);
        };
        const auto input = [&row](const char* name, const char* key, const Json& value, const char* named) {
            row(name, [=](Parts& p) { p.changeInput([&](Json& json) { json[key] = value; }); }, named);
        };
        const auto source = [&row](const char* name, const char* key, const Json& value) {
            row(name, [=](Parts& p) {
                Json json = p.json("quantloupe.source");
                json[key] = value;
                p.metadata["quantloupe.source"] = json.dump();
            }, key);
        };
        row("not a calibration", [](Parts& p) { p.metadata.erase("quantloupe.calibration"); }, "not a calibration file");
        row("version of the future", [](Parts& p) { p.metadata["quantloupe.calibration"] = "2"; }, "version 2");
        row("no source", [](Parts& p) { p.metadata.erase("quantloupe.source"); }, "quantloupe.source");
        row("no inputs", [](Parts& p) { p.metadata.erase("quantloupe.inputs"); }, "quantloupe.inputs");
        row("source is no JSON", [](Parts& p) { p.metadata["quantloupe.source"] = "{"; }, "quantloupe.source", "JsonSyntax");
        row("source is a list", [](Parts& p) { p.metadata["quantloupe.source"] = "[]"; }, "quantloupe.source");
        row("inputs are an object", [](Parts& p) { p.metadata["quantloupe.inputs"] = "{}"; }, "quantloupe.inputs");
        row("inputs are numbers", [](Parts& p) { p.metadata["quantloupe.inputs"] = "[1]"; }, "inputs.0");
        row("inputs nested deep", [](Parts& p) { p.metadata["quantloupe.inputs"] = std::string(50, '['); },
            "quantloupe.inputs", "JsonTooDeep");
        source("kind is a number", "kind", 1);
        source("tokens are negative", "tokens", -5);
        source("partial is a text", "partial", "no");
        input("no tensors", "tensors", Json::array(), "tensors");
        input("a nameless tensor", "tensors", {""}, "tensors");
        input("layer is a text", "layer", "first", "layer");
        input("layer far away", "layer", 4000000000, "layer");
        input("no channels", "channels", 0, "channels");
        input("negative channels", "channels", -32, "channels");
        input("channels beyond any model", "channels", int64_t(1) << 40, "channels");
        input("another width", "channels", 31, "inputs.0.channel_min");
        input("negative tokens", "tokens", -1, "tokens");
        input("other tokens than rows", "tokens", 127, "inputs.0.token_min");
        input("tokens that wrap", "tokens", UINT64_MAX, "inputs.0.token_min");
        input("a fraction of a token", "tokens", 1.5, "tokens");
        input("min is null", "min", nullptr, "min");
        input("min above max", "min", 1e9, "limit");
        input("histogram limits swapped", "histogram", {5, -5}, "limit");
        input("histogram limit missing", "histogram", {5}, "histogram");
        input("histogram too narrow", "histogram", {-1, 1}, "inputs.0.histogram");
        input("values that nobody counted", "non_finite", 7, "add up");
        input("entries are a text", "entries", "all", "entries");
        row("a tensor with two inputs", [](Parts& p) {
            Json inputs = p.json("quantloupe.inputs");
            inputs[1]["tensors"] = inputs[0]["tensors"];
            p.metadata["quantloupe.inputs"] = inputs.dump();
        }, "two inputs");
        for (const char* name : {"histogram", "channel_min", "channel_mean_square", "token_max", "sample", "gram"}) {
            const std::string entry = std::string("inputs.0.") + name;
            row(qPrintable(QString("%1 is missing").arg(name)), [entry](Parts& p) { p.entries.erase(entry); }, entry.c_str());
        }
        row("a Gram matrix that is not square", [](Parts& p) { p.entries.at("inputs.0.gram").first.shape = {16, 64}; },
            "inputs.0.gram");
        row("a sample of another width", [](Parts& p) { p.entries.at("inputs.0.sample").first.shape = {32, 64}; },
            "inputs.0.sample");
        row("counts of another type", [](Parts& p) { p.entries.at("inputs.0.histogram").first.dtype = DType::I64; },
            "inputs.0.histogram");
        row("a count changed", [](Parts& p) { ++*p.values<uint64_t>("inputs.0.histogram"); }, "add up");
        row("counts that wrap", [](Parts& p) { *p.values<uint64_t>("inputs.0.histogram") = UINT64_MAX; }, "add up");
        row("channel minimum is NaN", [](Parts& p) { *p.values<float>("inputs.0.channel_min") = NAN; }, "channel_min");
        row("token maximum is infinite", [](Parts& p) { *p.values<float>("inputs.0.token_max") = INFINITY; }, "token_max");
        row("channel minimum above maximum", [](Parts& p) { *p.values<float>("inputs.0.channel_min") = 1e9f; },
            "channel_min");
        row("token minimum above maximum", [](Parts& p) { *p.values<float>("inputs.0.token_min") = 1e9f; }, "token_min");
        row("a negative square", [](Parts& p) { *p.values<double>("inputs.0.channel_mean_square") = -1; },
            "channel_mean_square");
    }
    void damagedFiles()
    {
        QFETCH(Damage, damage);
        QFETCH(QString, code);
        QFETCH(QString, named);
        const Folder folder;
        const std::string path = folder.path("c.safetensors");
        QVERIFY(sampleCalibration(*tinyLlama())->save(path).ok());
        Parts parts = takeApart(path);
        damage(parts);
        QCOMPARE(putTogether(parts, path), path);
        const auto loaded = Calibration::load(path, nullptr);
        QVERIFY(!loaded.ok());
        const QString text = QString::fromStdString(loaded.error().text());
        QVERIFY2(QString::fromUtf8(codeName(loaded.error().code).data()) == code, qPrintable(text));
        QVERIFY2(text.contains(named) && text.contains("c.safetensors"), qPrintable(text));
    }

    void truncatedFilesAreRefused()
    {
        const Folder folder;
        const std::string path = folder.path("c.safetensors");
        QVERIFY(sampleCalibration(*tinyLlama())->save(path).ok());
        const std::string whole = folder.read("c.safetensors");
        for (const int size : {0, 7, 100, int(whole.size() / 2), int(whole.size() - 1)}) {
            folder.write("cut.safetensors", whole.substr(0, size_t(size)));
            QVERIFY(!Calibration::load(folder.path("cut.safetensors"), nullptr).ok());
        }
    }

    void damagedSamplesAreFoundWhenRead()
    {
        const Folder folder;
        const std::string path = folder.path("c.safetensors");
        QVERIFY(sampleCalibration(*tinyLlama())->save(path).ok());
        Parts parts = takeApart(path);
        *parts.values<float>("inputs.0.sample") = NAN;
        *parts.values<double>("inputs.0.gram") = -1;
        parts.values<double>("inputs.1.gram")[1] += 100;
        QCOMPARE(putTogether(parts, path), path);
        const auto loaded = Calibration::load(path, nullptr).value();
        QCOMPARE(codeName(loaded->inputs()[0].sampleRows().error().code), codeName(ErrorCode::CalibrationInvalid));
        QCOMPARE(codeName(loaded->inputs()[0].gramMatrix().error().code), codeName(ErrorCode::CalibrationInvalid));
        QCOMPARE(codeName(loaded->inputs()[1].gramMatrix().error().code), codeName(ErrorCode::CalibrationInvalid));
        QVERIFY(loaded->inputs()[1].sampleRows().ok());
    }

private:
    static void compareInputs(const InputStatistics& a, const InputStatistics& b)
    {
        QVERIFY(a.tensors == b.tensors);
        QCOMPARE(a.layer, b.layer);
        QCOMPARE(a.channels, b.channels);
        QCOMPARE(a.tokens, b.tokens);
        QCOMPARE(a.min, b.min);
        QCOMPARE(a.averageMax, b.averageMax);
        QCOMPARE(a.histogram.lo, b.histogram.lo);
        QCOMPARE(a.histogram.hi, b.histogram.hi);
        QVERIFY(a.histogram.counts == b.histogram.counts);
        QVERIFY(a.channelMin == b.channelMin && a.channelMax == b.channelMax);
        QVERIFY(a.channelMean == b.channelMean && a.channelMeanSquare == b.channelMeanSquare);
        QVERIFY(a.tokenMin == b.tokenMin && a.tokenMax == b.tokenMax);
        QVERIFY(a.expertTokens == b.expertTokens && a.expertMeanSquare == b.expertMeanSquare);
        QVERIFY(*a.sampleRows() == *b.sampleRows());
        QVERIFY(*a.gramMatrix() == *b.gramMatrix());
    }
};

QTEST_GUILESS_MAIN(TestCalibration)
#include "tst_calibration.moc"
