// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Quantizing, measuring and dequantizing on the device against the reference: the whole scheme table, sizes around
// every boundary, and inputs that break careless arithmetic. Codes, scales and bytes must be equal.
#include "kerneltest.h"

using namespace ql;
using namespace ql::test;

namespace
{

/// Compares one tensor under one scheme; the first difference, or nothing.
QString compareOn(OpenClBackend& backend, const TensorView& tensor, const Scheme& scheme)
{
    ReferenceBackend reference;
    const JobControl job;
    const auto wantedParameters = reference.prepare(tensor, scheme, job);
    const auto gotParameters = backend.prepare(tensor, scheme, job);
    if (wantedParameters.ok() != gotParameters.ok())
        return "prepare fails on one side only";
    if (!wantedParameters.ok())
        return wantedParameters.error().code == gotParameters.error().code ? QString() : "another error";
    const auto wanted = reference.quantizeRows(tensor, *wantedParameters, 0, tensor.rows(), job);
    const auto got = backend.quantizeRows(tensor, *gotParameters, 0, tensor.rows(), job);
    if (!got)
        return QString::fromStdString(got.error().text());
    if (const QString d = difference(*got, *wanted); !d.isEmpty())
        return d;
    std::vector<float> gotValues(size_t(tensor.count())), wantedValues(size_t(tensor.count()));
    if (!backend.dequantize(*wanted, gotValues.data(), job) || !reference.dequantize(*wanted, wantedValues.data(), job))
        return "dequantize failed";
    if (!sameBits(gotValues, wantedValues))
        return "dequantized values";
    const auto gotMetrics = backend.measure(tensor, scheme, job);
    if (!gotMetrics)
        return QString::fromStdString(gotMetrics.error().text());
    if (const QString d = difference(*gotMetrics, *reference.measure(tensor, scheme, job)); !d.isEmpty())
        return d;
    if (wanted->blocks.empty()) {
        std::vector<std::byte> rows;
        for (int64_t row = 0; row < tensor.rows(); ++row) {
            const auto bytes = packedRow(*wanted, row);
            rows.insert(rows.end(), bytes.begin(), bytes.end());
        }
        const auto packed = backend.packRows(*wanted, job);
        if (!packed || *packed != rows)
            return "packed rows";
    }
    if (fallback().calls != 0)
        return "done by the fallback: " + QString::fromStdString(backend.lastFallback());
    return {};
}

} // namespace

class TestQuantizeKernels : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void agreesWithReference_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<bool>("gpuShape");
        for (const std::string& text : schemeTexts())
            QTest::addRow("%s", text.c_str()) << QString::fromStdString(text) << false;
        for (const char* text : {"int4,clip=output", "int4,tensor,clip=output"}) // refused alike
            QTest::addRow("%s", text) << QString(text) << false;
        // Few, because CPU drivers compile work groups with barriers slowly.
        for (const char* text : {"int4,asym", "nf4,double", "int4,clip=mse"})
            QTest::addRow("GPU shape: %s", text) << QString(text) << true;
    }
    void agreesWithReference()
    {
        QFETCH(QString, scheme);
        QFETCH(bool, gpuShape);
        const auto parsed = Scheme::parse(scheme.toStdString());
        QVERIFY2(parsed.ok(), parsed ? "" : parsed.error().text().c_str());
        for (const NamedInput& input : differentialInputs()) {
            for (const int64_t cols : differentialSizes()) {
                const int64_t rows = cols < 300 ? 3 : 2;
                const auto tensor = TensorView::fromFloats(makeInput(input.input, rows * cols), rows, cols);
                const QString d = compareOn(device(gpuShape), tensor, *parsed);
                QVERIFY2(d.isEmpty(),
                         qPrintable(QString("%1, %2 x %3 %4: %5").arg(scheme).arg(rows).arg(cols).arg(input.name, d)));
            }
        }
    }

    void superblocksAndWeightedSearchesRunInCpp_data()
    {
        QTest::addColumn<QString>("scheme");
        for (const FormatTraits& row : schemeTable()) {
            if (row.kind == FormatKind::Ggml && row.groupSize != row.blockSize)
                QTest::newRow(row.name.data()) << row.name.data();
            if (row.choosesImportance)
                QTest::addRow("%s by importance", row.name.data()) << QString(row.name.data()) + ",imatrix";
        }
    }
    void superblocksAndWeightedSearchesRunInCpp()
    {
        QFETCH(QString, scheme);
        auto importance = std::make_shared<ColumnImportance>();
        importance->cols = 4096;
        for (int i = 0; i < 4096; ++i)
            importance->values.push_back(float(i % 13));
        const auto tensor = TensorView::fromFloats(test::normalValues(2 * 4096, 5), 2, 4096).weighted(importance);
        const QString d = compareOn(device(false), tensor, Scheme::parse(scheme.toStdString()).value());
        QVERIFY2(d.startsWith("done by the fallback: "), qPrintable(d));
        fallback().calls = 0;
    }
};

QTEST_GUILESS_MAIN(TestQuantizeKernels)
#include "tst_quantizekernels.moc"
