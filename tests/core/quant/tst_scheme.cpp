// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Scheme texts, their errors, the scheme table and storage sizes.
#include "core/quant/clip.h"
#include "core/quant/nearestggml.h"
#include "core/quant/schemetable.h"
#include "support/testtensors.h"

#include <QTest>

using namespace ql;

namespace {

/// A scheme with random settings; often not valid.
Scheme randomScheme(test::Random& random)
{
    Scheme scheme = Scheme::defaultsFor(Format(random.below(schemeTable().size())));
    scheme.symmetry = Symmetry(random.below(2));
    scheme.range = CodeRange(random.below(2));
    scheme.granularity = Granularity(random.below(3));
    scheme.groupSize = int(16 + random.below(1009));
    const ClipMethodInfo& clip = clipMethods()[random.below(clipMethods().size())];
    scheme.clip = clip.method;
    if (!clip.parameter.empty())
        scheme.clipParameter = clip.lowest + (clip.highest - clip.lowest) * (1 - random.uniform());
    scheme.rounding = Rounding(random.below(2));
    scheme.seed = scheme.rounding == Rounding::Stochastic ? random.next() : 0;
    scheme.scaleType = ScaleType(random.below(5));
    scheme.doubleQuant = random.below(4) == 0;
    scheme.importance = random.below(4) == 0;
    return scheme;
}

} // namespace

class TestScheme : public QObject
{
    Q_OBJECT
private Q_SLOTS:
    void canonicalText_data()
    {
        QTest::addColumn<QString>("given");
        QTest::addColumn<QString>("canonical");
        QTest::newRow("format alone") << "int4"
                                      << "int4";
        QTest::newRow("defaults vanish") << "int4,sym,range=strict,group=128,clip=minmax,round=nearest,scale=f16"
                                         << "int4";
        QTest::newRow("codebook defaults vanish") << "nf4,group=64,scale=f32"
                                                  << "nf4";
        QTest::newRow("order is fixed") << "int8,scale=f32,clip=mse,channel,asym"
                                        << "int8,asym,channel,clip=mse,scale=f32";
        QTest::newRow("parameters stay exact") << "int4,clip=percentile:99.99"
                                               << "int4,clip=percentile:99.99";
        QTest::newRow("sigma") << "int3,tensor,clip=sigma:2.5"
                               << "int3,tensor,clip=sigma:2.5";
        QTest::newRow("double implies f32 scales") << "int4,double"
                                                   << "int4,double";
        QTest::newRow("double with its scale type said") << "int4,scale=f32,double"
                                                         << "int4,double";
        QTest::newRow("importance") << "q4_k,imatrix"
                                    << "q4_k,imatrix";
        QTest::newRow("codebook with double") << "nf4,double"
                                              << "nf4,double";
        QTest::newRow("seed") << "int4,round=stochastic:18446744073709551615"
                              << "int4,round=stochastic:18446744073709551615";
        QTest::newRow("capitals and spaces") << " INT4 , Group=32 "
                                             << "int4,group=32";
        QTest::newRow("fp8 is per channel") << "fp8-e4m3,channel"
                                            << "fp8-e4m3";
        QTest::newRow("fp8 in groups") << "fp8-e4m3,group=128"
                                       << "fp8-e4m3,group=128";
        QTest::newRow("fixed format repeats itself") << "q4_0,group=32,scale=f16"
                                                     << "q4_0";
        QTest::newRow("full range") << "int4,range=full,scale=e8m0"
                                    << "int4,range=full,scale=e8m0";
    }
    void canonicalText()
    {
        QFETCH(QString, given);
        const auto scheme = Scheme::parse(given.toStdString());
        QVERIFY2(scheme.ok(), scheme.ok() ? "" : scheme.error().message.c_str());
        QTEST(QString::fromStdString(scheme->text()), "canonical");
        const auto again = Scheme::parse(scheme->text());
        QVERIFY(again.ok() && *again == *scheme);
    }

