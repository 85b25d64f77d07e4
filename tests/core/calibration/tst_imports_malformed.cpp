// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Importance matrices that are wrong, each by name with its error; and that no damaged one does harm.
#include "core/calibration/imports.h"
#include "support/ggufbuilder.h"
#include "support/mutations.h"
#include "support/safetensorsbuilder.h"
#include "support/testmodels.h"

#include <QTest>

#include <functional>
#include <limits>

using namespace ql;
using namespace ql::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint32_t kF32 = 0;
constexpr uint32_t kF16 = 1;

Bytes floats(int count, float value = 1)
{
    Bytes bytes;
    for (int i = 0; i < count; ++i)
        bytes.number(value);
    return bytes;
}

Bytes texts(const std::vector<std::string>& values)
{
    Bytes bytes;
    for (const std::string& value : values)
        bytes.string(value);
    return bytes;
}

GgufBuilder withKeys()
{
    GgufBuilder file;
    file.text("general.type", "imatrix").u32("imatrix.chunk_count", 2).u32("imatrix.chunk_size", 16);
    file.array("imatrix.datasets", uint32_t(GgufType::String), 1, texts({"a.txt"}));
    return file;
}

/// Importance of tinyLlama's first q_proj, which has 32 columns.
GgufBuilder goodGguf()
{
    GgufBuilder file = withKeys();
    file.tensor("blk.0.attn_q.weight.in_sum2", {32}, kF32, floats(32));
    file.tensor("blk.0.attn_q.weight.counts", {1}, kF32, floats(1, 32));
    return file;
}

Bytes legacyEntry(const std::string& name, int32_t calls, const Bytes& values, std::optional<int32_t> count = {})
{
    return Bytes().number(int32_t(name.size())).raw(name).number(calls).number(count.value_or(int32_t(values.size() / 4))).append(values);
}

Bytes goodLegacy()
{
    return Bytes().number(int32_t(1)).append(legacyEntry("blk.0.attn_q.weight", 2, floats(32)));
}

using Content = std::vector<std::byte>;

} // namespace

Q_DECLARE_METATYPE(Content)

class TestImportsMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void wellMadeOnesAreRead()
    {
        for (const Bytes& bytes : {goodGguf().build(), goodLegacy(), goodLegacy().number(int32_t(7)),
                                   goodLegacy().number(int32_t(7)).number(int32_t(1)).raw("x")}) {
            const auto calibration = importAs(bytes.data());
            QVERIFY2(calibration.ok(), calibration.ok() ? "" : calibration.error().text().c_str());
        }
    }

    void errors_data()
    {
        QTest::addColumn<Content>("content");
        QTest::addColumn<QByteArray>("code");
        QTest::addColumn<QByteArray>("named");
        addGgufRows();
        addLegacyRows();
    }
    void errors()
    {
        QFETCH(Content, content);
        QFETCH(QByteArray, code);
        QFETCH(QByteArray, named);
        const auto calibration = importAs(content);
        QVERIFY(!calibration.ok());
        const std::string text = calibration.error().text();
        QVERIFY2(QByteArray(codeName(calibration.error().code).data()) == code, text.c_str());
        QVERIFY2(text.find(named.toStdString()) != std::string::npos && text.find("matrix") != std::string::npos, text.c_str());
    }

    void damageDoesNoHarm()
    {
        const std::vector<Content> good{goodGguf().build().data(), goodLegacy().number(int32_t(7)).data()};
        const int count = mutationCount() / 10;
        Mutator mutator(11);
        int refused = 0;
        for (int i = 0; i < count; ++i) {
            const auto calibration = importAs(mutator.mutate(good[size_t(i) % good.size()]));
            if (calibration.ok())
                QVERIFY((*calibration)->inputs()[0].channelMeanSquare.size() == 32);
            else
                ++refused;
        }
        QVERIFY(refused > count / 2);
    }

