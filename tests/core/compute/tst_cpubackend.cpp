// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CpuBackend against the scalar reference: every row of the scheme table x sizes x inputs, on every instruction set.
#include "core/compute/cpubackend.h"
#include "core/quant/schemetable.h"
#include "core/tensor/floats.h"
#include "support/testtensors.h"

#include <QTest>

#include <cmath>
#include <cstring>

using namespace ql;

namespace {

std::vector<const simd::Kernels*> allKernels()
{
    std::vector<const simd::Kernels*> all;
    for (const simd::Isa isa : {simd::Isa::Baseline, simd::Isa::Avx2, simd::Isa::Avx512}) {
        if (const simd::Kernels* kernels = simd::kernelsFor(isa))
            all.push_back(kernels);
    }
    return all;
}

/// x as stored in `type`: f32, f16 or bf16, at an odd offset so that nothing is aligned.
TensorView storedAs(DType type, const std::vector<float>& x, int64_t rows, int64_t cols)
{
    const size_t width = type == DType::F32 ? 4 : 2;
    std::vector<std::byte> bytes(1 + x.size() * width);
    for (size_t i = 0; i < x.size(); ++i) {
        const uint16_t half = type == DType::F16 ? floatToHalf(x[i]) : floatToBf16(x[i]);
        std::memcpy(bytes.data() + 1 + i * width, type == DType::F32 ? static_cast<const void*>(&x[i]) : &half, width);
    }
    return TensorView::create(memorySource("test", std::move(bytes)), 1, type, {rows, cols}).value();
}

bool near(double a, double b, double scale)
{
    return std::abs(a - b) <= 1e-6 * std::abs(scale) + 1e-300;
}

/// Empty when both say the same.
QString difference(const ErrorMetrics& a, const ErrorMetrics& b)
{
    if (a.count != b.count || a.finite != b.finite)
        return QString("count %1/%2, finite %3/%4").arg(a.count).arg(b.count).arg(a.finite).arg(b.finite);
    if (a.clipped != b.clipped)
        return QString("clipped %1/%2").arg(a.clipped).arg(b.clipped);
    if (a.occupancy != b.occupancy)
        return "occupancy";
    if (a.bytes != b.bytes || !near(a.bitsPerWeight, b.bitsPerWeight, b.bitsPerWeight))
        return QString("bytes %1/%2").arg(a.bytes).arg(b.bytes);
    const bool sums = near(a.sumSquare, b.sumSquare, b.sumSquare) && near(a.sumHatSquare, b.sumHatSquare, b.sumHatSquare) &&
                      near(a.sumDot, b.sumDot, std::sqrt(b.sumSquare) * std::sqrt(b.sumHatSquare)) &&
                      near(a.sumSquaredError, b.sumSquaredError, b.sumSquaredError) &&
                      near(a.sumAbsError, b.sumAbsError, b.sumAbsError) &&
                      near(a.sumError, b.sumError, b.sumAbsError) && near(a.maxAbsError, b.maxAbsError, b.maxAbsError);
    return sums ? QString() : QString("sums: e^2 %1/%2").arg(a.sumSquaredError).arg(b.sumSquaredError);
}

QString difference(const QuantizedTensor& a, const QuantizedTensor& b)
{
    if (a.codes != b.codes)
        return "codes";
    if (a.scales.size() != b.scales.size() ||
        (!a.scales.empty() && std::memcmp(a.scales.data(), b.scales.data(), a.scales.size() * sizeof(float)) != 0))
        return "scales";
    if (a.zeros != b.zeros || a.mins != b.mins)
        return "zero points or minima";
    if (a.blocks != b.blocks || a.scaleCodes != b.scaleCodes || a.scaleScales != b.scaleScales)
        return "blocks";
    return a.groupSize == b.groupSize && a.groupsPerRow == b.groupsPerRow && a.rows == b.rows ? "" : "layout";
}

/// Every format of the table with its defaults, and the options that change the arithmetic.
QStringList schemes()
{
    QStringList all;
    for (const FormatTraits& row : schemeTable())
        all << QString::fromStdString(Scheme::defaultsFor(row.format).text());
    all << "int2,group=16" << "int3,asym,group=32" << "int4,asym" << "int4,range=full,group=32,scale=f32"
        << "int4,tensor" << "int4,tensor,asym" << "int4,channel,scale=bf16" << "int8,tensor,clip=percentile:99"
        << "int4,clip=mse,group=64" << "int4,asym,clip=mse,group=32" << "int4,tensor,clip=mse" << "int8,channel,clip=mse"
        << "int4,clip=percentile:97" << "int4,clip=sigma:2.5" << "int4,clip=ratio:0.8" << "int4,clip=abs:0.02"
        << "int4,clip=kl,group=32" << "int8,channel,clip=kl" << "int6,asym,channel" << "int4,scale=e8m0"
        << "int4,scale=e4m3,group=16" << "int4,round=stochastic:5" << "int4,double" << "nf4,double" << "int4,double,asym,group=48" << "int4,double,clip=mse,group=32" << "nf4,double,clip=ratio:0.7" << "nf4,clip=mse"
        << "nf4,tensor" << "nf4,group=100" << "nf4-quantile,group=48" << "fp4,channel" << "e2m1,group=16,scale=e8m0"
        << "e2m1,clip=mse" << "fp8-e4m3,tensor" << "fp8-e5m2,group=32,clip=mse" << "nf4-sym15,group=24";
    return all;
}

} // namespace

