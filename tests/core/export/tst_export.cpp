// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Exports: what is written is what the quantizer promised, sizes are known before, and failures leave nothing.
#include "core/compute/cpubackend.h"
#include "core/export/exporter.h"
#include "core/export/svgfigure.h"
#include "core/io/safetensorswriter.h"
#include "core/model/packedweight.h"
#include "core/tensor/floats.h"
#include "support/testmodels.h"

#include <QDir>
#include <QFile>
#include <QTemporaryDir>
#include <QTest>
#include <QXmlStreamReader>

#include <cmath>
#include <numeric>

using namespace ql;

namespace {

/// Of a stored tensor that belongs to a packed weight; nothing where it has none of that name.
std::vector<float> storedValues(const Model& model, const TensorInfo& weight, const std::string& name)
{
    for (const TensorInfo& part : weight.packed->parts) {
        if (part.name != name)
            continue;
        const auto view = model.storedView(part);
        std::vector<float> values(size_t(view->count()));
        return view->readFlat(0, view->count(), values.data()).ok() ? values : std::vector<float>();
    }
    return {};
}

std::vector<float> valuesOf(const Model& model, const std::string& name)
{
    const auto view = model.view(model.indexOf(name));
    std::vector<float> values(size_t(view->count()));
    return view->readRows(0, view->rows(), values.data()).ok() ? values : std::vector<float>();
}

} // namespace

class TestExport : public QObject
{
    Q_OBJECT

    QTemporaryDir m_folder;
    CpuBackend m_backend{std::make_shared<ThreadPool>(2)};

    std::string path(const char* name) { return m_folder.filePath(QString::fromLatin1(name)).toStdString(); }