private:
    static void row(const char* title, const Bytes& bytes, const char* named, const char* code = "CalibrationInvalid")
    {
        QTest::newRow(title) << bytes.data() << QByteArray(code) << QByteArray(named);
    }

    static void ggufRow(const char* title, const std::function<void(GgufBuilder&)>& change, const char* named,
                        const char* code = "CalibrationInvalid")
    {
        GgufBuilder file = goodGguf();
        change(file);
        row(title, file.build(), named, code);
    }

    static void addGgufRows()
    {
        const auto sums = [](const Bytes& values, std::vector<int64_t> dims) {
            return [=](GgufBuilder& file) {
                file.tensors[0].data = values;
                file.tensors[0].dims = dims;
            };
        };
        const auto counts = [](const Bytes& values, std::vector<int64_t> dims) {
            return [=](GgufBuilder& file) {
                file.tensors[1].data = values;
                file.tensors[1].dims = dims;
            };
        };
        row("a model", smallGguf().build(), "no importance matrix");
        GgufBuilder bare;
        row("no keys", bare.build(), "no importance matrix");
        bare.text("general.type", "imatrix");
        row("no data sets", bare.build(), "imatrix.datasets");
        ggufRow("data sets that are numbers", [](GgufBuilder& file) {
            GgufBuilder other;
            other.text("general.type", "imatrix").u32("imatrix.chunk_count", 2).u32("imatrix.chunk_size", 16);
            other.array("imatrix.datasets", uint32_t(GgufType::U32), 1, Bytes().u32(1));
            file.keys = other.keys;
        }, "imatrix.datasets");
        ggufRow("negative chunks", [](GgufBuilder& file) {
            GgufBuilder other;
            other.text("general.type", "imatrix").number("imatrix.chunk_count", GgufType::I32, -2).u32("imatrix.chunk_size", 16);
            other.array("imatrix.datasets", uint32_t(GgufType::String), 1, texts({"a"}));
            file.keys = other.keys;
        }, "chunk_count");
        row("no entries", withKeys().build(), "empty", "CalibrationMismatch");
        ggufRow("sums without counts", [](GgufBuilder& file) { file.tensors.pop_back(); }, ".counts beside it");
        ggufRow("counts without sums", [](GgufBuilder& file) { file.tensors.erase(file.tensors.begin()); }, ".in_sum2 beside it");
        ggufRow("an entry of another kind", [](GgufBuilder& file) { file.tensor("blk.0.attn_q.weight", {1}, kF32, floats(1)); },
                "neither");
        ggufRow("sums are NaN", sums(floats(32, kNan), {32}), "in_sum2");
        ggufRow("sums are infinite", sums(floats(32, kInfinity), {32}), "in_sum2");
        ggufRow("sums are negative", sums(floats(32, -1), {32}), "in_sum2");
        ggufRow("sums of another type", [](GgufBuilder& file) {
            file.tensors[0].type = kF16;
            file.tensors[0].data = Bytes().zeros(64);
        }, "F16");
        ggufRow("counts are NaN", counts(floats(1, kNan), {1}), "counts");
        ggufRow("counts are negative", counts(floats(1, -3), {1}), "counts");
        ggufRow("counts beyond belief", counts(floats(1, 3e38f), {1}), "belief");
        ggufRow("more counts than sums", counts(floats(2), {1, 2}), "does not fit");
        ggufRow("experts where there are none", [&](GgufBuilder& file) {
            sums(floats(64), {32, 2})(file);
            counts(floats(2), {1, 2})(file);
        }, "in_sum2", "CalibrationMismatch");
        ggufRow("another width", sums(floats(16), {16}), "32 columns", "CalibrationMismatch");
        ggufRow("a weight that the model lacks", [](GgufBuilder& file) {
            file.tensors[0].name = "blk.9.attn_q.weight.in_sum2";
            file.tensors[1].name = "blk.9.attn_q.weight.counts";
        }, "blk.9.attn_q.weight", "CalibrationMismatch");
        ggufRow("a weight by two names", [](GgufBuilder& file) {
            file.tensor("model.layers.0.self_attn.q_proj.weight.in_sum2", {32}, kF32, floats(32));
            file.tensor("model.layers.0.self_attn.q_proj.weight.counts", {1}, kF32, floats(1));
        }, "twice");
        ggufRow("cut", [](GgufBuilder& file) { file.dropped = 40; }, "", "TensorOutOfFile");
        ggufRow("data outside", [](GgufBuilder& file) { file.tensors[1].offset = 1 << 20; }, "", "BadTensorOffset");
    }

    static void addLegacyRows()
    {
        const std::string name = "blk.0.attn_q.weight";
        const auto entries = [](int32_t count, const Bytes& rest) { return Bytes().number(count).append(rest); };
        row("empty file", Bytes(), "");
        row("two bytes", Bytes().u16(1), "byte 0");
        row("no legacy entries", entries(0, Bytes().zeros(40)), "0 entries");
        row("negative entries", entries(-1, Bytes().zeros(40)), "negative");
        row("entries beyond the file", entries(1 << 30, legacyEntry(name, 2, floats(32))), "1073741824 entries");
        row("one entry too many", entries(2, legacyEntry(name, 2, floats(32))), "byte");
        row("name without letters", entries(1, Bytes().number(int32_t(0)).zeros(40)), "a name of 0 bytes");
        row("negative name", entries(1, Bytes().number(int32_t(-5)).zeros(40)), "negative");
        row("long name", entries(1, Bytes().number(int32_t(1 << 30)).zeros(40)), "a name of 1073741824 bytes");
        row("name beyond the file", entries(1, Bytes().number(int32_t(100)).zeros(40)), "byte", "UnexpectedEnd");
        row("name that is no text", entries(1, legacyEntry("a\x01\xFF", 2, floats(32))), "not text");
        row("negative calls", entries(1, legacyEntry(name, -2, floats(32))), "negative");
        row("no values", entries(1, legacyEntry(name, 2, {}, 0).zeros(20)), "0 values");
        row("negative values", entries(1, legacyEntry(name, 2, floats(32), -32)), "negative");
        row("values beyond the file", entries(1, legacyEntry(name, 2, floats(32), 33)), "33 values");
        row("values that wrap", entries(1, legacyEntry(name, 2, floats(32), std::numeric_limits<int32_t>::max())),
            "2147483647 values");
        row("values are NaN", entries(1, legacyEntry(name, 2, floats(32, kNan))), name.c_str());
        row("values are infinite", entries(1, legacyEntry(name, 2, floats(32, kInfinity))), name.c_str());
        row("values below zero", entries(1, legacyEntry(name, 2, floats(32, -1))), name.c_str());
        row("values of another width", entries(1, legacyEntry(name, 2, floats(31))), "32 columns", "CalibrationMismatch");
        row("values of many experts", entries(1, legacyEntry(name, 2, floats(64))), "64 values", "CalibrationMismatch");
        row("unknown weight", entries(1, legacyEntry("blk.8.attn_q.weight", 2, floats(32))), "blk.8", "CalibrationMismatch");
        row("the same weight again", entries(2, legacyEntry(name, 2, floats(32)).append(legacyEntry(name, 2, floats(32)))),
            "twice");
        row("negative chunks at the end", goodLegacy().number(int32_t(-1)), "negative");
        row("half a number at the end", goodLegacy().u16(3), "byte");
        row("path longer than the file", goodLegacy().number(int32_t(7)).number(int32_t(9)).raw("x"), "data set");
        row("path shorter than the file", goodLegacy().number(int32_t(7)).number(int32_t(1)).raw("xyz"), "data set");
        row("words", Bytes().raw("There is nothing but words in this file."), "byte 0");
    }

    Result<std::shared_ptr<const Calibration>> importAs(const Content& content)
    {
        const std::string text(reinterpret_cast<const char*>(content.data()), content.size());
        return importImportanceMatrix(m_folder.write("matrix", text), *m_model);
    }

    Folder m_folder;
    std::shared_ptr<const Model> m_model = tinyLlama();
};

QTEST_GUILESS_MAIN(TestImportsMalformed)
#include "tst_imports_malformed.moc"