class TestCpuBackend : public QObject
{
    Q_OBJECT
private:
    std::shared_ptr<ThreadPool> m_pool = std::make_shared<ThreadPool>(2);

    /// Compares one backend with the reference on one tensor; empty when equal.
    QString compareOn(CpuBackend& backend, const TensorView& tensor, const Scheme& scheme)
    {
        std::vector<float> x(static_cast<size_t>(tensor.count()));
        if (!tensor.readFlat(0, tensor.count(), x.data()))
            return "cannot read";
        const auto reference = TensorQuantizer::prepare(tensor, scheme);
        if (!reference)
            return QString::fromStdString(reference.error().text());
        const auto measured = backend.measure(tensor, scheme, {});
        if (!measured)
            return QString::fromStdString(measured.error().text());
        const ErrorMetrics expected = reference->measureRows(x.data(), 0, tensor.rows());
        if (const QString d = difference(*measured, expected); !d.isEmpty())
            return "metrics: " + d;
        const auto parameters = backend.prepare(tensor, scheme, {});
        if (!parameters)
            return "prepare";
        const int64_t skip = tensor.rows() > 1 ? 1 : 0;
        const int64_t rows = tensor.rows() - skip;
        const auto q = backend.quantizeRows(tensor, *parameters, skip, rows, {});
        if (!q)
            return QString::fromStdString(q.error().text());
        const QuantizedTensor plain = reference->quantizeRows(x.data() + skip * tensor.cols(), skip, rows);
        if (const QString d = difference(*q, plain); !d.isEmpty())
            return "quantized: " + d;
        std::vector<float> expectedValues(size_t(rows * tensor.cols()));
        std::vector<float> values = expectedValues;
        dequantize(plain, expectedValues.data());
        if (!backend.dequantize(*q, values.data(), {}))
            return "dequantize";
        return std::memcmp(values.data(), expectedValues.data(), values.size() * 4) == 0 ? "" : "reconstruction";
    }

private Q_SLOTS:
    void sameAsTheReference_data()
    {
        QTest::addColumn<QString>("text");
        for (const QString& text : schemes())
            QTest::newRow(qPrintable(text)) << text;
    }
    void sameAsTheReference()
    {
        QFETCH(QString, text);
        const auto scheme = Scheme::parse(text.toStdString());
        QVERIFY2(scheme.ok(), scheme ? "" : scheme.error().text().c_str());
        int compared = 0;
        for (const int64_t cols : test::differentialSizes()) {
            const int64_t rows = cols > 1000 ? 2 : 3;
            if (!applicable(*scheme, rows, cols))
                continue;
            for (const test::NamedInput& input : test::differentialInputs()) {
                const std::vector<float> x = test::makeInput(input.input, rows * cols);
                for (const simd::Kernels* kernels : allKernels()) {
                    const bool best = kernels == &simd::kernels();
                    if (!best && input.input != test::Input::Random && input.input != test::Input::Outlier)
                        continue;
                    CpuBackend backend(m_pool, *kernels);
                    std::vector<DType> types{DType::F32};
                    if (cols > 16 && (input.input == test::Input::Random || input.input == test::Input::Infinities))
                        types.insert(types.end(), {DType::F16, DType::BF16});
                    for (const DType type : types) {
                        const QString d = compareOn(backend, storedAs(type, x, rows, cols), *scheme);
                        QVERIFY2(d.isEmpty(), qPrintable(QString("%1: %2, %3 x %4 %5, %6")
                                                             .arg(d, input.name).arg(rows).arg(cols)
                                                             .arg(QLatin1String(dtypeInfo(type).name.data()))
                                                             .arg(QLatin1String(kernels->name))));
                        ++compared;
                    }
                }
            }
        }
        QVERIFY(compared >= (traits(scheme->format).blockSize > 32 ? 8 : 30));
    }