    std::shared_ptr<const Model> write(const Model& model, const Policy& policy, ExportFormat format, const char* name)
    {
        const auto decisions = policy.resolve(model);
        const Status written = exportModel(m_backend, model, *decisions, format, path(name), {});
        if (!written.ok()) {
            qWarning("%s", written.error().text().c_str());
            return nullptr;
        }
        const auto plan = planExport(model, *decisions, format);
        if (int64_t(plan->fileBytes) != QFile(QString::fromStdString(path(name))).size())
            return nullptr;
        return Model::open(path(name)).value();
    }

private Q_SLOTS:
    void codesTimesScalesAreTheDequantizedValues_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::newRow("int4 groups with a tail") << "int4,group=32,scale=f32";
        QTest::newRow("int8 per channel") << "int8,channel";
        QTest::newRow("int3 per tensor") << "int3,tensor,clip=mse";
        QTest::newRow("asymmetric int4") << "int4,asym,group=16";
        QTest::newRow("stochastic int4") << "int4,group=32,round=stochastic:7";
    }
    void codesTimesScalesAreTheDequantizedValues()
    {
        QFETCH(QString, scheme);
        const auto model = test::tinyLlama();
        Policy policy;
        policy.defaultScheme = Scheme::parse(scheme.toStdString()).value();
        const auto codes = write(*model, policy, ExportFormat::Codes, "codes.safetensors");
        const auto values = write(*model, policy, ExportFormat::Dequantized, "values.safetensors");
        QVERIFY(codes && values);

        for (const TensorInfo& tensor : model->tensors()) {
            const std::vector<float> expected = valuesOf(*values, tensor.name);
            const TensorInfo& written = codes->tensors()[size_t(codes->indexOf(tensor.name))];
            QVERIFY(expected == valuesOf(*codes, tensor.name));
            if (!written.packed) { // kept
                QVERIFY(expected == valuesOf(*model, tensor.name));
                continue;
            }
            QCOMPARE(written.packed->scheme.text(), policy.defaultScheme.text());
            const auto q = storedValues(*codes, written, tensor.name + ".codes");
            const auto s = storedValues(*codes, written, tensor.name + ".scales");
            const bool hasZeros = policy.defaultScheme.symmetry == Symmetry::Asymmetric;
            const auto z = hasZeros ? storedValues(*codes, written, tensor.name + ".zeros") : std::vector<float>(s.size(), 0.f);
            QCOMPARE(q.size(), expected.size());
            const int64_t cols = tensor.cols();
            const int64_t groups = int64_t(s.size()) == 1 ? 0 : int64_t(s.size()) / tensor.rows();
            const int64_t groupSize = policy.defaultScheme.granularity == Granularity::Group ? policy.defaultScheme.groupSize : cols;
            for (int64_t i = 0; i < int64_t(q.size()); ++i) {
                const auto g = size_t(groups == 0 ? 0 : i / cols * groups + i % cols / groupSize);
                const float reconstructed = s[g] * (q[size_t(i)] - z[g]);
                QVERIFY2(reconstructed == expected[size_t(i)],
                         qPrintable(QString("%1[%2]").arg(QString::fromStdString(tensor.name)).arg(i)));
            }
        }
    }

    /// Every kind of format, read back by what its metadata say.
    void codesReadBackAsTheDequantizedValues_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const char* scheme : {"nf4,double,group=32", "nf4-quantile,group=32", "fp4,group=32", "e2m1,channel", "fp8-e4m3",
                                   "fp8-e5m2,tensor", "mxfp4", "nvfp4", "q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "iq4_nl",
                                   "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs",
                                   "int4,asym,tensor", "int2,range=full,group=16"})
            QTest::newRow(scheme) << scheme;
    }
    void codesReadBackAsTheDequantizedValues()
    {
        QFETCH(QString, scheme);
        const auto model = test::makeModel({{"model.layers.0.mlp.down_proj.weight", test::normalValues(1024, 3), {4, 256},
                                             TensorRole::MlpDown, 0}});
        Policy policy;
        policy.defaultScheme = Scheme::parse(scheme.toStdString()).value();
        const auto codes = write(*model, policy, ExportFormat::Codes, "codes.safetensors");
        const auto values = write(*model, policy, ExportFormat::Dequantized, "values.safetensors");
        QVERIFY(codes && values && codes->tensors()[0].packed);
        QCOMPARE(codes->tensors()[0].packed->scheme.text(), policy.defaultScheme.text());
        QVERIFY(valuesOf(*codes, codes->tensors()[0].name) == valuesOf(*values, values->tensors()[0].name));
    }

    void brokenCodesAreNamed_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<QString>("suffix");
        QTest::addColumn<int>("groups");
        QTest::addColumn<QString>("part");
        QTest::newRow("no scales") << "int4,group=32" << ".other" << 2 << "x.weight.scales is missing";
        QTest::newRow("too few scales") << "int4,group=32" << ".scales" << 1 << "instead of [4, 2]";
        QTest::newRow("zeros missing") << "int4,asym,group=32" << ".scales" << 2 << "x.weight.zeros is missing";
        QTest::newRow("no scheme") << "int99" << ".scales" << 2 << "its scheme";
        QTest::newRow("scheme without codes") << "f16" << ".scales" << 2 << "its scheme";
    }
    void brokenCodesAreNamed()
    {
        QFETCH(QString, scheme);
        QFETCH(QString, suffix);
        QFETCH(int, groups);
        QFETCH(QString, part);
        std::vector<SafetensorsWriter::Entry> entries{{"x.weight.codes", DType::I8, {4, 64}},
                                                      {"x.weight" + suffix.toStdString(), DType::F32, {4, groups}}};
        auto writer = SafetensorsWriter::plan(entries, {{"scheme.x.weight", scheme.toStdString()}}).value();
        QVERIFY(writer.begin(path("broken.safetensors")).ok());
        QVERIFY(writer.write(std::vector<std::byte>(size_t(writer.dataBytes()))).ok() && writer.finish().ok());
        const auto opened = Model::open(path("broken.safetensors"));
        QVERIFY(!opened.ok());
        QVERIFY2(QString::fromStdString(opened.error().text()).contains(part), opened.error().text().c_str());
    }

    void sixteenBitSourcesKeepTheirType()
    {
        std::vector<SafetensorsWriter::Entry> entries{{"model.layers.0.mlp.down_proj.weight", DType::BF16, {8, 64}}};
        auto writer = SafetensorsWriter::plan(entries).value();
        QVERIFY(writer.begin(path("bf16.safetensors")).ok());
        std::vector<uint16_t> bits(8 * 64);
        floatToBf16(test::normalValues(bits.size(), 5), bits);
        QVERIFY(writer.write(std::as_bytes(std::span(bits))).ok() && writer.finish().ok());
        const auto model = Model::open(path("bf16.safetensors")).value();
        Policy policy;
        policy.defaultScheme = Scheme::parse("int8,channel").value();
        const auto out = write(*model, policy, ExportFormat::Dequantized, "bf16-out.safetensors");
        QVERIFY(out);
        QCOMPARE(out->tensors()[0].dtype, DType::BF16);
        const auto before = valuesOf(*model, out->tensors()[0].name), after = valuesOf(*out, out->tensors()[0].name);
        for (size_t i = 0; i < before.size(); ++i)
            QVERIFY(std::fabs(before[i] - after[i]) < 0.03f);
    }

    void transposedWeightsAreWrittenAsTheyWere()
    {
        std::vector<SafetensorsWriter::Entry> entries{{"h.0.attn.c_attn.weight", DType::F32, {4, 12}}, {"h.0.ln_1.weight", DType::F32, {4}}, {"wte.weight", DType::F32, {6, 4}}};
        auto writer = SafetensorsWriter::plan(entries).value();
        QVERIFY(writer.begin(path("gpt2.safetensors")).ok());
        for (const auto& entry : writer.order()) {
            const auto values = test::normalValues(elementCount(entry.shape).value(), 3);
            QVERIFY(writer.write(std::as_bytes(std::span(values))).ok());
        }
        QVERIFY(writer.finish().ok());
        const auto model = Model::open(path("gpt2.safetensors")).value();
        const int index = model->indexOf("h.0.attn.c_attn.weight");
        QVERIFY(model->tensors()[size_t(index)].transposed);
        Policy policy;
        policy.rules = {{"c_attn", {}, -1, -1, Scheme::parse("int8,channel,scale=f32").value(), ""}};
        policy.defaultScheme = Scheme::defaultsFor(Format::F32);
        const auto out = write(*model, policy, ExportFormat::Dequantized, "gpt2-out.safetensors");
        QVERIFY(out);
        const auto before = valuesOf(*model, "h.0.attn.c_attn.weight"), after = valuesOf(*out, "h.0.attn.c_attn.weight");
        // Channels are columns of the stored matrix: each keeps its own largest magnitude.
        const auto view = model->view(index).value();
        QCOMPARE(view.rows(), int64_t(12));
        for (int64_t row = 0; row < 12; ++row) {
            const auto largest = [&](const std::vector<float>& values) {
                float most = 0;
                for (int64_t col = 0; col < 4; ++col)
                    most = std::max(most, std::fabs(values[size_t(row * 4 + col)]));
                return most;
            };
            QVERIFY(std::fabs(largest(before) - largest(after)) <= largest(before) * 1e-6f);
        }
    }

    void cancelledExportsLeaveNothing()
    {
        const auto model = test::tinyLlama();
        std::stop_source stop;
        const JobControl job{stop.get_token(), [&](uint64_t done, uint64_t total) {
                                 if (done > total / 2)
                                     stop.request_stop();
                             }};
        const auto decisions = Policy().resolve(*model);
        const Status written = exportModel(m_backend, *model, *decisions, ExportFormat::Codes, path("cancelled.safetensors"), job);
        QVERIFY(!written.ok());
        QCOMPARE(written.error().code, ErrorCode::Cancelled);
        QVERIFY(QDir(m_folder.path()).entryList({"*cancelled*"}, QDir::Files | QDir::Hidden).isEmpty());
    }

    void aSourceThatChangedIsNotPublished()
    {
        const auto model = test::tinyLlama();
        const auto decisions = Policy().resolve(*model);
        QVERIFY(exportModel(m_backend, *model, *decisions, ExportFormat::Dequantized, path("source.safetensors"), {}).ok());
        const auto opened = Model::open(path("source.safetensors")).value();
        QFile file(QString::fromStdString(path("source.safetensors")));
        const JobControl job{{}, [&](uint64_t, uint64_t) {
                                 if (!file.isOpen() && file.open(QIODevice::Append))
                                     file.write("x");
                                 file.flush();
                             }};
        const auto again = Policy().resolve(*opened);
        const Status written = exportModel(m_backend, *opened, *again, ExportFormat::Codes, path("late.safetensors"), job);
        QVERIFY(!written.ok());
        QVERIFY2(written.error().code == ErrorCode::FileChanged, written.error().text().c_str());
        QVERIFY(!QFile::exists(QString::fromStdString(path("late.safetensors"))));
    }

    void reportsCountNonFiniteValues()
    {
        std::vector<float> values = test::normalValues(64 * 32, 8);
        values[100] = NAN;
        values[200] = INFINITY;
        const auto model = test::makeModel({{"model.layers.0.mlp.up_proj.weight", values, {64, 32}, TensorRole::MlpUp, 0}});
        const auto decisions = Policy().resolve(*model);
        const auto reports = measureModel(m_backend, *model, *decisions, {0}, {}, {});
        QVERIFY(reports.ok());
        QCOMPARE(QString::fromStdString((*reports)[0].note), QString("1 NaN, 1 Inf, first at index 100; figures over the finite values"));
        QVERIFY(std::isfinite((*reports)[0].metrics.sqnrDb()));
        QCOMPARE((*reports)[0].metrics.finite, uint64_t(64 * 32 - 2));
    }

    void tablesHaveOneLinePerTensor()
    {
        const auto model = test::tinyLlama();
        const auto decisions = Policy().resolve(*model);
        std::vector<int> all(model->tensors().size());
        std::iota(all.begin(), all.end(), 0);
        int told = 0;
        const auto reports = measureModel(m_backend, *model, *decisions, all, [&](const TensorReport&) { ++told; }, {});
        QVERIFY(reports.ok());
        QCOMPARE(told, int(all.size()));
        const std::string csv = reportsToCsv(*reports);
        QCOMPARE(size_t(std::count(csv.begin(), csv.end(), '\n')), all.size() + 1);
        QVERIFY(csv.find("\"int4") == std::string::npos); // the default's canonical text needs no quotes
    }

    void figuresAreWellFormed()
    {
        SvgFigure figure("a < b & \"c\"", {"x", -1, 1}, {"y", 0, 10}, "caption");
        figure.addBars(-1, 0.5, {1, 2, 3, 40}, SvgFigure::kWeights);
        figure.addVertical(0, "0", SvgFigure::kGrid);
        figure.addLine({{-1, 0}, {1, 10}}, SvgFigure::kCurve);
        figure.addPoint(0.5, 5, "p<q", SvgFigure::kMark);
        QXmlStreamReader xml(QByteArray::fromStdString(figure.toSvg()));
        int elements = 0;
        while (!xml.atEnd())
            elements += xml.readNext() == QXmlStreamReader::StartElement;
        QVERIFY2(!xml.hasError(), qPrintable(xml.errorString()));
        QVERIFY(elements > 20);
    }
};

QTEST_GUILESS_MAIN(TestExport)
#include "tst_export.moc"