    void badTextsSayWhy_data()
    {
        QTest::addColumn<QString>("given");
        QTest::addColumn<int>("code");
        QTest::addColumn<QStringList>("mentions");
        const auto row = [](const char* name, const char* given, ErrorCode code, const QStringList& mentions) {
            QTest::newRow(name) << given << int(code) << mentions;
        };
        row("empty", "", ErrorCode::SchemeSyntax, {"int4"});
        row("empty option", "int4,,asym", ErrorCode::SchemeSyntax, {"int4,,asym"});
        row("trailing comma", "int4,", ErrorCode::SchemeSyntax, {"empty option"});
        row("unknown format", "int9", ErrorCode::SchemeUnknownFormat, {"'int9'", "int8", "iq4_nl"});
        row("unknown option", "int4,loud", ErrorCode::SchemeBadOption, {"'loud'", "asym", "group=N"});
        row("option with a stray value", "int4,asym=1", ErrorCode::SchemeBadOption, {"'asym=1'"});
        row("group without a number", "int4,group", ErrorCode::SchemeBadOption, {"group=16"});
        row("group too small", "int4,group=8", ErrorCode::SchemeBadOption, {"group=8", "1024"});
        row("group too large", "int4,group=2048", ErrorCode::SchemeBadOption, {"group=2048"});
        row("group not a number", "int4,group=12x", ErrorCode::SchemeBadOption, {"group=12x"});
        row("group overflows", "int4,group=99999999999", ErrorCode::SchemeBadOption, {"group=99999999999"});
        row("unknown clip", "int4,clip=best", ErrorCode::SchemeBadOption, {"clip=best", "mse", "percentile"});
        row("percentile without a number", "int4,clip=percentile", ErrorCode::SchemeBadOption, {"percentile"});
        row("mse takes no number", "int4,clip=mse:3", ErrorCode::SchemeBadOption, {"clip=mse:3"});
        row("percentile of 50", "int4,clip=percentile:50", ErrorCode::SchemeBadOption, {"percentile:50", "100"});
        row("percentile above 100", "int4,clip=percentile:101", ErrorCode::SchemeBadOption, {"percentile:101"});
        row("ratio of 0", "int4,clip=ratio:0", ErrorCode::SchemeBadOption, {"ratio:0"});
        row("not a number", "int4,clip=sigma:nan", ErrorCode::SchemeBadOption, {"sigma:nan"});
        row("seed is negative", "int4,round=stochastic:-1", ErrorCode::SchemeBadOption, {"stochastic:-1"});
        row("seed is missing", "int4,round=stochastic", ErrorCode::SchemeBadOption, {"SEED"});
        row("unknown scale", "int4,scale=f64", ErrorCode::SchemeBadOption, {"scale=f64", "e8m0"});
        row("said twice", "int4,group=32,group=64", ErrorCode::SchemeConflict, {"group=64"});
        row("contradiction", "int4,tensor,channel", ErrorCode::SchemeConflict, {"channel"});
        row("sym and asym", "int4,sym,asym", ErrorCode::SchemeConflict, {"asym"});
        row("codebooks have no zero point", "nf4,asym", ErrorCode::SchemeConflict, {"nf4", "asym"});
        row("fixed group", "q4_0,group=64", ErrorCode::SchemeConflict, {"q4_0", "group=64"});
        row("fixed clip", "mxfp4,clip=mse", ErrorCode::SchemeConflict, {"mxfp4", "clip=mse"});
        row("fixed rounding", "nvfp4,round=stochastic:1", ErrorCode::SchemeConflict, {"nvfp4", "stochastic"});
        row("fixed scale", "q8_0,scale=f32", ErrorCode::SchemeConflict, {"q8_0", "scale=f32"});
        row("kept floats have no groups", "f16,group=64", ErrorCode::SchemeConflict, {"f16", "group=64"});
        row("full range is symmetric", "int4,asym,range=full", ErrorCode::SchemeConflict, {"range=full"});
        row("double needs f32 scales", "int4,double,scale=f16", ErrorCode::SchemeConflict, {"double", "f32"});
        row("double needs many scales", "int4,tensor,double", ErrorCode::SchemeConflict, {"double"});
    }
    void badTextsSayWhy()
    {
        QFETCH(QString, given);
        QFETCH(int, code);
        QFETCH(QStringList, mentions);
        const auto scheme = Scheme::parse(given.toStdString());
        QVERIFY(!scheme.ok());
        QCOMPARE(codeName(scheme.error().code), codeName(ErrorCode(code)));
        const QString message = QString::fromStdString(scheme.error().message);
        QVERIFY(!message.contains('\n'));
        for (const QString& part : mentions)
            QVERIFY2(message.contains(part), qPrintable(message));
    }

    void validSchemesSurviveTheirText()
    {
        test::Random random(11);
        int valid = 0;
        for (int i = 0; i < 20000; ++i) {
            const Scheme scheme = randomScheme(random);
            if (!scheme.check().ok())
                continue;
            ++valid;
            const auto parsed = Scheme::parse(scheme.text());
            QVERIFY2(parsed.ok(), scheme.text().c_str());
            QVERIFY2(*parsed == scheme.normalized(), scheme.text().c_str());
            QCOMPARE(parsed->text(), scheme.text());
        }
        QVERIFY(valid > 1000);
    }

    void everyFormatHasARowAndDefaults()
    {
        for (const FormatTraits& row : schemeTable()) {
            const Scheme scheme = Scheme::defaultsFor(row.format);
            QVERIFY2(scheme.check().ok(), row.name.data());
            QCOMPARE(scheme.text(), std::string(row.name));
            QVERIFY(scheme == scheme.normalized());
            QVERIFY(formatFromName(row.name) == row.format);
            QVERIFY(!row.label.empty() && !row.summary.empty() && !row.source.empty());
        }
        for (size_t i = 0; i < clipMethods().size(); ++i)
            QCOMPARE(size_t(clipMethods()[i].method), i);
    }

