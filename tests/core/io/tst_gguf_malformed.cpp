// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Every way a GGUF file can be wrong, by name and with its exact error; then thousands of seeded mutations of good
// files, which must be read or refused but never crash.
#include "core/base/checked.h"
#include "core/io/gguf.h"
#include "core/tensor/tensorview.h"
#include "ggufbadfiles.h"
#include "support/mutations.h"

#include <QTest>

using namespace ql;
using namespace ql::test;

class TestGgufMalformed : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void isRefused_data()
    {
        QTest::addColumn<BadFile>("file");
        for (const auto& group : {badGgufHeaders(), badGgufKeys(), badGgufAlignments(), badGgufTensors(), badGgufLayouts()}) {
            for (const BadFile& file : group)
                QTest::newRow(file.name.c_str()) << file;
        }
    }
    void isRefused()
    {
        QFETCH(BadFile, file);
        const auto parsed = parseGguf(memorySource("bad.gguf", file.bytes));
        QVERIFY2(!parsed, "was accepted");
        const Error& error = parsed.error();
        QVERIFY2(error.code == file.code, (std::string(codeName(error.code)) + " - " + error.text()).c_str());
        const QString text = QString::fromStdString(error.text());
        QVERIFY2(text.contains("bad.gguf") && text.contains(QString::fromStdString(file.mentions)), qPrintable(text));
        QVERIFY2(!text.contains('\n') && text.size() < 400, qPrintable(text));
        QVERIFY(error.kind() == ErrorKind::BadInput);
    }

    void everyTruncationIsRefusedOrSound()
    {
        const std::vector<std::byte> whole = smallGguf().build().data();
        for (size_t length = 0; length < whole.size(); ++length)
            readAll({whole.begin(), whole.begin() + ptrdiff_t(length)});
        QVERIFY(m_refused > 500);
    }

    void mutationsAreRefusedOrSound()
    {
        const std::vector<std::byte> good = smallGguf().build().data();
        Mutator mutator(20240607);
        m_refused = 0;
        const int count = mutationCount();
        for (int i = 0; i < count; ++i)
            readAll(mutator.mutate(good));
        QVERIFY(m_refused > count / 4);
        QVERIFY(m_refused < count);
    }

private:
    /// Parses, and touches all that a parsed file promises.
    void readAll(std::vector<std::byte> bytes)
    {
        const auto file = parseGguf(memorySource("mutated.gguf", std::move(bytes)));
        if (!file) {
            ++m_refused;
            return;
        }
        QVERIFY(!file->metadataJson().empty());
        for (const auto& [key, value] : file->metadata) {
            if (const auto* array = std::get_if<GgufArray>(&value))
                QVERIFY(file->elements(*array, 1000));
        }
        for (const GgufTensor& tensor : file->tensors) {
            QVERIFY(rangeInside(tensor.offset, tensor.bytes, file->source->size()));
            const auto view = TensorView::create(file->source, tensor.offset, tensor.dtype, tensor.shape);
            QVERIFY2(view, view ? "" : view.error().text().c_str());
            if (view->count() > 0 && dtypeInfo(tensor.dtype).decodable) {
                std::vector<float> values(size_t(std::min<int64_t>(view->count(), 4096)));
                QVERIFY(view->readFlat(0, int64_t(values.size()), values.data()));
            }
        }
    }

    int m_refused = 0;
};

QTEST_GUILESS_MAIN(TestGgufMalformed)
#include "tst_gguf_malformed.moc"