    void ggmlBlocksAreLikeTheReference_data()
    {
        QTest::addColumn<QString>("text");
        for (const FormatTraits& row : schemeTable()) {
            if (row.kind == FormatKind::Ggml)
                QTest::newRow(row.name.data()) << QString::fromLatin1(row.name.data());
            if (row.choosesImportance)
                QTest::addRow("%s by importance", row.name.data()) << QString::fromLatin1(row.name.data()) + ",imatrix";
        }
    }
    void ggmlBlocksAreLikeTheReference()
    {
        QFETCH(QString, text);
        const Scheme scheme = Scheme::parse(text.toStdString()).value();
        // Heavy tails, ties in magnitude, zero blocks and a wide range of scales.
        std::vector<float> x = test::normalValues(64 * 4096, 12, 1);
        for (size_t i = 0; i < x.size(); ++i)
            x[i] *= std::abs(x[i]) * std::exp2(float(i / 32 % 41) - 30.0f);
        for (size_t i = 0; i < x.size(); i += 3 * 32)
            x[i] = -x[i + 5];
        std::fill_n(x.begin() + 4096, 700, 0.0f);
        x[9000] = NAN;
        auto importance = std::make_shared<ColumnImportance>();
        importance->cols = 4096;
        for (int i = 0; i < 2 * 4096; ++i) // of two experts
            importance->values.push_back(i % 300 < 40 ? 0.0f : float(i % 17) * float(i % 5));
        for (const simd::Kernels* kernels : allKernels()) {
            CpuBackend backend(m_pool, *kernels);
            for (const DType type : {DType::F32, DType::BF16}) {
                const QString d = compareOn(backend, storedAs(type, x, 64, 4096).weighted(importance), scheme);
                QVERIFY2(d.isEmpty(), qPrintable(d + " " + kernels->name));
            }
        }
    }

    void countedHalvesAreLikeTheReference_data()
    {
        QTest::addColumn<QString>("text");
        for (const char* text : {"int4,tensor", "int8,tensor,asym", "int4,tensor,clip=mse", "int4,tensor,asym,clip=mse",
                                 "nf4,tensor,clip=mse", "int8,tensor,clip=percentile:99.5",
                                 "int4,tensor,asym,clip=percentile:98", "int8,tensor,clip=kl", "int4,tensor,clip=sigma:3",
                                 "fp8-e4m3,tensor", "e2m1,tensor,scale=e4m3", "int4,tensor,round=stochastic:3"})
            QTest::newRow(text) << text;
    }
    void countedHalvesAreLikeTheReference()
    {
        QFETCH(QString, text);
        const Scheme scheme = Scheme::parse(text.toStdString()).value();
        std::vector<float> x = test::normalValues(512 * 521, 6, 0.02);
        x[1000] = 0.7f;
        x[5] = -0.0f;
        for (const DType type : {DType::F16, DType::BF16, DType::F32}) {
            for (const bool special : {false, true}) {
                x[77] = special ? NAN : 0.01f;
                x[300] = special ? -INFINITY : 0.01f;
                if (special && type != DType::F16)
                    continue;
                CpuBackend backend(m_pool);
                const QString d = compareOn(backend, storedAs(type, x, 512, 521), scheme);
                QVERIFY2(d.isEmpty(), qPrintable(d));
            }
        }
    }

    void sweepsAgreeWithTheReference_data()
    {
        QTest::addColumn<QString>("text");
        for (const char* text : {"int4,group=100", "int4,asym,group=64", "nf4,group=64", "fp4,channel", "int4,tensor",
                                 "nf4-quantile,group=48", "fp8-e5m2,tensor", "e2m1,group=32,scale=e8m0"})
            QTest::newRow(text) << text;
    }
    void sweepsAgreeWithTheReference()
    {
        QFETCH(QString, text);
        const Scheme scheme = Scheme::parse(text.toStdString()).value();
        std::vector<float> x = test::normalValues(40 * 512, 8, 0.5);
        x[4242] = NAN;
        CpuBackend reference(m_pool, false);
        for (const DType type : {DType::F32, DType::BF16}) {
            const TensorView tensor = storedAs(type, x, 40, 512);
            const auto expected = reference.clipSweep(tensor, scheme, {});
            QVERIFY(expected.ok());
            for (const simd::Kernels* kernels : allKernels()) {
                CpuBackend backend(m_pool, *kernels);
                const auto sweep = backend.clipSweep(tensor, scheme, {});
                QVERIFY(sweep.ok());
                QCOMPARE(sweep->ratios, expected->ratios);
                for (size_t i = 0; i < sweep->mse.size(); ++i)
                    QVERIFY2(near(sweep->mse[i], expected->mse[i], expected->mse[i]), kernels->name);
            }
        }
    }
};

QTEST_GUILESS_MAIN(TestCpuBackend)
#include "tst_cpubackend.moc"