    void bitsPerWeight_data()
    {
        QTest::addColumn<QString>("scheme");
        QTest::addColumn<double>("bits");
        QTest::newRow("q4_0") << "q4_0" << 4.5;
        QTest::newRow("q4_1") << "q4_1" << 5.0;
        QTest::newRow("q5_0") << "q5_0" << 5.5;
        QTest::newRow("q5_1") << "q5_1" << 6.0;
        QTest::newRow("q8_0") << "q8_0" << 8.5;
        QTest::newRow("iq4_nl") << "iq4_nl" << 4.5;
        QTest::newRow("q2_k") << "q2_k" << 2.625;
        QTest::newRow("q3_k") << "q3_k" << 3.4375;
        QTest::newRow("q4_k") << "q4_k,imatrix" << 4.5;
        QTest::newRow("q5_k") << "q5_k" << 5.5;
        QTest::newRow("q6_k") << "q6_k" << 6.5625;
        QTest::newRow("iq4_xs") << "iq4_xs" << 4.25;
        QTest::newRow("mxfp4") << "mxfp4" << 4.25;
        QTest::newRow("nvfp4") << "nvfp4" << 4.5;
        QTest::newRow("nf4") << "nf4" << 4.5;
        QTest::newRow("nf4 with double quantization") << "nf4,double" << 4.127;
        QTest::newRow("int4 group 128") << "int4" << 4.125;
        QTest::newRow("int4 with zero points") << "int4,asym" << 4.15625;
        QTest::newRow("int3 dense") << "int3,channel,scale=f32" << 3 + 32.0 / 4096;
        QTest::newRow("int8 per tensor") << "int8,tensor" << 8.0;
        QTest::newRow("fp8 per channel") << "fp8-e4m3" << 8 + 32.0 / 4096;
        QTest::newRow("f16") << "f16" << 16.0;
        QTest::newRow("f32") << "f32" << 32.0;
    }
    void bitsPerWeight()
    {
        QFETCH(QString, scheme);
        QFETCH(double, bits);
        const double measured = ql::bitsPerWeight(*Scheme::parse(scheme.toStdString()), 4096, 4096);
        QVERIFY2(std::abs(measured - bits) < 5e-5, qPrintable(QString::number(measured, 'g', 12)));
    }

    void tailGroupsAndPaddingAreStored()
    {
        // 3 rows of 130 values: two groups each, 130 * 4 bits fill 65 bytes.
        QCOMPARE(storedBytes(*Scheme::parse("int4"), 3, 130), uint64_t(3 * (65 + 2 * 2)));
        QCOMPARE(storedBytes(*Scheme::parse("int3"), 3, 5), uint64_t(3 * (2 + 2)));
        QCOMPARE(storedBytes(*Scheme::parse("int4,asym"), 3, 130), uint64_t(3 * (65 + 2 * 2) + 3));
        QCOMPARE(storedBytes(*Scheme::parse("int4,scale=e4m3"), 3, 130), uint64_t(3 * (65 + 2) + 4));
        QCOMPARE(storedBytes(*Scheme::parse("int4"), 0, 130), uint64_t(0));
    }

    void blocksMustDivideTheRow()
    {
        QVERIFY(applicable(*Scheme::parse("q4_0"), 4, 64).ok());
        const Status status = applicable(*Scheme::parse("q4_0"), 4, 65);
        QVERIFY(!status.ok());
        QCOMPARE(codeName(status.error().code), codeName(ErrorCode::SchemeConflict));
        QVERIFY(QString::fromStdString(status.error().message).contains("32"));
        QVERIFY(applicable(*Scheme::parse("nvfp4"), 1, 48).ok());
        QVERIFY(!applicable(*Scheme::parse("nvfp4"), 1, 40).ok());
        QVERIFY(applicable(*Scheme::parse("int4"), 4, 65).ok());
        QVERIFY(applicable(*Scheme::parse("f32"), 1, 1).ok());
    }

    void nearestTypesFitTheRow()
    {
        const auto nearest = [](const char* scheme, int64_t cols) {
            const auto found = nearestGgml(*Scheme::parse(scheme), 8, cols);
            return found ? found->text() : std::string("none");
        };
        QCOMPARE(nearest("int4", 512), std::string("q4_k"));
        QCOMPARE(nearest("int4", 96), std::string("q4_0"));
        QCOMPARE(nearest("int4,asym", 96), std::string("q4_1"));
        QCOMPARE(nearest("int6", 96), std::string("q8_0"));
        QCOMPARE(nearest("int4", 48), std::string("none"));
        QCOMPARE(nearest("q4_0", 64), std::string("none")); // it is one
        QCOMPARE(nearest("f16", 64), std::string("none"));
    }
};

QTEST_GUILESS_MAIN(TestScheme)
#include "tst_scheme.moc"
