// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Tokenizers as a whole: the bundled model's, and what every tokenizer promises.
#include "core/io/atomicfile.h"
#include "core/tokenizer/tokenizer.h"

#include <QTest>

#include <zlib.h>

using namespace ql;

namespace {

const std::string kModels = QL_RESOURCES "/models/";

/// CRC-32 of the ids as little-endian 32-bit numbers.
uint32_t checksum(const std::vector<int32_t>& ids)
{
    std::vector<unsigned char> bytes;
    for (const int32_t id : ids) {
        for (int shift = 0; shift < 32; shift += 8)
            bytes.push_back(static_cast<unsigned char>(uint32_t(id) >> shift));
    }
    return uint32_t(crc32(0, bytes.data(), uInt(bytes.size())));
}

} // namespace

class TestTokenizer : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void initTestCase()
    {
        const auto model = Model::open(kModels + "loupe-3m");
        QVERIFY(model.ok());
        auto tokenizer = Tokenizer::of(**model);
        QVERIFY2(tokenizer.ok(), tokenizer.ok() ? "" : tokenizer.error().text().c_str());
        m_bundled = *tokenizer;
    }

    void bundledTokenizerStatesItself()
    {
        QCOMPARE(std::string(m_bundled->kind()), std::string("byte-level BPE"));
        QCOMPARE(m_bundled->size(), int64_t(1280));
        QCOMPARE(m_bundled->beginId(), std::optional<int32_t>(0));
        QCOMPARE(m_bundled->endId(), std::optional<int32_t>(1));
        QCOMPARE(m_bundled->token(260), std::string("\u0120the"));
        QCOMPARE(m_bundled->token(-1), std::string());
        QCOMPARE(m_bundled->token(1 << 20), std::string());
    }

    /// Counts and checksums are those of the PyPI package tokenizers 0.23.3 on the same files.
    void bundledTextsGiveTheReferenceIds_data()
    {
        QTest::addColumn<QString>("file");
        QTest::addColumn<int>("count");
        QTest::addColumn<uint>("crc");
        QTest::newRow("held out") << "heldout.txt" << 26032 << 3303388077u;
        QTest::newRow("calibration") << "calibration.txt" << 43235 << 2752559348u;
    }
    void bundledTextsGiveTheReferenceIds()
    {
        QFETCH(QString, file);
        QFETCH(int, count);
        QFETCH(uint, crc);
        const auto text = readWholeFile(kModels + "text/" + file.toStdString(), 1 << 20);
        QVERIFY(text.ok());
        const auto ids = m_bundled->encode(*text, false);
        QVERIFY(ids.ok());
        QCOMPARE(int(ids->size()), count);
        QCOMPARE(checksum(*ids), crc);
        QCOMPARE(m_bundled->decode(*ids, true).value(), *text);
    }

    void specialTokensAreFoundKeptAndSkipped()
    {
        const auto ids = m_bundled->encode("<s>the</s>", true);
        QVERIFY(ids.ok());
        QCOMPARE(ids->front(), 0);
        QCOMPARE(ids->back(), 1);
        QCOMPARE(m_bundled->decode(*ids, false).value(), std::string("<s>the</s>"));
        QCOMPARE(m_bundled->decode(*ids, true).value(), std::string("the"));
    }

    void emptyTextIsNoToken() { QCOMPARE(m_bundled->encode("", true).value().size(), size_t(0)); }

    void malformedTextIsRefusedByByte()
    {
        const auto ids = m_bundled->encode("ab\xC3(", false);
        QVERIFY(!ids.ok());
        QCOMPARE(ids.error().code, ErrorCode::InvalidUtf8);
        QVERIFY2(ids.error().text().find("byte 2") != std::string::npos, ids.error().text().c_str());
    }

    void halfACharacterDecodesToReplacement()
    {
        const auto ids = m_bundled->encode("\u00E9", false);
        QVERIFY(ids.ok());
        QCOMPARE(m_bundled->decode(*ids, false).value(), std::string("\u00E9"));
        if (ids->size() > 1)
            QCOMPARE(m_bundled->decode(std::span(*ids).first(1), false).value(), std::string("\uFFFD"));
    }

    void idsOutsideAreRefused_data()
    {
        QTest::addColumn<int>("id");
        QTest::newRow("negative") << -1;
        QTest::newRow("one too many") << 1280;
        QTest::newRow("huge") << INT32_MAX;
    }
    void idsOutsideAreRefused()
    {
        QFETCH(int, id);
        const int32_t ids[] = {5, id};
        const auto text = m_bundled->decode(ids, false);
        QVERIFY(!text.ok());
        QCOMPARE(text.error().code, ErrorCode::InvalidArgument);
    }

    void aModelWithoutTokenizerSaysSo()
    {
        Model::Contents contents;
        contents.path = "/nowhere/model.safetensors";
        const auto missing = Tokenizer::of(Model(std::move(contents)));
        QVERIFY(!missing.ok());
        QCOMPARE(missing.error().code, ErrorCode::TokenizerMissing);
    }

private:
    std::shared_ptr<const Tokenizer> m_bundled;
};

QTEST_GUILESS_MAIN(TestTokenizer)
#include "tst_tokenizer.moc"
